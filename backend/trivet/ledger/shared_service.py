"""Enter shared costs: what they come to, how they are split, when they end. Rows are only added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.kit.clock import floor, rfc3339, when
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.money import plain
from trivet.ledger import shared_rows
from trivet.ledger.models import SharedCost, SharedCostRule, SharedCostTerm
from trivet.ledger.shared import FIXED, HUNDRED, MONTHLY, ONCE, PROPORTIONAL, Target, Term
from trivet.ledger.shared_rows import Cost
from trivet.tenant.models import CostCentre, Tenant
from trivet.tenant.service import ALWAYS

HOUR_S, DAY_S = 3600, 86_400
COSTS_MAX = 1_000
SHARES_MAX = 500
ROWS_MAX = 1_000  # terms, or rules, of one cost
REACH = timedelta(days=400)  # how far back one may be entered: each hour since is posted anew


@dataclass(frozen=True, slots=True)
class Share:
    """One of those a cost is split between, by name; a percentage where the shares are fixed."""

    cost_centre: str | None = None
    tenant: str | None = None
    percent: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Split:
    """How a cost is split: kind is fixed, even or proportional, and then to the usage of its hour, day or month."""

    kind: str
    shares: Sequence[Share] = ()
    usage_of: str = ""


class TooMany(Invalid):
    """More of something than there may be."""


def add(
    session: Session,
    *,
    name: str,
    recurs: str,
    start: datetime,
    end: datetime | None,
    amount: Decimal,
    currency: str,
    split: Split,
    note: str,
    actor: str,
    now: datetime,
) -> Cost:
    """A new shared cost: an amount once for [start, end), or each UTC month from `start` (until `end`, if there is one).

    `Conflict` where the name is taken; `Invalid` names the field.
    """
    if (session.scalar(select(func.count()).select_from(SharedCost)) or 0) >= COSTS_MAX:
        raise TooMany(f"There are {COSTS_MAX:,} shared costs, the most there can be.", field="name")
    _check_times(recurs, start, end, now)
    _check_amount(amount)
    shares = _shares(session, split)
    row = {"name": name, "recurs": recurs, "note": note, "created_by": actor}
    id_ = session.scalar(insert(SharedCost).values(row).on_conflict_do_nothing().returning(SharedCost.id))
    if id_ is None:
        raise Conflict(f"There is a shared cost {name} already: give it another term instead.", field="name")
    term = Term(start, end, amount, currency)
    _add_terms(session, id_, recurs, term)
    _add_rule(session, id_, ALWAYS, split, shares)
    return _entered(session, name, start, actor=actor, action="shared_cost.add", after=row | _told(term) | _said(split))


def change_amount(
    session: Session,
    *,
    name: str,
    start: datetime | None,
    end: datetime | None,
    amount: Decimal,
    currency: str | None,
    actor: str,
    now: datetime,
) -> Cost:
    """Another amount: of a monthly cost from `start` on, of a one-off for all of it (also another stretch of time).

    What was posted is corrected by difference; what lies in a closed month becomes an adjustment.
    """
    cost = named(session, name)
    last = cost.terms[-1]
    _check_amount(amount)
    _check_rows(len(cost.terms))
    since = start or (last.start if cost.recurs == ONCE else floor(now, HOUR_S))
    until = (end or last.end) if cost.recurs == ONCE else end
    _check_times(cost.recurs, since, until, now)
    term = Term(since, until, amount, currency or last.currency)
    _add_terms(session, cost.id, cost.recurs, term)
    first = min(since, last.start) if cost.recurs == ONCE else since
    return _entered(session, name, first, actor=actor, action="shared_cost.amount", after=_told(term))


def change_rule(
    session: Session, *, name: str, start: datetime | None, split: Split, actor: str, now: datetime
) -> Cost:
    """Split it otherwise from the start of a UTC day on (today where none is said)."""
    cost = named(session, name)
    _check_rows(len(cost.rules))
    since = start or floor(now, DAY_S)
    if floor(since, DAY_S) != since:
        raise Invalid("A rule starts with a UTC day: 2026-11-01T00:00:00Z.", field="from")
    _check_reach(since, now)
    _add_rule(session, cost.id, since, split, _shares(session, split))
    return _entered(
        session, name, since, actor=actor, action="shared_cost.rule", after={"from": rfc3339(since)} | _said(split)
    )


def end(session: Session, *, name: str, at: datetime | None, actor: str, now: datetime) -> Cost:
    """A monthly cost costs nothing from an hour on (the current one where none is said)."""
    cost = named(session, name)
    since = at or floor(now, HOUR_S)
    if cost.recurs == ONCE:
        raise Invalid(f"{name} ends by itself: it is spread up to its `to`. Correct its amount instead.", field="at")
    _check_rows(len(cost.terms))
    _check_times(cost.recurs, since, None, now)
    planned = {term.start for term in cost.terms if term.start > since and term.amount}  # an end ends those too
    for begins in (since, *sorted(planned)):
        _add_terms(session, cost.id, cost.recurs, Term(begins, None, Decimal(0), cost.terms[-1].currency))
    return _entered(session, name, since, actor=actor, action="shared_cost.end", after={"at": rfc3339(since)})


def named(session: Session, name: str) -> Cost:
    """The shared cost of that name; `NotFound` otherwise."""
    found = shared_rows.costs(session, name)
    if not found:
        raise NotFound(f"There is no shared cost {name}: enter it with POST /api/v1/shared-costs.", field="name")
    return found[0]


def _entered(session: Session, name: str, start: datetime, *, actor: str, action: str, after: dict[str, Any]) -> Cost:
    outbox.send(session, "ledger.shared_changed", rfc3339(start))
    session.flush()
    made = named(session, name)
    audit.record(session, actor=actor, action=action, subject=f"shared_cost:{name}", after=after)
    return made


def _add_terms(session: Session, id_: int, recurs: str, term: Term) -> None:
    """A one-off is one row; a monthly cost with an end is one row from its start and one of nothing from its end."""
    rows = [(term.start, term.end if recurs == ONCE else None, term.amount)]
    if recurs == MONTHLY and term.end is not None:
        rows.append((term.end, None, Decimal(0)))
    session.add_all(
        SharedCostTerm(shared_cost_id=id_, effective_from=since, ends_at=ends, amount=amount, currency=term.currency)
        for since, ends, amount in rows
    )
    session.flush()


def _add_rule(session: Session, id_: int, start: datetime, split: Split, shares: list[dict[str, Any]]) -> None:
    session.add(
        SharedCostRule(shared_cost_id=id_, effective_from=start, kind=split.kind, window=split.usage_of, shares=shares)
    )


def _check_times(recurs: str, start: datetime, end: datetime | None, now: datetime) -> None:
    for field, at in (("from", start), ("to", end)):
        if at is not None and floor(at, HOUR_S) != at:
            raise Invalid("A shared cost starts and ends with a whole hour: 2026-11-01T00:00:00Z.", field=field)
    if recurs == ONCE and end is None:
        raise Invalid("A cost that is entered once needs its end: `to`.", field="to")
    if end is not None and end <= start:
        raise Invalid("`to` must be later than `from`; the stretch is half-open.", field="to")
    if end is not None and end - start > REACH * 10:
        raise Invalid("A stretch has ten years at most.", field="to")
    _check_reach(start, now)


def _check_reach(start: datetime, now: datetime) -> None:
    if start < now - REACH:
        raise Invalid(
            f"A shared cost reaches back {REACH.days} days at most: each hour since is posted anew.", field="from"
        )


def _check_amount(amount: Decimal) -> None:
    if amount <= 0:
        raise Invalid("An amount is more than 0.", field="amount")


def _check_rows(count: int) -> None:
    if count >= ROWS_MAX:
        raise TooMany(f"A shared cost has at most {ROWS_MAX:,} changes: enter another one.", field="name")


def _shares(session: Session, split: Split) -> list[dict[str, Any]]:
    """The shares by id, in the order given; `Invalid` where one is unknown, named twice, or they are more than all."""
    _check_split(split)
    centres = _ids(session, CostCentre, [each.cost_centre for each in split.shares])
    tenants = _ids(session, Tenant, [each.tenant for each in split.shares])
    found: dict[Target, str] = {}
    for each in split.shares:
        name, ids, what = (
            (each.cost_centre, centres, "cost centre") if each.cost_centre else (each.tenant, tenants, "tenant")
        )
        if name not in ids:
            raise Invalid(f"There is no {what} {name}.", field="rule")
        target = (ids[name], 0) if each.cost_centre else (0, ids[name])
        if target in found:
            raise Invalid(f"The {what} {name} is named twice.", field="rule")
        found[target] = format(each.percent, "f")
    return [{"cost_centre_id": c, "tenant_id": t, "percent": percent} for (c, t), percent in found.items()]


def _check_split(split: Split) -> None:
    if len(split.shares) > SHARES_MAX:
        raise TooMany(f"A cost is split between {SHARES_MAX} at most.", field="rule")
    if any((each.cost_centre is None) == (each.tenant is None) for each in split.shares):
        raise Invalid("Each share names a cost centre or a tenant, one of the two.", field="rule")
    if split.kind == PROPORTIONAL:
        return
    if not split.shares:
        raise Invalid("Say between whom: name cost centres or tenants.", field="rule")
    if split.kind == FIXED:
        if any(each.percent <= 0 for each in split.shares):
            raise Invalid("A fixed share is more than 0 percent.", field="rule")
        if sum(each.percent for each in split.shares) > HUNDRED:
            raise Invalid("The shares are more than 100 percent together.", field="rule")


def _ids(session: Session, table: Any, names: Sequence[str | None]) -> Mapping[str | None, int]:
    wanted = [name for name in names if name]
    return dict(session.execute(select(table.name, table.id).where(table.name.in_(wanted))).all())


def _told(term: Term) -> dict[str, Any]:
    until = when(term.end)
    return {"from": rfc3339(term.start), "to": until, "amount": plain(term.amount), "currency": term.currency}


def _said(split: Split) -> dict[str, Any]:
    shares = [
        {"cost_centre": s.cost_centre, "tenant": s.tenant, "percent": format(s.percent, "f")} for s in split.shares
    ]
    return {
        "rule": split.kind,
        "usage_of": split.usage_of,
        "shares": shares,
    }
