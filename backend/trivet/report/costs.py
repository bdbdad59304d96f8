"""What was spent: postings up to `as_of`, then the open hours from rollups, marked provisional.

The one path to any figure of money: pages, API, files and mails ask here, and agree to the last pico.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.service import posted_until
from trivet.report import borne, centres, closes, grain, limits, names, provisional
from trivet.report.gathered import CENTRE, KEPT_APART, ZERO, Gathered, Sum

BASES = ("allocation", "usage")
HOUR_S = grain.HOUR_S


@dataclass(frozen=True, slots=True)
class CostRow:
    """One group's cost in one currency. `provisional` is the part of `amount` that is not posted yet."""

    key: tuple[Any, ...]
    currency: str
    amount: Decimal
    list_amount: Decimal
    provisional: Decimal


@dataclass(frozen=True, slots=True)
class ApartRow:
    """What nobody bears, by its account and the key of the question; dimensions it does not have are `none`."""

    account: str
    key: tuple[Any, ...]
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """One currency: `total` is what all rows and all that is kept apart (from `idle` on) add up to.

    `unattributed` is part of the rows, `list_total` is the rows at standard cost.
    """

    total: Decimal = ZERO
    unattributed: Decimal = ZERO
    idle: Decimal = ZERO
    provisional: Decimal = ZERO
    headroom: Decimal = ZERO
    down: Decimal = ZERO
    shared: Decimal = ZERO
    bill_variance: Decimal = ZERO
    hidden: Decimal = ZERO
    list_total: Decimal = ZERO

    @property
    def apart(self) -> Decimal:
        """All that nobody bears."""
        return _sum(getattr(self, name) for name in KEPT_APART)

    @property
    def unattributed_share(self) -> Decimal | None:
        """What has no cost centre, as a share of the total; None of nothing."""
        return EXACT.divide(self.unattributed, self.total) if self.total else None


@dataclass(frozen=True, slots=True)
class Costs:
    """Rows in key order, what is kept apart, totals by currency, and the instant up to which postings were used.

    `close` is the month as of whose close it is told; None for as it stands now.
    """

    rows: list[CostRow]
    totals: dict[str, Totals]
    as_of: datetime
    apart: tuple[ApartRow, ...] = ()
    close: str | None = None


def costs(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    basis: str = "allocation",
    grain: str | None = None,
    as_of: str | None = None,
    groups_max: int | None = None,
    cost_centre_depth: int | None = None,
) -> Costs:
    """Costs by some of `names.COSTS_BY`. `allocation` ties to the bill; `usage` is standard cost without idle.

    What nobody bears (idle, headroom, down, hidden, unsplit shared cost, bills' variance) is in `apart` and in the totals,
    unless the filter asks for somebody's rows. A cost centre in `where` stands for its descendants too, and
    `cost_centre_depth` shows cost centres no deeper than that many steps from the root (1 is the root).

    `as_of` a closed month tells what was booked when it was closed, without open hours (`closes.NotClosed`). Postings are
    of whole hours, so an end before `as_of` falls on one (`Invalid`). `TooManyGroups` above `groups_max`, or
    `limits.GROUPS_MAX`.
    """
    width = _grain(interval, grain)
    # Whoever nobody is charged for is told apart in any grouping.
    columns = tuple(dict.fromkeys([CENTRE, *names.columns(group_by)]))
    gathered = Gathered(columns, groups_max or limits.GROUPS_MAX)
    until = _gather(session, interval, where, gathered, basis=basis, width=width, as_of=as_of)
    told = _told(session, interval, group_by, gathered, depth=cost_centre_depth, by_bucket=width is not None)
    apart = told.apart() if basis == "allocation" else ()
    return Costs(told.rows(basis), told.totals(basis), until, apart, as_of)


def rows(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    basis: str = "allocation",
    grain: str | None = None,
    cost_centre_depth: int | None = None,
) -> list[CostRow]:
    """The rows of `costs` alone, for who needs no totals: then nobody has to be looked up whose cost centre is not asked for."""
    width = _grain(interval, grain)
    gathered = Gathered(tuple(names.columns(group_by)), limits.GROUPS_MAX)
    _gather(session, interval, where, gathered, basis=basis, width=width)
    told = _told(session, interval, group_by, gathered, depth=cost_centre_depth, by_bucket=width is not None)
    return told.rows(basis)


def _gather(
    session: Session,
    interval: Interval,
    where: Mapping[str, Collection[Any]],
    gathered: Gathered,
    *,
    basis: str,
    width: "grain.Grain | None",
    as_of: str | None = None,
) -> datetime:
    """Everything of an interval, posted and open; up to when postings were used."""
    if basis not in BASES:
        raise Invalid(f"`basis` is one of {', '.join(BASES)}.", field="basis")
    where = centres.with_descendants(session, where, interval.end)
    if as_of is None:
        until = posted_until(session) or interval.start
        posted, open_ = halves(interval, until)
    else:
        closes.check(session, as_of)
        until = interval.end
        posted, open_ = halves(interval, until)
    if posted:
        borne.gather(session, posted, borne.Asked(where, width, as_of), gathered)
    if open_:
        provisional.gather(session, open_, where, width, gathered)
    return until


