"""What the costs page reads, in one transaction, through the functions that the API answers with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.archive.facts import NotKept
from trivet.console.money.costs_asked import GRAINS, TIMES, Asked
from trivet.console.money.costs_flags import Flag, flags
from trivet.console.money.pivot import COLUMNS_MAX, NOBODY, ROWS_MAX, Sums, largest
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.models import Period
from trivet.report import anomalies, compare, names, outlook
from trivet.report.costs import Costs, costs
from trivet.report.gathered import APART_BY
from trivet.report.grain import MONTH
from trivet.report.limits import TooManyGroups
from trivet.report.models import Anomaly
from trivet.report.outlook import Outlook

ANOMALIES_SHOWN, CLOSES_SHOWN, STACKED = 12, 6, 4
NO_CURRENCY = "USD"
ZERO = Decimal(0)
Among = Mapping[str, Sequence[str]]  # names by dimension
NO_MORE: Among = {}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the page is made of. What the question does not allow, or is not kept any more, is empty or None."""

    found: Costs
    currency: str
    daily: Costs
    stacked: Mapping[str, Mapping[str, Decimal]]  # the largest rows by day
    sums: Sums | None
    before: Interval
    previous: Costs | None
    budgets: Mapping[tuple[str, str], Decimal]
    ahead: list[Outlook]
    odd: list[tuple[str, Anomaly]]
    flags: list[Flag]
    closes: list[str]


@dataclass(frozen=True, slots=True)
class Question:
    """An address as the ledger is asked it: ids by column, and of whom alone it may be told (None: everybody)."""

    asked: Asked
    tenant_id: int | None = None

    def where(self, session: Session, among: Among = NO_MORE) -> dict[str, list[Any]]:
        """The filters, and those given by name beside them; no filter widens what somebody may see."""
        given: dict[str, Sequence[str]] = {name: [said] for name, said in self.asked.filters.items()} | dict(among)
        found = names.where(session, {name: values for name, values in given.items() if name not in TIMES})
        if self.tenant_id is not None:
            wanted = found.get("tenant_id", [self.tenant_id])
            found["tenant_id"] = [one for one in wanted if one == self.tenant_id]
        return found

    def costs(
        self, session: Session, by: Sequence[str], interval: Interval | None = None, among: Among = NO_MORE
    ) -> Costs:
        """Costs by some dimensions and at most one of `TIMES`, whose bucket comes last in a key."""
        grain = next((GRAINS[name] for name in by if name in TIMES), None)
        return costs(
            session, interval or self.asked.interval, [name for name in by if name not in TIMES],
            self.where(session, among), basis=self.asked.basis, grain=grain, as_of=self.asked.as_of or None,
        )  # fmt: skip


def read(session: Session, question: Question, now: datetime) -> Facts:
    """One question after the other; nothing is decided here about how it is shown."""
    asked = question.asked
    found = question.costs(session, [asked.group])
    currency = chosen(asked, found)
    before = compare.previous(asked.interval)
    rows = {name_of(row.key, [asked.group])[0]: row.amount for row in found.rows if row.currency == currency}
    beside = not asked.across and asked.group not in TIMES
    return Facts(
        found,
        currency,
        found if asked.group == "day" else question.costs(session, ["day"]),
        _stacked(session, question, rows, currency),
        _sums(session, question, rows, currency) if asked.across else None,
        before,
        kept(lambda: question.costs(session, [asked.group] if beside else [], before)),
        _budgets(session, question, found) if beside else {},
        _ahead(session, question, now),
        _odd(session, question),
        flags(session, asked.interval, question.tenant_id),
        list(session.scalars(
            select(Period.month).where(Period.state == "closed").order_by(Period.month.desc()).limit(CLOSES_SHOWN)
        )),
    )  # fmt: skip


def chosen(asked: Asked, found: Costs) -> str:
    """The currency asked for, where there is any of it, else the one with most."""
    ordered = sorted(found.totals, key=lambda each: (-found.totals[each].total, each))
    return asked.currency if asked.currency in ordered else (ordered or [NO_CURRENCY])[0]


