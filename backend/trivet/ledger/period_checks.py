"""What stands in the way of a close, and what is only said. Two registers: a later context adds its own check by name.

A check takes (session, month, complete): `complete` is the instant before which hours can have been posted. It yields
what it found; nothing where all is well.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.ingest.models import Request, UsageDelta
from trivet.kit.clock import rfc3339
from trivet.kit.money import plain
from trivet.ledger import period_figures, service
from trivet.ledger.models import BalancePeriod, HourDue
from trivet.ledger.month import bounds
from trivet.ledger.periods import shut
from trivet.rollup.rebuild import LONGEST

COUNTED_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """One thing found: `name` is for machines, `detail` says what is so and what to do, `url` is the page to do it on.

    `facts` are what `detail` is made of, for who says it in another language.
    """

    name: str
    detail: str
    url: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)


Check = Callable[[Session, str, datetime], Iterable[Found]]


def month_over(_: Session, month: str, complete: datetime) -> Iterator[Found]:
    """A month closes when its last hour is over and the grace for late usage has passed."""
    end = bounds(month).end
    if complete < end:
        detail = f"{month} is not over: it ends {rfc3339(end)}, and late usage has its grace."
        yield Found("month_not_over", detail, facts={"month": month, "end": end})


def hours_posted(session: Session, month: str, complete: datetime) -> Iterator[Found]:
    """Every hour was posted at least once."""
    until, end = service.posted_until(session), bounds(month).end
    if complete >= end and (until is None or until < end):
        so_far = f"posted up to {rfc3339(until)}" if until else "nothing has been posted yet"
        detail = f"Not every hour is posted: {so_far}. The posting task goes on every 30 s."
        yield Found("hours_not_posted", detail, facts={"until": until})


def hours_due(session: Session, month: str, _: datetime) -> Iterator[Found]:
    """No hour waits to be posted anew."""
    end = bounds(month).end
    count = session.scalar(select(func.count()).select_from(HourDue).where(HourDue.hour < end))
    if count:
        what = "hour changed and is" if count == 1 else "hours changed and are"
        yield Found("hours_due", f"{count} {what} due to be posted anew: ask again in a minute.", facts={"n": count})
    elif session.scalar(select(UsageDelta.id).where(UsageDelta.bucket < end).limit(1)) is not None:
        yield Found("usage_not_folded", "Usage that came in just now is not counted yet: ask again in a minute.")


def earlier_open(session: Session, month: str, _: datetime) -> Iterator[Found]:
    """Months close in order: closing one shuts all before it."""
    first = session.scalar(
        select(func.min(BalancePeriod.period)).where(BalancePeriod.period > shut(session), BalancePeriod.period < month)
    )
    if first:
        url = f"/periods?month={first}"
        yield Found("earlier_open", f"{first} is still open: close it first.", url, {"month": first})


def unattributed(session: Session, month: str, _: datetime) -> Iterator[Found]:
    """Costs of tenants that nobody mapped."""
    for currency, found in period_figures.figures(session, month).items():
        if found.unattributed:
            share = format(found.unattributed_share * 100, ".1f")
            yield Found(
                "unattributed",
                f"{plain(found.unattributed)} {currency}, {share} % of the total, is of tenants without a cost centre.",
                "/cost-centres#unmapped",
                {"amount": found.unattributed, "currency": currency, "share": share},
            )


def unpriced(session: Session, month: str, _: datetime) -> Iterator[Found]:
    """Requests whose price nobody knows cost nothing here."""
    within = bounds(month)
    some = (
        select(Request.tenant_id)
        .where(Request.cost_picos.is_(None), Request.repeats.is_(None), Request.started_at >= within.start - LONGEST)
        .where(Request.started_at < within.end, Request.ended_at >= within.start, Request.ended_at < within.end)
        .limit(COUNTED_MAX)
    )
    count = session.scalar(select(func.count()).select_from(some.subquery())) or 0
    if count:
        many = f"{count:,}" + (" or more" if count == COUNTED_MAX else "")
        what = "request has no price, so it is" if count == 1 else "requests have no price, so they are"
        detail = f"{many} {what} in no total until one is entered."
        yield Found("unpriced", detail, "/prices", {"n": count, "more": count == COUNTED_MAX})


def open_variance(session: Session, month: str, _: datetime) -> Iterator[Found]:
    """What invoices say beyond what was measured."""
    for currency, found in period_figures.figures(session, month).items():
        if found.bill_variance:
            detail = f"Bills differ from what was measured by {plain(found.bill_variance)} {currency}."
            facts = {"amount": found.bill_variance, "currency": currency}
            yield Found("bill_variance", detail, "/bills", facts)


# By name, in the order they are said. A context that stands later adds `CHECKS["bills"] = …` where its `api` is imported.
CHECKS: dict[str, Check] = {
    "month_over": month_over,
    "hours_posted": hours_posted,
    "hours_due": hours_due,
    "earlier_open": earlier_open,
}
WARNINGS: dict[str, Check] = {"unattributed": unattributed, "unpriced": unpriced, "open_variance": open_variance}


def obstacles(session: Session, month: str, complete: datetime) -> list[Found]:
    """What stands in the way of closing a month."""
    return _all(CHECKS, session, month, complete)


def warnings(session: Session, month: str, complete: datetime) -> list[Found]:
    """What whoever closes should have seen."""
    return _all(WARNINGS, session, month, complete)


def _all(checks: dict[str, Check], session: Session, month: str, complete: datetime) -> list[Found]:
    return [found for check in checks.values() for found in check(session, month, complete)]
