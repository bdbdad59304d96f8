"""Post hours: load, decide (in `posting`), save. An hour posted twice is posted once."""

import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.db import once
from trivet.fleet import service as fleet
from trivet.fleet.models import PoolTerm
from trivet.kit.clock import floor
from trivet.kit.locks import Lock
from trivet.ledger import book, metered, pool_hour, reading, shared_hour, shared_rows, units
from trivet.ledger.hour import Known, known_of
from trivet.ledger.models import HourDue, PostedHour
from trivet.ledger.reading import HOUR, HOUR_S
from trivet.rollup.models import Rollup1h

HOURS_MAX = 100  # posted in one transaction; the next run goes on
_PATIENTLY = text("SELECT set_config('lock_timeout', '120s', true), set_config('statement_timeout', '120s', true)")
_POINTER = 1


# Everything that costs, each a function from what is known of an hour to the postings it made. Shared costs come last:
# some are split by what the others posted.
SOURCES: tuple[Callable[[Session, Known], Iterable[int | None]], ...] = (
    metered.post,
    pool_hour.post,
    units.post,
    shared_hour.post,
)


def post_due(session: Session, now: datetime, grace_s: int, seconds_max: float = math.inf) -> int | None:
    """Post the complete hours that are due, at most `HOURS_MAX` and what they reach back to; how many hours were.

    None where another process is posting. Due are hours whose usage changed and hours not looked at yet. Once
    `seconds_max` are over no further one is taken: the rest stays due.
    """
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:id)"), {"id": Lock.POST}):
        return None
    complete = floor(now - timedelta(seconds=grace_s), HOUR_S)
    fresh = _fresh(session, complete)
    due = {*fresh, *_take_due(session, complete)}
    in_order = [*fresh, *sorted(due.difference(fresh))]  # a year that is due again keeps no new hour waiting
    hours = _within_time(session, in_order, seconds_max)
    left = due.difference(hours)
    _mark(session, left.difference(fresh))
    if fresh:
        _point_to(session, min(left.intersection(fresh), default=fresh[-1] + HOUR))
    until = posted_until(session)
    if until:
        shared_hour.post_days(session, hours, until)
    return len(due) - len(left)


def _within_time(session: Session, due: Iterable[datetime], seconds_max: float) -> set[datetime]:
    """Post hours in the order given, one at least, until the time is over; those posted.

    With each go the hours before in which its pool requests had begun.
    """
    done: set[datetime] = set()
    pools = fleet.terms(session).keys()
    start = time.monotonic()
    for hour in due:
        if done and time.monotonic() - start >= seconds_max:
            break
        back = reading.reaches_back_to(session, hour, pools)
        for each in (back + HOUR * n for n in range(int((hour - back) / HOUR) + 1)):
            if each not in done:
                post_hour(session, each)
                done.add(each)
    return done


@once
def posted_until(session: Session) -> datetime | None:
    """Hours before this instant have been posted at least once."""
    return session.scalar(select(PostedHour.posted_until).where(PostedHour.id == _POINTER))


def _fresh(session: Session, complete: datetime) -> list[datetime]:
    """Hours not looked at yet, oldest first: their pools cost money even where nobody used them."""
    start = posted_until(session)
    if start is None:
        candidates = (
            session.scalar(select(func.min(PoolTerm.effective_from))),
            session.scalar(select(func.min(HourDue.hour))),
            shared_rows.first_start(session),
        )
        start = floor(min([at for at in candidates if at] + [complete]), HOUR_S)
        if start == complete:
            return []
    count = min(int((complete - start) / HOUR), HOURS_MAX)
    return [start + HOUR * n for n in range(count)]


def _take_due(session: Session, complete: datetime) -> list[datetime]:
    oldest = select(HourDue.hour).where(HourDue.hour < complete).order_by(HourDue.hour).limit(HOURS_MAX)
    taken = delete(HourDue).where(HourDue.hour.in_(oldest.scalar_subquery())).returning(HourDue.hour)
    return list(session.scalars(taken))


def _point_to(session: Session, until: datetime) -> None:
    row = upsert(PostedHour).values(id=_POINTER, posted_until=until)
    session.execute(row.on_conflict_do_update(index_elements=["id"], set_={"posted_until": until}))


def post_hour(session: Session, hour: datetime) -> list[int]:
    """Bring the ledger to what this hour should be; ids of the postings that took (none where nothing changed).

    What retention dropped cannot be judged again: without its requests a pool's hour stays as it was posted, but for the
    cost centres; without its rollups the whole hour does.
    """
    if not facts.hour_kept(session, hour):
        return []
    known = known_of(session, hour)
    return [row_id for source in SOURCES for row_id in source(session, known) if row_id is not None]


def tenant_changed(session: Session, tenant_id: int, start: datetime) -> int:
    """A tenant's mapping changed from an hour on: its hours since are due again, and those of shared costs that name it.
    Says how many.
    """
    _wait_for_posters(session)
    used = session.scalars(
        select(Rollup1h.bucket).where(Rollup1h.tenant_id == tenant_id, Rollup1h.bucket >= start).distinct()
    )
    named = shared_rows.first_naming(session, tenant_id)
    told = units.hours_told(session, tenant_id, start)
    return _mark(session, {*used, *told, *(_posted_since(session, max(start, named)) if named else ())})


def terms_changed(session: Session, start: datetime) -> int:
    """What a pool or a shared cost comes to changed from an instant on: the hours looked at since are due again."""
    _wait_for_posters(session)
    return _mark(session, _posted_since(session, start))


def hours_due(session: Session, hours: Iterable[datetime]) -> int:
    """Something else that costs was told of these hours: those looked at already are due again. Says how many."""
    _wait_for_posters(session)
    until = posted_until(session)
    return _mark(session, (hour for hour in hours if until is None or hour < until))


def weights_changed(session: Session, start: datetime) -> int:
    """What usage is weighed by changed from an hour on (the tree, a rate of exchange): hours since are due again where
    shared costs are split by usage.
    """
    _wait_for_posters(session)
    first = shared_rows.first_proportional(session)
    return _mark(session, _posted_since(session, max(start, first))) if first else 0


def _posted_since(session: Session, start: datetime) -> list[datetime]:
    until = posted_until(session)
    first = floor(start, HOUR_S)
    if until is None or first >= until:
        return []
    return [first + HOUR * n for n in range(int((until - first) / HOUR))]


def _wait_for_posters(session: Session) -> None:
    """A poster that read the old state may still be at work; what it did is seen once it has committed."""
    session.execute(_PATIENTLY)
    book.alone(session)


def _mark(session: Session, hours: Iterable[datetime]) -> int:
    rows = [{"hour": hour} for hour in sorted(set(hours))]
    if rows:
        session.execute(upsert(HourDue).on_conflict_do_nothing(), rows)
    return len(rows)