def _told(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    gathered: Gathered,
    *,
    depth: int | None,
    by_bucket: bool,
) -> "_Told":
    told = _Told(session, group_by, gathered, by_bucket=by_bucket)
    told.roll_up(session, depth, interval.end)
    return told


def halves(interval: Interval, until: datetime) -> tuple[Interval | None, Interval | None]:
    """The part of an interval that is posted, and the part that is not. Pure."""
    for name, at in (("from", interval.start), ("to", interval.end)):
        if (at <= until and floor(at, HOUR_S) != at) or at.microsecond:
            raise Invalid(f"Costs are posted by whole hours: `{name}` must fall on one.", field=name)
    posted = Interval(interval.start, min(interval.end, until)) if interval.start < until else None
    open_ = Interval(max(interval.start, until), interval.end) if interval.end > until else None
    return posted, open_


def _grain(interval: Interval, name: str | None) -> grain.Grain | None:
    return grain.parse(interval, name)


class _Told:
    """What was gathered, by the names people use."""

    def __init__(self, session: Session, group_by: Sequence[str], found: Gathered, *, by_bucket: bool) -> None:
        self._found, self._by, self._by_bucket = found, group_by, by_bucket
        self._ids = [found.ids(key) for key in found.sums]
        self._apart_ids = [found.ids(key[1:]) for key in found.apart]
        self._labels = names.labels(session, group_by, [*self._ids, *self._apart_ids])

    def roll_up(self, session: Session, depth: int | None, at: datetime) -> None:
        """Show cost centres no deeper than so many levels."""
        self._labels = centres.rolled_up(session, self._labels, depth, at)

    def _key(self, ids: Mapping[str, Any]) -> tuple[Any, ...]:
        bucket = (rfc3339(ids[names.BUCKET]),) if self._by_bucket else ()
        return self._labels.key(self._by, ids) + bucket

    def rows(self, basis: str) -> list[CostRow]:
        sums: dict[tuple[tuple[Any, ...], str], Sum] = {}
        for ids, own in zip(self._ids, self._found.sums.values(), strict=True):
            sums.setdefault((self._key(ids), ids["currency"]), Sum()).add(own.amount, own.listed, own.provisional)
        return [
            CostRow(key, currency, s.of(basis), s.listed, s.provisional)
            for (key, currency), s in sorted(sums.items(), key=lambda row: row[0])
        ]

    def apart(self) -> tuple[ApartRow, ...]:
        sums: dict[tuple[str, tuple[Any, ...], str], Decimal] = {}
        for (account, *_), ids, amount in zip(
            self._found.apart, self._apart_ids, self._found.apart.values(), strict=True
        ):
            own = (account, self._key(ids), ids["currency"])
            sums[own] = EXACT.add(sums.get(own, ZERO), amount)
        return tuple(ApartRow(*own, amount) for own, amount in sorted(sums.items()) if amount)

    def totals(self, basis: str) -> dict[str, Totals]:
        whole: dict[str, Sum] = {}
        nobodys: dict[str, Sum] = {}
        apart: dict[str, dict[str, Decimal]] = {}
        for ids, own in zip(self._ids, self._found.sums.values(), strict=True):
            for into in (whole, *([] if ids[CENTRE] else [nobodys])):
                into.setdefault(ids["currency"], Sum()).add(own.amount, own.listed, own.provisional)
        if basis == "allocation":
            for (account, *_), ids, amount in zip(
                self._found.apart, self._apart_ids, self._found.apart.values(), strict=True
            ):
                sums = apart.setdefault(ids["currency"], {})
                sums[account] = EXACT.add(sums.get(account, ZERO), amount)
        return {
            currency: _totals(
                whole.get(currency, Sum()), nobodys.get(currency, Sum()).of(basis), apart.get(currency, {}), basis
            )
            for currency in sorted(whole.keys() | apart.keys())
        }


def _totals(whole: Sum, unattributed: Decimal, apart: Mapping[str, Decimal], basis: str) -> Totals:
    return Totals(
        total=EXACT.add(whole.of(basis), _sum(apart.values())),
        unattributed=unattributed,
        provisional=whole.provisional,
        list_total=whole.listed,
        **apart,
    )


def _sum(amounts: Collection[Decimal] | Any) -> Decimal:
    total = ZERO
    for each in amounts:
        total = EXACT.add(total, each)
    return total


assert set(KEPT_APART) < {field.name for field in fields(Totals)}
