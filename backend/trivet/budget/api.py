"""Budgets and reservations over REST."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget import answers, making, reading, returning
from trivet.budget.draft import Asked, Identity
from trivet.budget.lines import LINES, LINES_MAX
from trivet.budget.reserve import api as reservations
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.answer import answers as described
from trivet.kit.body import Amount, Body, Currency, Instant, Name
from trivet.kit.clock import utc_now
from trivet.kit.errors import NotFound
from trivet.kit.money import plain_amount
from trivet.kit.page import from_cursor, page, to_cursor
from trivet.notify.compose import ADDRESSES_MAX

router = APIRouter(tags=["budget"])
root_router = reservations.router  # found before all others: each call of a model may ask there first
Read = Annotated[Principal, Depends(requires("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance"))]
Limit = Annotated[int, Query(ge=1, le=500)]
LISTED_MAX = 100  # crossings, and requests over it, beside one budget


class NewBudget(Body):
    """A budget, or later terms of the one of this name. `limit` is in `currency`, tokens or requests, as text."""

    name: Name
    scope: Literal["request", "interaction", "tenant", "key", "scenario", "cost_centre", "end_user", "global"]
    subject: Name | None = Field(None, description="Whose it is; null: everybody's of the scope, each with their own.")
    tenant: Name | None = Field(None, description="Narrows a budget of requests, interactions or end users.")
    scenario: Name | None = Field(None, description="Narrows a budget of requests or interactions.")
    measure: Literal["money", "tokens", "requests"] = "money"
    currency: Currency | None = None
    limit: Amount
    window: Literal["request", "interaction", "day", "week", "month"]
    zone: Name = Field("UTC", description="IANA name: whose midnight, Monday and first of the month.")
    effective_from: Instant | None = Field(None, description="Now, where nothing is said.")
    lines: list[int] = Field(list(LINES), max_length=LINES_MAX)
    hard: bool = False
    action: Literal["refuse", "degrade", "break"] | None = None
    level: int | None = None
    way_back: Literal["next_window", "manual"] = "next_window"
    owners: list[str] = Field([], max_length=ADDRESSES_MAX)
    unknown_price: Literal["closed", "open"] | None = Field(None, description="Usually closed where it is hard.")
    unreachable: Literal["closed", "open"] | None = Field(None, description="Usually closed where it is hard.")
    reason: str = Field("", max_length=1_000)

    @property
    def identity(self) -> Identity:
        return Identity(
            self.name, self.scope, self.measure, self.window, self.zone, self.subject or "", self.tenant or "",
            self.scenario or "", self.currency or "",
        )  # fmt: skip

    @property
    def asked(self) -> Asked:
        return Asked(
            plain_amount(self.limit), tuple(self.lines), self.hard, self.action, self.level, self.way_back,
            tuple(self.owners), self.unknown_price, self.unreachable, self.reason,
        )  # fmt: skip


class Why(Body):
    """Why, and from when."""

    reason: Name
    effective_from: Instant | None = None


class Reason(Body):
    """Why."""

    reason: Name


@router.post("/budgets", status_code=201, responses={201: {"model": answers.Item}})
def put(body: NewBudget, principal: Write) -> dict[str, Any]:
    """Make a budget. Of a name that is there, its next terms: what it is of, its measure and window never change."""
    now = utc_now()
    with db.transaction() as session:
        made = making.put(
            session, body.identity, body.asked, effective_from=body.effective_from, actor=principal.actor, now=now
        )
        session.flush()
        return answers.item(_named(session, made.name, None), bound=False)


@router.get("/budgets", responses=described(answers.Budgets))
def every(principal: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """By name, those that ended too. A tenant's key sees those that concern its tenant, and only its own windows."""
    after = from_cursor(cursor, str)[0] if cursor else ""
    with db.transaction() as session:
        found = reading.budgets(session, utc_now(), tenant_id=principal.tenant_id, after=after, limit=limit + 1)
        items = [answers.item(each, bound=principal.tenant_id is not None) for each in found]
    return page(items, limit, lambda shown: [shown["name"]])


@router.get("/budgets/{name}", responses=described(answers.One))
def one(name: str, principal: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """One budget with its windows, newest first, the lines that were crossed and what was done about them."""
    now, own = utc_now(), principal.tenant_id
    before = from_cursor(cursor, int)[0] if cursor else None
    with db.transaction() as session:
        found = _named(session, name, own)
        rows = reading.windows(session, found.row, now, tenant_id=own, before=before, limit=limit + 1)
        crossed = reading.crossings(session, now, budget_id=found.row.id, tenant_id=own, limit=LISTED_MAX)
        over = reading.over(session, found.row.id, tenant_id=own, limit=LISTED_MAX)
        return answers.item(found, bound=own is not None) | {
            "windows": [answers.window(found.row, each) for each in rows[:limit]],
            "next_cursor": to_cursor([rows[limit - 1].row.id]) if len(rows) > limit else None,
            "crossings": answers.crossings_of(found.row, crossed),
            "over_list": [answers.over(found.row, *each) for each in over],
        }


@router.post("/budgets/{name}/end", responses=described(answers.Item))
def end(name: str, body: Why, principal: Write) -> dict[str, Any]:
    """It holds no more from an instant on, now where nothing is said; what it commanded is taken back."""
    with db.transaction() as session:
        making.end(
            session, name, effective_from=body.effective_from, reason=body.reason, actor=principal.actor, now=utc_now()
        )  # fmt: skip
        return answers.item(_named(session, name, None), bound=False)


@router.post("/budgets/{name}/restore", responses=described(answers.Taken))
def restore(name: str, body: Reason, principal: Write) -> dict[str, Any]:
    """Take back what its hard lines commanded and nobody has changed since; in this window they command no more."""
    with db.transaction() as session:
        lines = returning.standing_lines(session, making.by_name(session, name).id)
    now = utc_now()
    return {
        "restored": sum(
            returning.take_back(line_id, actor_of=principal.actor, why=body.reason, now=now) for line_id in lines
        )
    }


def _named(session: Session, name: str, tenant_id: int | None) -> reading.OneBudget:
    found = reading.budgets(session, utc_now(), tenant_id=tenant_id, name=name, limit=1)
    if not found:
        raise NotFound(f"There is no budget {name!r}.")
    return found[0]
