"""Requests and tokens of an interval by some ids, cost centres among them as tenants were mapped at the time."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.ledger.service import posted_until
from trivet.report import kept, limits
from trivet.report.gathered import CENTRE
from trivet.report.grain import DAY
from trivet.report.kept import Rows
from trivet.report.provisional import charged, segments
from trivet.rollup import read
from trivet.tenant.models import Tenant
from trivet.tenant.service import cost_centres_at

TENANTS_AT_ONCE = 300
SEEN_S = 600
_STATE = text("""
    SELECT (SELECT max(id) FROM posting WHERE hour >= :start AND hour < :end),
        EXISTS (SELECT FROM hour_due WHERE hour >= :start AND hour < :end)
        OR EXISTS (SELECT FROM usage_delta WHERE bucket >= :start AND bucket < :end)
""")
MEASURES = (
    "requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, and their tokens by disjoint kinds."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(  # written out: a month of a large firm is tens of thousands of these
            self.requests + other.requests, self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens, self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens, self.reasoning_tokens + other.reasoning_tokens,
        )  # fmt: skip

    @property
    def tokens(self) -> int:
        """All tokens, whatever their kind."""
        return sum(getattr(self, name) for name in MEASURES[1:])


def counts(
    session: Session, interval: Interval, columns: Sequence[str], where: Mapping[str, Collection[Any]]
) -> dict[tuple[Any, ...], Counts]:
    """Counts by columns of usage and `CENTRE`; filters of the same. `TooManyGroups` above `limits.GROUPS_MAX`."""
    if CENTRE not in columns and CENTRE not in where:
        return _read(session, interval, columns, where)
    own = {name: values for name, values in where.items() if name != CENTRE}
    by = tuple(dict.fromkeys(["tenant_id", *(name for name in columns if name != CENTRE)]))
    found: dict[tuple[Any, ...], Counts] = {}
    for segment in segments(session, interval, None):
        centres = cost_centres_at(session, segment.start)
        for tenants in _batches(session, charged(own, centres, where.get(CENTRE))):
            for key, each in _read(session, segment, by, {**own, **tenants}).items():
                ids = dict(zip(by, key, strict=True)) | {CENTRE: centres.get(key[0], 0)}
                if CENTRE not in where or ids[CENTRE] in where[CENTRE]:
                    shown = tuple(ids[name] for name in columns)
                    found[shown] = found.get(shown, Counts()) + each
            limits.check(found, limits.GROUPS_MAX)
    return found


def _batches(session: Session, own: Mapping[str, Collection[Any]]) -> Iterator[Mapping[str, Collection[int]]]:
    """Filters that read tenants some at a time: how many there are limits what comes at once, and not what is told."""
    if "tenant_id" in own:
        wanted = sorted(own["tenant_id"])
        yield from ({"tenant_id": wanted[n : n + TENANTS_AT_ONCE]} for n in range(0, len(wanted), TENANTS_AT_ONCE))
        return
    last, batch = -1, [0]
    while batch:
        yield {"tenant_id": batch}
        query = select(Tenant.id).where(Tenant.id > max(last, 0)).order_by(Tenant.id).limit(TENANTS_AT_ONCE)
        batch = list(session.scalars(query))
        last = batch[-1] if batch else last


def _read(
    session: Session, interval: Interval, by: Sequence[str], where: Mapping[str, Collection[Any]]
) -> dict[tuple[Any, ...], Counts]:
    """Whole days that are posted are read once, and again when something was booked for them or came in."""
    found: dict[tuple[Any, ...], Counts] = {}
    for part, whole in _parts(session, interval):
        for key, *sums in _kept(session, part, by, where) if whole else counted(session, part, by, where):
            each = Counts(*sums)
            found[key] = found[key] + each if key in found else each
        limits.check(found, limits.GROUPS_MAX)
    return found


def _parts(session: Session, interval: Interval) -> Iterator[tuple[Interval, bool]]:
    """An interval as what is before, within and after its whole posted days; these are True."""
    first = DAY.floor(interval.start)
    first = first if first == interval.start else DAY.after(first)
    until = posted_until(session)
    last = DAY.floor(min(interval.end, until)) if until else first
    if last - first < timedelta(days=2):
        yield interval, False
        return
    if interval.start < first:
        yield Interval(interval.start, first), False
    yield Interval(first, last), True
    if last < interval.end:
        yield Interval(last, interval.end), False


def by_bucket(
    session: Session, interval: Interval, by: Sequence[str], where: Mapping[str, Collection[Any]], grain_s: int
) -> Rows:
    """Rows of (bucket, values of `by`, `MEASURES`); of what is posted they are read once, as those of whole days are."""

    def read_(part: Interval) -> Rows:
        found = read.sums(session, part, ["bucket", *by], MEASURES, where, grain_s=grain_s)
        return [(*key, *sums) for key, sums in found.items()]

    until = posted_until(session)
    # After midnight yesterday is not posted for a while: the days before it are kept all the same.
    last = min(interval.end, DAY.floor(until)) if until else interval.start
    if last <= interval.start:
        return read_(interval)
    whole = Interval(interval.start, last)
    kept_rows = _once(session, whole, ("buckets", grain_s, tuple(by), _plain(where)), lambda: read_(whole))
    return kept_rows if last == interval.end else [*kept_rows, *read_(Interval(last, interval.end))]


def _kept(session: Session, part: Interval, by: Sequence[str], where: Mapping[str, Collection[Any]]) -> Rows:
    return _once(session, part, ("tokens", tuple(by), _plain(where)), lambda: counted(session, part, by, where))


def _plain(where: Mapping[str, Collection[Any]]) -> tuple[Any, ...]:
    return tuple(sorted((name, tuple(sorted(values))) for name, values in where.items()))


def _once(session: Session, part: Interval, asked: tuple[Any, ...], read_: Callable[[], Rows]) -> Rows:
    """What is kept of a question about an interval; else what it says now, which is kept where nothing waits to change it."""
    question, marker = (part.start, part.end, *asked), _marker(session, part)
    found = kept.answers.find(question, marker) if marker else None
    if found is None:
        found = read_()
        if marker and _marker(session, part) == marker:
            kept.answers.keep(question, marker, found)
    return found


def _marker(session: Session, part: Interval) -> tuple[int, int] | None:
    """What names the usage of some days: the newest posting for them; None while some is not folded or not posted.

    Late calls that cost nothing are booked by no posting: they are counted after `SEEN_S` at the latest.
    """
    newest, waits = session.execute(_STATE, {"start": part.start, "end": part.end}).one()
    return None if waits else (newest or 0, int(time.monotonic() / SEEN_S))


def counted(
    session: Session, interval: Interval, by: Sequence[str], where: Mapping[str, Collection[Any]]
) -> list[tuple[Any, ...]]:
    """Rows of (values of `by`, *`MEASURES`) as they are now."""
    found = read.counts(session, interval, by, MEASURES, where, limit=limits.GROUPS_MAX + 1)
    limits.check(found, limits.GROUPS_MAX)
    return [(key, *sums) for key, sums in found.items()]
