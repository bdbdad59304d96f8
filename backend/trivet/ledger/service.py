"""Post hours: load, decide (in `posting`), save. An hour posted twice is posted once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.fleet import service as fleet
from trivet.fleet.capacity import Stretch, stretches
from trivet.fleet.models import Pool, PoolTerm
from trivet.kit.clock import floor
from trivet.kit.interval import Interval, month_of
from trivet.kit.locks import Lock
from trivet.ledger import reading
from trivet.ledger.models import Entry, HourDue, PostedHour, Posting
from trivet.ledger.posting import (
    CostCentres,
    Entries,
    Line,
    PoolHour,
    busy_us,
    metered_entries,
    moved,
    pool_entries,
    to_post,
)
from trivet.ledger.reading import HOUR, HOUR_S
from trivet.ledger.work import METHOD
from trivet.rollup.models import Rollup1h
from trivet.tenant.service import cost_centres_at

HOURS_MAX = 100  # posted in one transaction; the next run goes on
_POINTER = 1
AT_STANDARD = "Requests at their standard cost."
CHANGED = "Usage, capacity or mapping of this hour changed after it was posted: target less what was posted."


@dataclass(frozen=True, slots=True)
class Source:
    """What a posting is of, and by which method."""

    kind: str
    name: str
    method: str


METERED = Source("metered", "metered", "standard-1")


def post_due(session: Session, now: datetime, grace_s: int) -> int | None:
    """Post the complete hours that are due, at most `HOURS_MAX` and what they reach back to; how many hours.

    None where another process is posting. Due are hours whose usage changed and hours not looked at yet.
    """
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:id)"), {"id": Lock.POST}):
        return None
    complete = floor(now - timedelta(seconds=grace_s), HOUR_S)
    fresh = _fresh(session, complete)
    due = {*fresh, *_take_due(session, complete)}
    for hour in _with_reach(session, due):
        post_hour(session, hour)
    if fresh:
        _point_to(session, fresh[-1] + HOUR)
    return len(due)


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


def _with_reach(session: Session, hours: set[datetime]) -> list[datetime]:
    """The hours, oldest first, and those before in which their pool requests had begun."""
    pools = fleet.terms(session).keys()
    wanted = set(hours)
    for hour in hours:
        back = reading.reaches_back_to(session, hour, pools)
        while back < hour:
            wanted.add(back)
            back += HOUR
    return sorted(wanted)


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
    capacity = capacities(session, hour)
    costs = reading.costs(session, hour)
    centres = cost_centres_at(session, hour)
    metered = {key: cost for key, cost in costs.items() if key[1] not in capacity}
    made = [_post(session, METERED, hour, metered_entries(metered, centres), AT_STANDARD)]
    if facts.rows_gone(session, Interval(hour, hour + HOUR)):
        made += _move_pools(session, hour, centres)
        return [row_id for row_id in made if row_id is not None]
    names = {row.id: row.name for row in session.scalars(select(Pool).where(Pool.id.in_(list(capacity))))}
    pools = reading.pool_hours(session, hour, capacity, costs)
    made += [_post_pool(session, pool, names[pool.pool_id], hour, centres) for pool in pools]
    gone = _gone(session, hour, set(names.values()))
    made += [_post(session, Source("pool", name, METHOD), hour, {}, "No capacity.") for name in gone]
    return [row_id for row_id in made if row_id is not None]


def capacities(session: Session, hour: datetime) -> dict[int, list[Stretch]]:
    """Capacity of an hour by pool; pools without any are not there, and their requests are metered."""
    interval = Interval(hour, hour + HOUR)
    found = {pool_id: stretches(terms, interval) for pool_id, terms in fleet.terms(session).items()}
    return {pool_id: parts for pool_id, parts in found.items() if parts}


def _gone(session: Session, hour: datetime, present: set[str]) -> Iterable[str]:
    """Pools posted for this hour that have no capacity in it any more (a later term reached back)."""
    sources = session.scalars(select(Posting.source).where(Posting.kind == "pool", Posting.hour == hour).distinct())
    return [name for name in sources if name not in present]


def _move_pools(session: Session, hour: datetime, centres: CostCentres) -> Iterable[int | None]:
    """What pools were posted for an hour, on the cost centres of now."""
    sources = session.scalars(
        select(Posting.source).where(Posting.kind == "pool", Posting.hour == hour).distinct()
    ).all()
    for name in sorted(sources):
        target = moved(reading.posted(session, "pool", name, hour)[0], centres)
        yield _post(session, Source("pool", name, METHOD), hour, target, "Mapping changed; its requests are archived.")


def _post_pool(session: Session, pool: PoolHour, name: str, hour: datetime, centres: CostCentres) -> int | None:
    gpus = " + ".join(f"{part.per_hour} {part.currency}/h" for part in pool.capacity)
    reason = (
        f"Capacity {gpus}; busy {busy_us(pool) / 1e6:.6f} s of {sum(p.length_us for p in pool.capacity) / 1e6:g} s."
    )
    return _post(session, Source("pool", name, METHOD), hour, pool_entries(pool, centres), reason)


def _post(session: Session, source: Source, hour: datetime, target: Entries, reason: str) -> int | None:
    before, count = reading.posted(session, source.kind, source.name, hour)
    lines = to_post(target, before)
    if not lines:
        return None
    row = {
        "kind": source.kind, "source": source.name, "hour": hour, "sequence": count, "period": month_of(hour),
        "method": source.method, "reason": f"{CHANGED} {reason}" if count else reason,
    }  # fmt: skip
    posting_id = int(session.scalars(insert(Posting).values(row).returning(Posting.id)).one())
    session.execute(insert(Entry), [_row(posting_id, n, *line) for n, line in enumerate(lines.items())])
    return posting_id


def _row(posting_id: int, number: int, line: Line, amount: Decimal) -> dict[str, object]:
    named: dict[str, object] = {name: getattr(line, name) for name in reading.LINE}
    return {"posting_id": posting_id, "line": number, "amount": amount} | named


def tenant_changed(session: Session, tenant_id: int, start: datetime) -> int:
    """A tenant's mapping changed from an hour on: its hours since are due again. Says how many."""
    _wait_for_posters(session)
    hours = session.scalars(
        select(Rollup1h.bucket).where(Rollup1h.tenant_id == tenant_id, Rollup1h.bucket >= start).distinct()
    )
    return _mark(session, hours)


def pool_changed(session: Session, start: datetime) -> int:
    """A pool's terms changed from an instant on: the hours looked at since are due again. Says how many."""
    _wait_for_posters(session)
    until = posted_until(session)
    first = floor(start, HOUR_S)
    if until is None or first >= until:
        return 0
    return _mark(session, (first + HOUR * n for n in range(int((until - first) / HOUR))))


def _wait_for_posters(session: Session) -> None:
    """A poster that read the old state may still be at work; what it did is seen once it has committed."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.POST})


def _mark(session: Session, hours: Iterable[datetime]) -> int:
    rows = [{"hour": hour} for hour in sorted(set(hours))]
    if rows:
        session.execute(upsert(HourDue).on_conflict_do_nothing(), rows)
    return len(rows)
