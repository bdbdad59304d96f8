"""Closing a month: one person asks, a second one closes, and from then on nothing in it moves.

Load, decide, save; whoever posts waits meanwhile (`Lock.POST`), so that no posting slips in between.
"""

from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.identity.approval import same_person
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, TrivetError, kebab
from trivet.kit.money import plain
from trivet.ledger import book, period_checks, period_figures
from trivet.ledger.models import Period, Posting
from trivet.ledger.period_checks import Found
from trivet.ledger.periods import CLOSED, CLOSING, OPEN, shut

refused = Counter("trivet_period_refused", "Steps of closing a month that were refused, by reason.", ["reason"])


class AlreadyClosed(Conflict):
    """A closed month stays closed."""


class AlreadyAsked(Conflict):
    """Somebody asked to close it before."""


class NotAsked(Conflict):
    """A month is closed only after somebody asked."""


class SamePerson(Conflict):
    """Who asked cannot be who closes."""


class NotReady(Conflict):
    """Things stand in the way; `errors` names each."""

    def __init__(self, month: str, obstacles: list[Found]) -> None:
        super().__init__(f"{month} cannot be closed yet. " + " ".join(found.detail for found in obstacles))
        self.obstacles = obstacles

    def problem(self) -> dict[str, Any]:
        return super().problem() | {"errors": [{"field": f.name, "detail": f.detail} for f in self.obstacles]}


def request(session: Session, *, month: str, reason: str, actor: str, now: datetime, grace_s: int) -> Period:
    """Ask to close a month; the same actor again changes nothing. `NotReady`, `AlreadyAsked`, `AlreadyClosed`."""
    period = _locked(session, month)
    _refuse_closed(session, month, period)
    if period and period.state == CLOSING:
        if period.requested_by == actor:
            return period
        raise _counted(AlreadyAsked(f"{period.requested_by} asked to close {month} already: you can close it."))
    _refuse_unready(session, month, now, grace_s)
    before = period.state if period else OPEN
    period = period or Period(month=month)
    period.state, period.requested_by, period.requested_at, period.reason = CLOSING, actor, now, reason
    session.add(period)
    _audit(session, period, "request-close", actor, before={"state": before}, reason=reason)
    return period


def close(session: Session, *, month: str, actor: str, now: datetime, grace_s: int) -> Period:
    """Close a month that another person asked to close. A closed one is answered as it stands, whoever asks.

    `NotAsked`, `SamePerson`, `NotReady`; `AlreadyClosed` where a later month was closed and shut this one with it.
    """
    period = _locked(session, month)
    if period and period.state == CLOSED:
        return period
    _refuse_closed(session, month, period)
    if period is None or period.state != CLOSING:
        raise _counted(NotAsked(f"Nobody asked to close {month}: POST /api/v1/periods/{month}/request-close first."))
    _refuse_same(session, period, actor)
    _refuse_unready(session, month, now, grace_s)
    _freeze(session, period, actor, now)
    after = {"totals": period.totals, "balances_hash": period.balances_hash, "last_posting_id": period.last_posting_id}
    _audit(session, period, "close", actor, before=_asked(period), after=after)
    return period


def cancel(session: Session, *, month: str, actor: str, reason: str) -> Period:
    """Take a request back; by whoever may ask. `NotAsked`, `AlreadyClosed`."""
    period = _locked(session, month)
    _refuse_closed(session, month, period)
    if period is None or period.state != CLOSING:
        raise _counted(NotAsked(f"Nobody asked to close {month}: there is nothing to take back."))
    period.state = OPEN
    _audit(session, period, "cancel", actor, before=_asked(period), reason=reason)
    return period


def _locked(session: Session, month: str) -> Period | None:
    book.alone(session)
    return session.scalar(select(Period).where(Period.month == month).with_for_update())


def _freeze(session: Session, period: Period, actor: str, now: datetime) -> None:
    """What it closes at. Read while nobody can post."""
    last = session.scalar(select(Period.balances_hash).where(Period.month == shut(session)))
    totals = {currency: plain(f.total) for currency, f in period_figures.figures(session, period.month).items()}
    period.totals = totals
    period.balances_hash = period_figures.balances_hash(session, period.month, last or "")
    period.last_posting_id = session.scalar(select(func.max(Posting.id)))
    period.state, period.closed_by, period.closed_at = CLOSED, actor, now
    session.flush()


def _refuse_closed(session: Session, month: str, period: Period | None) -> None:
    last = shut(session)
    if month > last:
        return
    own = period is not None and period.state == CLOSED
    how = "is closed" if own else f"was shut when {last} was closed"
    raise _counted(AlreadyClosed(f"{month} {how} and stays so: what comes late is an adjustment in an open month."))


def _refuse_same(session: Session, period: Period, actor: str) -> None:
    who = same_person(session, period.requested_by, actor)
    if who is not None:
        whose = "" if who == actor else f", who answers for {actor} too,"
        raise _counted(SamePerson(f"{who}{whose} asked to close {period.month}: closing takes a second person."))


def _refuse_unready(session: Session, month: str, now: datetime, grace_s: int) -> None:
    obstacles = period_checks.obstacles(session, month, now - timedelta(seconds=grace_s))
    for found in obstacles:
        refused.labels(found.name).inc()
    if obstacles:
        raise NotReady(month, obstacles)


def _counted(error: TrivetError) -> TrivetError:
    refused.labels(kebab(type(error).__name__)).inc()
    return error


def _asked(period: Period) -> dict[str, Any]:
    return {"state": CLOSING, "requested_by": period.requested_by}


def _audit(session: Session, period: Period, step: str, actor: str, **said: Any) -> None:
    """`said` may hold before, after and reason."""
    session.flush()
    after = {"state": period.state, "requested_at": rfc3339(period.requested_at)} | said.pop("after", {})
    subject = f"period:{period.month}"
    audit.record(session, actor=actor, action=f"period.{step}", subject=subject, after=after, **said)
