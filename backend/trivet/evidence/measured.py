"""What was measured around a breach, out of rollups: who carried it, when it began, and both sides of what it cost."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from trivet.evidence import excess, saved, times
from trivet.evidence.carriers import Carriers, Reference, carriers, reference
from trivet.evidence.case import Case, whole_buckets
from trivet.evidence.excess import NAMELESS, Kind
from trivet.evidence.saved import Lost, Pair, Saved
from trivet.evidence.times import Times
from trivet.kit.errors import TrivetError
from trivet.kit.interval import Interval
from trivet.report import names
from trivet.rollup import read
from trivet.rollup.read import Usage

BUCKET_S, COARSE_S = 10, 60
BEFORE = timedelta(minutes=15)  # what is usual is told by
LOOK_MAX = timedelta(hours=1)  # how far back a beginning is looked for, and how much of a breach is weighed
UNDER_MAX = timedelta(days=1)
FINE_MAX = timedelta(hours=2)  # longer stretches are read by the minute
DIMENSIONS = ("tenant", "model", "context_class", "backend")
GROUPS_MAX = 20_000  # of one dimension; beyond them nobody is named, as who carries it may be among the rest
Rows = Mapping[tuple[datetime, str], tuple[Fraction, ...]]
COUNTED = ("requests", "rejections", "unpriced_requests", "cost", "scores", "score_total")


@dataclass(frozen=True, slots=True)
class Carried:
    """Who carries a breach, by dimension; or why that cannot be told."""

    missing: str = ""
    during: Interval | None = None
    before: Interval | None = None
    kind: Kind | None = None
    usual: Reference | None = None
    by: Mapping[str, Carriers] | None = None
    labels: Mapping[str, Mapping[Hashable, str]] | None = None

    def label(self, dimension: str, key: Hashable | None) -> str:
        """What a group is called."""
        return "all others" if key is None else (self.labels or {})[dimension][key]


@dataclass(frozen=True, slots=True)
class Account:
    """Of one breach: how long it took, and what was saved and lost while degraded for it."""

    times: Times
    requests_under: int
    saved: Saved
    lost: Lost
    currency: str


def carried(session: Session, case: Case, now: datetime, *, dimensions: Sequence[str] = DIMENSIONS) -> Carried:
    """Weighed from its beginning until what was done about it took hold, an hour at most, against the time before."""
    kind = excess.kind_of(case.guard) if case.guard else None
    if case.guard is None:
        return Carried("the card that this breach was judged by has no such guard any more")
    if kind is None:
        return Carried(NAMELESS)
    try:
        return _carried(session, case, kind, now, dimensions)
    except TrivetError as refused:  # rollups that are not kept any more
        return Carried(f"cannot be told: {refused.detail}")


def _carried(session: Session, case: Case, kind: Kind, now: datetime, dimensions: Sequence[str]) -> Carried:
    assert case.guard is not None
    told = _times(session, case)
    start = told.began or case.breach.opened_at - timedelta(seconds=min(case.guard.window_s, LOOK_MAX.total_seconds()))
    ends = [t for t in (told.effective, case.breach.closed_at) if t is not None and t > start]
    end = min(max(min(ends, default=now), case.breach.opened_at), start + LOOK_MAX)
    during = whole_buckets(start, max(end, start), BUCKET_S)
    before = Interval(during.start - BEFORE, during.start)
    times_ = Fraction(round(during.seconds), round(before.seconds))
    by: dict[str, Carriers] = {}
    labels: dict[str, Mapping[Hashable, str]] = {}
    usual = reference(kind, _whole(session, case, before), excess.allowed(case.guard), case.guard.minimum_sample)
    if usual is None:
        return Carried("too little was measured before the breach, and its limit is no share", during, before, kind)
    for dimension in dimensions:
        now_, was = (_usage(session, case, each, dimension) for each in (during, before))
        if max(len(now_), len(was)) > GROUPS_MAX:
            by_what = dimension.replace("_", " ")
            return Carried(f"too many to tell shares: more than {GROUPS_MAX:,} by {by_what}", during, before, kind)
        by[dimension] = carriers(kind, now_, was, usual, times=times_)
        shown = {c.key for c in (*by[dimension].carry, *by[dimension].relieve) if c.key is not None}
        labels[dimension] = _labels(session, dimension, shown)
    return Carried("", during, before, kind, usual, by, labels)


def _usage(session: Session, case: Case, interval: Interval, dimension: str) -> dict[Hashable, Usage]:
    column = names.column(dimension)
    where = {"scenario_id": [case.breach.scenario_id]}
    found = read.usage(session, interval, [column], where, limit=GROUPS_MAX + 1)
    return {key: usage for (key,), usage in found.items()}


def _whole(session: Session, case: Case, interval: Interval) -> Usage:
    where = {"scenario_id": [case.breach.scenario_id]}
    return sum(read.usage(session, interval, [], where).values(), Usage())


def _labels(session: Session, dimension: str, keys: set[Hashable]) -> dict[Hashable, str]:
    column = names.column(dimension)
    rows = [{column: key} for key in keys]
    known = names.labels(session, [dimension], rows)
    return {row[column]: str(known.key([dimension], row)[0]) for row in rows}


def account(session: Session, case: Case, now: datetime) -> Account:
    """Everything that is measured of a breach. What cannot be told any more says so."""
    currency = case.card.cost.currency if case.card else ""
    try:
        told = _times(session, case)
        return _account(session, case, told, currency, now)
    except TrivetError as refused:
        words = f"not measurable: {refused.detail}"
        bare = times.times(case.breach.id, case.breach.opened_at, case.breach.closed_at, case.acts, None)
        return Account(bare, 0, Saved(None, None, None, words), Lost(None, None, None, words), currency)


def _times(session: Session, case: Case) -> Times:
    breach = case.breach
    return times.times(breach.id, breach.opened_at, breach.closed_at, case.acts, _began(session, case))


def _began(session: Session, case: Case) -> datetime | None:
    guard, kind = case.guard, excess.kind_of(case.guard) if case.guard else None
    allowed = excess.allowed(guard) if guard else None
    if guard is None or kind is None or allowed is None:
        return None
    opened = case.breach.opened_at
    look = min(max(timedelta(seconds=3 * guard.window_s), BEFORE), LOOK_MAX)
    where = {"scenario_id": [case.breach.scenario_id], "revision": [case.breach.revision, 0]}
    found = read.usage(session, whole_buckets(opened - look, opened, BUCKET_S), ["bucket"], where, grain_s=BUCKET_S)
    buckets = [(at, kind.n(usage), kind.bad(usage)) for (at,), usage in found.items()]
    return times.began(buckets, allowed, opened, BUCKET_S, in_time=kind.in_time)


def _account(session: Session, case: Case, told: Times, currency: str, now: datetime) -> Account:
    stretches = times.degraded(case.breach.id, case.acts, told.recovered or now)
    if not stretches:
        words = "nothing was degraded for it" if told.acted is None else "what it caused is no level"
        return Account(told, 0, Saved(None, None, None, words), Lost(None, None, None, words), currency)
    began = told.began or case.breach.opened_at
    before = _rows(session, case, whole_buckets(began - BEFORE, began - timedelta(seconds=BUCKET_S), BUCKET_S), [0])
    under: dict[tuple[datetime, str], tuple[Fraction, ...]] = {}
    for stretch in stretches:
        end = min(stretch.end, stretch.start + UNDER_MAX)
        grain_s = BUCKET_S if end - stretch.start <= FINE_MAX else COARSE_S
        under |= _under(session, case, Interval(stretch.start, end), grain_s)
    turned_away = sum(int(row[1]) for row in under.values())
    served = sum(int(row[0] - row[1]) for row in under.values())
    return Account(
        told,
        served,
        saved.saved(_priced(before, currency), _priced(under, currency), currency, turned_away),
        saved.lost(_scored(before), _scored(under)),
        currency,
    )


def _under(session: Session, case: Case, stretch: Interval, grain_s: int) -> Rows:
    """What ran under the levels of a stretch: not what its first and last bucket hold of the one before and after."""
    first, highest = times.levels(case.acts, stretch)
    whole, head = (whole_buckets(stretch.start, end, grain_s) for end in (stretch.end, stretch.start))
    found = dict(_rows(session, case, head, range(first, highest + 1), grain_s))
    if whole.end > head.end:
        found |= _rows(session, case, Interval(head.end, whole.end), range(1, highest + 1), grain_s)
    return found


def _rows(session: Session, case: Case, interval: Interval, levels: Collection[int], grain_s: int = BUCKET_S) -> Rows:
    """`COUNTED` by bucket and currency, of these levels."""
    where = {"scenario_id": [case.breach.scenario_id], "level": levels}
    found = read.sums(session, interval, ["bucket", "currency"], COUNTED, where, grain_s=grain_s)
    return {(at, currency): tuple(Fraction(value or 0) for value in row) for (at, currency), row in found.items()}


def _priced(rows: Rows, currency: str) -> list[Pair]:
    return [(max(Fraction(0), r[0] - r[1] - r[2]), r[3]) for (_, own), r in rows.items() if own == currency]


def _scored(rows: Rows) -> list[Pair]:
    by_bucket: dict[datetime, Pair] = {}
    for (at, _), row in rows.items():
        n, total = by_bucket.get(at, (Fraction(0), Fraction(0)))
        by_bucket[at] = n + row[4], total + row[5]
    return list(by_bucket.values())
