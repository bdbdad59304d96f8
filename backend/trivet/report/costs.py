"""What was spent: postings up to `as_of`, then the open hours from rollups, marked provisional."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.models import Entry, Posting
from trivet.ledger.service import posted_until
from trivet.report import limits, names
from trivet.report.usage import grain_seconds
from trivet.rollup.read import cost, one_of
from trivet.tenant.models import TenantCostCentre
from trivet.tenant.service import cost_centres_at

HOUR_S = 3600
BASES = ("allocation", "usage")
CHARGED = ("cost_centre", "unattributed")  # accounts that hold standard cost, by who is charged
BORNE = (*CHARGED, "variance")
KEPT_APART = ("idle", "shared")
CENTRE = "cost_centre_id"
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class CostRow:
    """One group's cost in one currency. `provisional` is the part of `amount` that is not posted yet."""

    key: tuple[Any, ...]
    currency: str
    amount: Decimal
    list_amount: Decimal
    provisional: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """One currency: `total` is what all rows and idle add up to; `unattributed` is part of the rows."""

    total: Decimal = ZERO
    unattributed: Decimal = ZERO
    idle: Decimal = ZERO
    provisional: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Costs:
    """Rows in key order, totals by currency, and the instant up to which postings were used."""

    rows: list[CostRow]
    totals: dict[str, Totals]
    as_of: datetime


@dataclass(slots=True)
class _Sum:
    amount: Decimal = ZERO
    listed: Decimal = ZERO
    provisional: Decimal = ZERO

    def add(self, amount: Decimal, listed: Decimal, provisional: Decimal) -> None:
        self.amount = EXACT.add(self.amount, amount)
        self.listed = EXACT.add(self.listed, listed)
        self.provisional = EXACT.add(self.provisional, provisional)

    def of(self, basis: str) -> Decimal:
        """The amount on a basis."""
        return self.amount if basis == "allocation" else self.listed


@dataclass(slots=True)
class _Gathered:
    """Sums by (bucket, the ids of `columns`, currency), and idle by currency, while both parts are read."""

    columns: tuple[str, ...]
    groups_max: int
    sums: dict[tuple[Any, ...], _Sum] = field(default_factory=dict)
    idle: dict[str, Decimal] = field(default_factory=dict)

    def add(self, key: tuple[Any, ...], amount: Decimal, listed: Decimal, provisional: Decimal = ZERO) -> None:
        self.sums.setdefault(key, _Sum()).add(amount, listed, provisional)


def costs(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    basis: str = "allocation",
    grain: str | None = None,
    groups_max: int | None = None,
) -> Costs:
    """Costs by some of `names.COSTS_BY`. `allocation` ties to the bill; `usage` is standard cost without idle.

    Idle capacity is nobody's: it is in the totals unless the filter asks for somebody's rows. Postings are of whole
    hours, so an end before `as_of` falls on one (`Invalid` otherwise). `TooManyGroups` above `groups_max`, or
    `limits.GROUPS_MAX` where it is not given.
    """
    if basis not in BASES:
        raise Invalid(f"`basis` is one of {', '.join(BASES)}.", field="basis")
    grain_s = grain_seconds(interval, grain)
    if grain_s is not None and grain_s < HOUR_S:
        raise Invalid("Costs are by 1h or 1d.", field="grain")
    until = posted_until(session) or interval.start
    # Whoever nobody is charged for is told apart in any grouping.
    gathered = _Gathered(tuple(dict.fromkeys([CENTRE, *names.columns(group_by)])), groups_max or limits.GROUPS_MAX)
    posted, open_ = halves(interval, until)
    if posted:
        _gather_posted(session, posted, where, grain_s, gathered)
    if open_:
        _gather_open(session, open_, where, grain_s, gathered)
    return _report(session, group_by, gathered, basis=basis, by_bucket=grain_s is not None, until=until)


def halves(interval: Interval, until: datetime) -> tuple[Interval | None, Interval | None]:
    """The part of an interval that is posted, and the part that is not. Pure."""
    for name, at in (("from", interval.start), ("to", interval.end)):
        if (at < until and floor(at, HOUR_S) != at) or at.microsecond:
            raise Invalid(f"Costs are posted by whole hours: `{name}` must fall on one.", field=name)
    posted = Interval(interval.start, min(interval.end, until)) if interval.start < until else None
    open_ = Interval(max(interval.start, until), interval.end) if interval.end > until else None
    return posted, open_


