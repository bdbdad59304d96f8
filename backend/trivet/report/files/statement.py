"""A cost centre's month, read once: what the page shows and the PDF prints.

A statement holds what is booked in its month: the use of the month, and adjustments of months that were closed before. So it
stands still when the month is closed. Every amount comes from `costs`; why it moved from `moved.why`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.kit.errors import Invalid, NotFound
from trivet.kit.interval import Interval, month_of
from trivet.kit.money import EXACT, of_million
from trivet.ledger import periods
from trivet.report import compare, moved, names, tokens
from trivet.report.costs import Costs, costs
from trivet.report.files import statement_kept
from trivet.report.files.statement_kept import Counted
from trivet.report.grain import DAY, MONTH
from trivet.tenant.models import CostCentre

LOOKBACK_MONTHS = 36
KEPT_MONTHS = 2
USE = ("cost_centre", "unattributed", "variance")
ZERO = Decimal(0)
KINDS = {
    "use": "Requests", "idle": "Idle capacity", "headroom": "Headroom", "down": "Capacity that could not serve",
    "hidden": "Hidden capacity", "shared": "Shared costs", "bill_variance": "What bills say beyond what was measured",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """What a tenant bore of a model: the amount, the tokens behind it, and what a million of them came to (None of none)."""

    centre: str
    tenant: str
    model: str
    amount: Decimal
    tokens: int

    @property
    def per_million(self) -> Decimal | None:
        """Borne cost of a million tokens, rounded to picos."""
        return of_million(self.amount, self.tokens) if self.tokens else None


@dataclass(frozen=True, slots=True)
class Day:
    """One day's use: all of it, and the part that is not posted yet."""

    start: datetime
    amount: Decimal
    provisional: Decimal


@dataclass(frozen=True, slots=True)
class Section:
    """One currency of a statement. `total` = `use` + adjustments; `lines` and `kinds` each add up to `use`.

    `before` is the use of the month before; where `running`, of as much of it as is posted of this one.
    """

    currency: str
    use: Decimal
    provisional: Decimal
    before: Decimal
    adjustments: tuple[tuple[str, Decimal], ...]
    days: tuple[Day, ...]
    kinds: tuple[tuple[str, Decimal], ...]
    lines: tuple[Line, ...]
    budget: Decimal | None
    why: Mapping[str, Decimal]
    unattributed_share: Decimal | None
    running: bool = False

    @property
    def adjusted(self) -> Decimal:
        """All adjustments."""
        return _sum(amount for _, amount in self.adjustments)

    @property
    def total(self) -> Decimal:
        """What is booked in the month."""
        return EXACT.add(self.use, self.adjusted)


@dataclass(frozen=True, slots=True)
class Statement:
    """A cost centre's month. `state` is open, closing or closed; `posted_until` says how far an open one is."""

    centre: str
    month: str
    state: str
    posted_until: datetime
    sections: tuple[Section, ...]
    counted: Counted


def month_interval(month: str) -> Interval:
    """`2026-10` as a stretch of time; `Invalid` for what is no month."""
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as bad:
        raise Invalid(f"{month[:40]!r} is no month: write one such as 2026-10.", field="month") from bad
    if month != month_of(start) or not 2000 <= start.year < 2100:
        raise Invalid(f"{month[:40]!r} is no month: write one such as 2026-10.", field="month")
    return Interval(start, MONTH.after(start))


def read(session: Session, centre: str, month: str) -> Statement:
    """The statement of a cost centre with all beneath it; `unattributed` is what has none. `NotFound` for an unknown one."""
    interval = month_interval(month)
    where = names.where(session, {"cost_centre": [centre]})
    if not where["cost_centre_id"]:
        raise NotFound(f"There is no cost centre {centre!r}: check the name; it is case-sensitive.")
    first = interval.start
    for _ in range(LOOKBACK_MONTHS):
        first = MONTH.floor(first - timedelta(days=1))
    earlier = Interval(first, interval.start)
    upto = where | {"period": [month_of(at) for at in MONTH.starts(Interval(first, interval.end))]}
    booked = where | {"period": [month]}
    lines = costs(session, interval, ["cost_centre", "tenant", "model", "account"], booked)
    days = costs(session, interval, [], booked, grain="1d")
    adjusted = costs(session, earlier, [], booked, grain="1mo")
    before_of = month_before(interval, lines.as_of)
    before = costs(session, before_of, [], upto)
    everyone = costs(session, interval, [], {"period": [month]})
    state = periods.state(session, month)
    counted = statement_kept.find(session, month, centre) if state == periods.CLOSED else None
    if counted is None:
        moves, _ = moved.why(session, before_of, interval, [], upto)
        budgets = compare.budgets(session, interval, "cost_centre", [centre])
        counted = Counted(
            _tokens(session, interval, lines),
            {currency: amount for (_, currency), amount in budgets.items()},
            {each.currency: each.parts for each in moves if each.key is None},
        )
    read_ = _Read(lines, days, adjusted, before, everyone, counted)
    currencies = sorted({*lines.totals, *adjusted.totals, *before.totals})
    sections = tuple(_section(currency, interval, read_) for currency in currencies)
    return Statement(centre, month, state, min(lines.as_of, interval.end), sections, counted)