def name_of(key: Sequence[Any], by: Sequence[str]) -> list[str]:
    """The names of a key in the order of `by`; a bucket, which comes last in it, as its day or its month."""
    rest = iter(key)
    width = {"day": len("2026-11-20"), "month": len("2026-11")}
    return [str(key[-1])[: width[name]] if name in TIMES else str(next(rest)) for name in by]


def kept(ask: Callable[[], T]) -> T | None:
    """An answer, or None where what it needs is not kept any more or would be too much for a page."""
    try:
        return ask()
    except (NotKept, TooManyGroups):
        return None


def _stacked(
    session: Session, question: Question, rows: Mapping[str, Decimal], currency: str
) -> Mapping[str, Mapping[str, Decimal]]:
    """The days of the largest rows: what is posted of each."""
    by = question.asked.group
    top = [name for name in largest(rows, by, STACKED) if rows[name] > 0]
    if by in TIMES or len(rows) < 2 or not top:
        return {}
    found: dict[str, dict[str, Decimal]] = {name: {} for name in top}
    for row in question.costs(session, [by, "day"], among={by: top}).rows:
        name, day = name_of(row.key, [by, "day"])
        if name in found and row.currency == currency:
            found[name][day] = EXACT.subtract(row.amount, row.provisional)
    return found


def _sums(session: Session, question: Question, rows: Mapping[str, Decimal], currency: str) -> Sums:
    """What a table of two dimensions is made of: its margins, and the cells of its largest rows and columns alone."""
    by, across = question.asked.group, question.asked.across
    every = question.costs(session, [across])
    columns = {name_of(row.key, [across])[0]: row.amount for row in every.rows if row.currency == currency}
    apart: dict[str, dict[str, Decimal]] = {}
    placed = across in TIMES or names.column(across) in APART_BY
    for row in every.apart:
        if row.currency == currency:
            own = apart.setdefault(row.account, {})
            column = name_of(row.key, [across])[0] if placed else NOBODY
            own[column] = EXACT.add(own.get(column, ZERO), row.amount)
            if placed:
                columns.setdefault(column, ZERO)
    top = {by: largest(rows, by, ROWS_MAX), across: largest(columns, across, COLUMNS_MAX)}
    within = {name: shown for name, shown in top.items() if name not in TIMES}
    cells: dict[tuple[str, str], Decimal] = {}
    for cost in question.costs(session, [by, across], among=within).rows if all(top.values()) else ():
        row_name, column = name_of(cost.key, [by, across])
        if cost.currency == currency:
            cells[row_name, column] = cost.amount
    return Sums(rows, columns, cells, apart)


def _budgets(session: Session, question: Question, found: Costs) -> Mapping[tuple[str, str], Decimal]:
    asked = question.asked
    bound = question.tenant_id is not None and asked.group != "tenant"
    if asked.compare != "budget" or asked.group not in compare.SCOPES or bound:
        return {}
    start = asked.interval.start
    whole = Interval(start, MONTH.after(MONTH.floor(start))) if asked.running else asked.interval
    return compare.budgets(session, whole, asked.group, [row.key[0] for row in found.rows])


def _ahead(session: Session, question: Question, now: datetime) -> list[Outlook]:
    asked = question.asked
    if not asked.running or asked.basis != "allocation":
        return []
    month = Interval(asked.interval.start, MONTH.after(asked.interval.start))
    return outlook.outlook(session, month, now, [], question.where(session))


def _odd(session: Session, question: Question) -> list[tuple[str, Anomaly]]:
    asked = question.asked
    if asked.filters.keys() - {"tenant"}:
        return []
    until = (asked.interval.end - timedelta(microseconds=1)).date() + timedelta(days=1)
    found = anomalies.standing(
        session, asked.interval.start.date(), until, question.where(session), limit=ANOMALIES_SHOWN, after=None
    )  # fmt: skip
    labels = names.labels(session, ["tenant"], [{"tenant_id": row.tenant_id} for row in found])
    return [(labels.key(["tenant"], {"tenant_id": row.tenant_id})[0], row) for row in found]