def _gather_posted(
    session: Session, part: Interval, where: Mapping[str, Collection[Any]], grain_s: int | None, into: _Gathered
) -> None:
    bucket: Any = literal(None)
    if grain_s:
        width = func.make_interval(0, 0, 0, 0, 0, 0, grain_s)
        bucket = func.date_bin(width, Posting.hour, func.to_timestamp(0))
    dimensions = [getattr(Entry, name) for name in into.columns]
    amount = func.sum(Entry.amount)
    listed = func.coalesce(amount.filter(Entry.account.in_(CHARGED)), ZERO)
    query = (
        _entries(part, where, BORNE, bucket.label("bucket"), *dimensions, Entry.currency, amount, listed)
        .group_by(*(["bucket"] if grain_s else []), *dimensions, Entry.currency)
        .limit(into.groups_max + 1)
    )
    rows = session.execute(query).all()
    limits.check(rows, into.groups_max)
    for row in rows:
        into.add(tuple(row[:-2]), *row[-2:])
    # Idle capacity is nobody's: who asks for somebody's rows does not see it.
    if where.keys() <= {"pool_id"}:
        idle = _entries(part, where, KEPT_APART, Entry.currency, amount).group_by(Entry.currency)
        into.idle = dict(session.execute(idle).all())


def _entries(
    part: Interval, where: Mapping[str, Collection[Any]], accounts: Sequence[str], *wanted: Any
) -> Select[Any]:
    """What postings of some hours say on some accounts."""
    return (
        select(*wanted)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(Posting.hour >= part.start, Posting.hour < part.end, Entry.account.in_(accounts))
        .where(*(one_of(getattr(Entry, name), ids) for name, ids in where.items()))
    )


def _gather_open(
    session: Session, part: Interval, where: Mapping[str, Collection[Any]], grain_s: int | None, into: _Gathered
) -> None:
    by = tuple(dict.fromkeys(["tenant_id", *(name for name in into.columns if name != CENTRE), "currency"]))
    own = {name: ids for name, ids in where.items() if name != CENTRE}
    wanted = where.get(CENTRE)
    for segment in _segments(session, part, grain_s):
        centres = cost_centres_at(session, segment.start)
        bucket = floor(segment.start, grain_s) if grain_s else None
        found = cost(session, segment, by, own, limit=into.groups_max + 1)
        limits.check(found, into.groups_max)
        for key, amount in found.items():
            ids = dict(zip(by, key, strict=True)) | {CENTRE: centres.get(key[0], 0)}
            if ids["currency"] and (wanted is None or ids[CENTRE] in wanted):
                into.add((bucket, *(ids[name] for name in into.columns), ids["currency"]), amount, amount, amount)
        limits.check(into.sums, into.groups_max)


def _segments(session: Session, part: Interval, grain_s: int | None) -> Iterator[Interval]:
    """The open part, cut where a mapping begins and where a bucket ends: in each, everyone has one cost centre."""
    begins = session.scalars(
        select(TenantCostCentre.effective_from)
        .where(TenantCostCentre.effective_from > part.start, TenantCostCentre.effective_from < part.end)
        .distinct()
    )
    cuts = {part.start, part.end, *begins, *_edges(part, grain_s)}
    ordered = sorted(cuts)
    for start, end in pairwise(ordered):
        yield Interval(start, end)


def _edges(part: Interval, grain_s: int | None) -> Iterable[datetime]:
    if grain_s:
        at = floor(part.start, grain_s) + timedelta(seconds=grain_s)
        while at < part.end:
            yield at
            at += timedelta(seconds=grain_s)


def _report(
    session: Session, group_by: Sequence[str], found: _Gathered, *, basis: str, by_bucket: bool, until: datetime
) -> Costs:
    ids = [dict(zip((names.BUCKET, *found.columns, "currency"), key, strict=True)) for key in found.sums]
    labels = names.labels(session, group_by, ids)
    rows: dict[tuple[tuple[Any, ...], str], _Sum] = {}
    whole: dict[str, _Sum] = {currency: _Sum(amount) for currency, amount in found.idle.items()}
    nobodys: dict[str, _Sum] = {}
    for each, own in zip(ids, found.sums.values(), strict=True):
        key = labels.key(group_by, each) + ((rfc3339(each[names.BUCKET]),) if by_bucket else ())
        currency = each["currency"]
        into = [rows.setdefault((key, currency), _Sum()), whole.setdefault(currency, _Sum())]
        if not each[CENTRE]:
            into.append(nobodys.setdefault(currency, _Sum()))
        for one in into:
            one.add(own.amount, own.listed, own.provisional)
    return Costs(
        [
            CostRow(key, currency, s.of(basis), s.listed, s.provisional)
            for (key, currency), s in sorted(rows.items(), key=lambda row: row[0])
        ],
        {
            currency: Totals(
                s.of(basis),
                nobodys.get(currency, _Sum()).of(basis),
                found.idle.get(currency, ZERO) if basis == "allocation" else ZERO,
                s.provisional,
            )
            for currency, s in sorted(whole.items())
        },
        until,
    )