def month_before(month: Interval, posted_until: datetime) -> Interval:
    """What a month is held against: the month before, and of one that goes on as long a stretch from its start. Pure."""
    running = month.start < posted_until < month.end
    return compare.previous(Interval(month.start, posted_until) if running else month)


@dataclass(frozen=True, slots=True)
class _Read:
    """All that was read for a statement."""

    lines: Costs
    days: Costs
    adjusted: Costs
    before: Costs
    everyone: Costs
    counted: Counted


def keep(session: Session, now: datetime, limit: int) -> int:
    """Keep what statements of the newest closed months count, of cost centres of which nothing is kept yet; how many."""
    nobody = names.said("cost_centre", None)
    centres = [*session.scalars(select(CostCentre.name).order_by(CostCentre.name)), nobody]
    wanted = [
        (month, centre)
        for month in periods.closed(session)[-KEPT_MONTHS:]
        for centre in statement_kept.missing(session, month, centres)
    ][:limit]
    for month, centre in wanted:
        statement_kept.keep(session, month, centre, read(session, centre, month).counted, now)
    return len(wanted)


def _tokens(session: Session, interval: Interval, lines: Costs) -> dict[tuple[str, str], int]:
    """Tokens of the month by tenant and model, of the tenants that are on the statement."""
    tenants = sorted({row.key[1] for row in lines.rows})
    if not tenants:
        return {}
    by = ("tenant", "model")
    columns = names.columns(by)
    counted = tokens.counts(session, interval, columns, names.where(session, {"tenant": tenants}))
    ids = [dict(zip(columns, key, strict=True)) for key in counted]
    labels = names.labels(session, by, ids)
    found: dict[tuple[str, str], int] = {}
    for own, each in zip(ids, counted.values(), strict=True):
        tenant, model = labels.key(by, own)
        found[tenant, model] = found.get((tenant, model), 0) + each.tokens
    return found


def _section(currency: str, interval: Interval, own: _Read) -> Section:
    rows = [row for row in own.lines.rows if row.currency == currency]
    everyone = own.everyone.totals.get(currency)
    return Section(
        currency=currency,
        use=_sum(row.amount for row in rows),
        provisional=_sum(row.provisional for row in rows),
        before=_sum(row.amount for row in own.before.rows if row.currency == currency),
        adjustments=tuple(
            (row.key[-1][:7], row.amount) for row in own.adjusted.rows if row.currency == currency and row.amount
        ),
        days=_days(interval, [(r.key[-1], r.amount, r.provisional) for r in own.days.rows if r.currency == currency]),
        kinds=_kinds((row.key[3], row.amount) for row in rows),
        lines=_lines(((row.key[:3], row.amount) for row in rows), own.counted.tokens),
        budget=own.counted.budgets.get(currency),
        why=own.counted.why.get(currency, {}),
        unattributed_share=everyone.unattributed_share if everyone else None,
        running=interval.start < own.lines.as_of < interval.end,
    )


def _days(interval: Interval, found: Sequence[tuple[str, Decimal, Decimal]]) -> tuple[Day, ...]:
    """Every day of the month, also those without cost."""
    by_day = {datetime.fromisoformat(bucket): (amount, open_) for bucket, amount, open_ in found}
    return tuple(Day(start, *by_day.get(start, (ZERO, ZERO))) for start in DAY.starts(interval))


def _kinds(rows: Iterable[tuple[str, Decimal]]) -> tuple[tuple[str, Decimal], ...]:
    sums: dict[str, Decimal] = {}
    for account, amount in rows:
        kind = "use" if account in USE else account
        sums[kind] = EXACT.add(sums.get(kind, ZERO), amount)
    return tuple((KINDS[kind], sums[kind]) for kind in KINDS if sums.get(kind))


def _lines(rows: Iterable[tuple[Any, Decimal]], tokens: Mapping[tuple[str, str], int]) -> tuple[Line, ...]:
    """By tenant and model, largest first."""
    sums: dict[tuple[str, str, str], Decimal] = {}
    for key, amount in rows:
        sums[key] = EXACT.add(sums.get(key, ZERO), amount)
    found = [Line(*key, amount, tokens.get((key[1], key[2]), 0)) for key, amount in sums.items()]
    return tuple(sorted(found, key=lambda line: (-line.amount, line.centre, line.tenant, line.model)))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
