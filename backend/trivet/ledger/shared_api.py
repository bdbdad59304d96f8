"""Shared costs over REST: enter one, change its amount or its rule, end it."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Amount as AmountText
from trivet.kit.body import Body, Currency, Instant, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.money import plain
from trivet.kit.page import INT4, from_cursor, page
from trivet.ledger import shared_rows, shared_service
from trivet.ledger.shared import FIXED, Rule
from trivet.ledger.shared_rows import Cost
from trivet.ledger.shared_service import SHARES_MAX, Share, Split
from trivet.tenant.models import CostCentre, Tenant

router = APIRouter(tags=["shared costs"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Limit = Annotated[int, Query(ge=1, le=500)]


class ShareGiven(Body):
    """One of the two names."""

    cost_centre: Name | None = None
    tenant: Name | None = None


class FixedShare(ShareGiven):
    percent: AmountText


class FixedRule(Body):
    """Percentages; what they leave of 100 shows as a row of its own."""

    kind: Literal["fixed"]
    shares: Annotated[list[FixedShare], Field(min_length=1, max_length=SHARES_MAX)]


class EvenRule(Body):
    kind: Literal["even"]
    among: Annotated[list[ShareGiven], Field(min_length=1, max_length=SHARES_MAX)]


class ProportionalRule(Body):
    """To usage cost, of those named (a cost centre with all beneath it), or of everybody where nobody is named."""

    kind: Literal["proportional"]
    usage_of: Literal["hour", "day", "month"]
    among: Annotated[list[ShareGiven], Field(max_length=SHARES_MAX)] = Field(default_factory=list)


RuleGiven = Annotated[FixedRule | EvenRule | ProportionalRule, Field(discriminator="kind")]


class NewSharedCost(Body):
    """`once`: the amount for [from, to). `monthly`: the amount for each UTC month, from `from` on."""

    name: Name
    recurs: Literal["once", "monthly"] = "once"
    from_: Annotated[Instant, Field(alias="from")]
    to: Instant | None = None
    amount: AmountText
    currency: Currency
    rule: RuleGiven
    note: Annotated[str, Field(max_length=1000)] = ""


class NewTerm(Body):
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    amount: AmountText
    currency: Currency | None = None


class NewRule(Body):
    from_: Annotated[Instant | None, Field(alias="from")] = None
    rule: RuleGiven


class End(Body):
    at: Instant | None = None


class TermItem(Answer):
    from_: str = Field(alias="from")
    to: str | None = Field(description="Of a one-off its end; null of a monthly one, which ends with an amount of 0.")
    amount: str
    currency: str


class ShareItem(Answer):
    cost_centre: str | None
    tenant: str | None
    percent: str | None = Field(description="Where the rule is fixed.")


class RuleItem(Answer):
    from_: str = Field(alias="from")
    kind: Literal["fixed", "even", "proportional"]
    usage_of: str | None = Field(description="hour, day or month, where proportional.")
    shares: list[ShareItem] = Field(description="Empty: everybody.")


class SharedCostItem(Answer):
    """One shared cost with every amount and rule it had, in the order they were entered."""

    id: int
    name: str
    recurs: Literal["once", "monthly"]
    note: str
    terms: list[TermItem]
    rules: list[RuleItem]


class SharedCosts(Page):
    items: list[SharedCostItem]


@router.post("/shared-costs", status_code=201, response_model=None, responses={201: {"model": SharedCostItem}})
def add_shared_cost(body: NewSharedCost, principal: Write) -> dict[str, Any]:
    """A cost for many. Its hours so far are posted within a minute or two, and each later one as it ends."""
    with db.transaction() as session:
        made = shared_service.add(
            session, name=body.name, recurs=body.recurs, start=body.from_, end=body.to, amount=Decimal(body.amount),
            currency=body.currency, split=_split(body.rule), note=body.note, actor=principal.actor, now=utc_now(),
        )  # fmt: skip
        return _items(session, [made])[0]


@router.get("/shared-costs", response_model=None, responses=answers(SharedCosts))
def list_shared_costs(_: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    after = from_cursor(cursor, INT4)[0] if cursor else 0
    with db.transaction() as session:
        items = _items(session, shared_rows.costs(session, after=after, limit=limit + 1))
    return page(items, limit, lambda item: [item["id"]])


@router.post("/shared-costs/{name:path}/terms", response_model=None, responses=answers(SharedCostItem))
def change_amount(name: str, body: NewTerm, principal: Write) -> dict[str, Any]:
    """Another amount: of a monthly cost from an hour on, of a one-off for the whole of it."""
    with db.transaction() as session:
        made = shared_service.change_amount(
            session, name=name, start=body.from_, end=body.to, amount=Decimal(body.amount), currency=body.currency,
            actor=principal.actor, now=utc_now(),
        )  # fmt: skip
        return _items(session, [made])[0]


@router.post("/shared-costs/{name:path}/rules", response_model=None, responses=answers(SharedCostItem))
def change_rule(name: str, body: NewRule, principal: Write) -> dict[str, Any]:
    """Split it otherwise from the start of a UTC day on."""
    with db.transaction() as session:
        made = shared_service.change_rule(
            session, name=name, start=body.from_, split=_split(body.rule), actor=principal.actor, now=utc_now()
        )
        return _items(session, [made])[0]


@router.post("/shared-costs/{name:path}/end", response_model=None, responses=answers(SharedCostItem))
def end_shared_cost(name: str, body: End, principal: Write) -> dict[str, Any]:
    """A monthly cost costs nothing from an hour on."""
    with db.transaction() as session:
        made = shared_service.end(session, name=name, at=body.at, actor=principal.actor, now=utc_now())
        return _items(session, [made])[0]


def _split(given: FixedRule | EvenRule | ProportionalRule) -> Split:
    if isinstance(given, FixedRule):
        return Split(given.kind, [Share(one.cost_centre, one.tenant, Decimal(one.percent)) for one in given.shares])
    usage_of = given.usage_of if isinstance(given, ProportionalRule) else ""
    return Split(given.kind, [Share(one.cost_centre, one.tenant) for one in given.among], usage_of)


def _items(session: Session, costs: list[Cost]) -> list[dict[str, Any]]:
    targets = [target for cost in costs for rule in cost.rules for target, _ in rule.shares]
    centres = _names(session, CostCentre, {centre for centre, _ in targets})
    tenants = _names(session, Tenant, {tenant for _, tenant in targets})
    return [
        {
            "id": cost.id,
            "name": cost.name,
            "recurs": cost.recurs,
            "note": cost.note,
            "terms": [
                {
                    "from": rfc3339(term.start),
                    "to": when(term.end),
                    "amount": plain(term.amount),
                    "currency": term.currency,
                }
                for term in cost.terms
            ],
            "rules": [_rule(rule, centres, tenants) for rule in cost.rules],
        }
        for cost in costs
    ]


def _rule(rule: Rule, centres: dict[int, str], tenants: dict[int, str]) -> dict[str, Any]:
    return {
        "from": rfc3339(rule.start),
        "kind": rule.kind,
        "usage_of": rule.usage_of or None,
        "shares": [
            {
                "cost_centre": centres.get(centre),
                "tenant": tenants.get(tenant),
                "percent": format(percent, "f") if rule.kind == FIXED else None,
            }
            for (centre, tenant), percent in rule.shares
        ],
    }


def _names(session: Session, table: Any, ids: set[int]) -> dict[int, str]:
    return dict(session.execute(select(table.id, table.name).where(table.id.in_(ids))).all())
