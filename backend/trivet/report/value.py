"""Cost against business value: figures that a team tells, and what a month cost for each of them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.kit.body import NAME_MAX, is_storable
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO, plain, plain_amount
from trivet.report import closes, costs, names
from trivet.report.grain import MONTH
from trivet.report.models import BusinessValue
from trivet.tenant.mapping import BadRows

KINDS = ("tenant", "model", "scenario")
COLUMNS = ("kind", "name", "month", "amount", "currency", "unit", "note")
ROWS_MAX = 2_000
KEPT_MAX = 100_000  # rows in all
TEXT_MAX = 500
_BY = {"model": ("provider", "model")}  # two providers may have a model of one name


class TooManyValues(Conflict):
    """As many business values are kept as are kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says a month was worth: `currency` for money, or `unit` for so many of something."""

    kind: str
    name: str
    month: str
    amount: Decimal
    currency: str = ""
    unit: str = ""
    note: str = ""


def tell(session: Session, told: Sequence[Told], *, actor: str) -> list[BusinessValue]:
    """Keep some figures, all or none. A figure told again supersedes the one before it, which stays to be seen."""
    if (session.scalar(select(func.count()).select_from(BusinessValue)) or 0) + len(told) > KEPT_MAX:
        raise TooManyValues(f"There are {KEPT_MAX:,} business values already, as many as are kept.")
    made = []
    for each in told:
        check(each)
        row = BusinessValue(
            kind=each.kind, subject_id=_subject(session, each.kind, each.name), month=each.month, currency=each.currency,
            unit=each.unit, amount=each.amount, note=each.note, author=actor,
        )  # fmt: skip
        session.add(row)
        made.append(row)
    session.flush()
    for each in told:
        after = {"amount": plain(each.amount), "currency": each.currency, "unit": each.unit, "note": each.note}
        subject = f"{each.kind}:{each.name}"
        audit.record(
            session, actor=actor, action="business_value.tell", subject=subject, after={"month": each.month} | after
        )
    return made


def check(told: Told) -> None:
    """`Invalid` names the field that is wrong. Pure."""
    if told.kind not in KINDS:
        raise Invalid(f"`kind` is one of {', '.join(KINDS)}.", field="kind")
    month(told.month)
    if bool(told.currency) == bool(told.unit):
        raise Invalid("Give a `currency` for money, or a `unit` for what is counted; not both.", field="unit")


def month(text: str) -> Interval:
    """A month such as 2026-10 as an interval; `Invalid` for anything else. Pure."""
    if not closes.is_month(text):
        raise Invalid("`month` is written such as 2026-10.", field="month")
    start = datetime.fromisoformat(f"{text}-01T00:00:00+00:00")
    return Interval(start, MONTH.after(start))


def _subject(session: Session, kind: str, name: str) -> int:
    """Id by name; of models with several providers as `provider/model`."""
    _, table = names.TABLES[kind]
    query = select(table.id).where(table.name == name)
    if kind == "model" and "/" in name:
        provider, _, rest = name.partition("/")
        exact = select(table.id).where(table.provider == provider, table.name == rest)
        query = exact if session.scalar(exact) else query
    found = session.scalars(query.limit(2)).all()
    if not found:
        raise NotFound(f"There is no {kind} {name!r}: it is named by its first call, or registered.", field="name")
    if len(found) > 1:
        raise Conflict(f"Several providers have a model {name!r}: write provider/model.", field="name")
    return int(found[0])


def newest(session: Session, month_: str | None = None) -> list[BusinessValue]:
    """The figures that hold, of a month or of all, by month, kind and subject."""
    own = (
        BusinessValue.month,
        BusinessValue.kind,
        BusinessValue.subject_id,
        BusinessValue.currency,
        BusinessValue.unit,
    )
    query = select(BusinessValue).ext(distinct_on(*own)).order_by(*own, BusinessValue.id.desc()).limit(KEPT_MAX)
    return list(session.scalars(query.where(BusinessValue.month == month_) if month_ else query))


def named(session: Session, rows: Sequence[BusinessValue]) -> dict[tuple[str, int], str]:
    """What figures are of, by kind and id: a model as provider/model."""
    found: dict[tuple[str, int], str] = {}
    for kind in sorted({row.kind for row in rows}):
        by, column = _BY.get(kind, (kind,)), names.column(kind)
        ids = {row.subject_id for row in rows if row.kind == kind}
        labels = names.labels(session, by, [{column: one} for one in ids])
        found |= {(kind, one): "/".join(labels.key(by, {column: one})) for one in ids}
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """One figure held against what the same month cost. `ratio` is value over cost, in money of the same currency.

    `per_unit` is the cost of one unit. Both None where there is no cost in the currency asked for, or nothing to divide by.
    """

    kind: str
    name: str
    value: BusinessValue
    cost: Decimal
    currency: str

    @property
    def ratio(self) -> Decimal | None:
        """How many times its cost it was worth; not money."""
        same = self.value.currency == self.currency
        return EXACT.divide(self.value.amount, self.cost) if same and self.cost > 0 else None

    @property
    def per_unit(self) -> Decimal | None:
        """What one of its units cost."""
        if not self.value.unit or not self.value.amount:
            return None
        return EXACT.quantize(EXACT.divide(self.cost, self.value.amount), PICO)


def against(session: Session, month_: str) -> list[Held]:
    """Each figure of a month beside what it cost then: one row a currency of cost. Never added up with it."""
    interval, rows = month(month_), newest(session, month_)
    told = named(session, rows)
    found = []
    for kind in KINDS:
        own = [row for row in rows if row.kind == kind]
        if not own:
            continue
        by, where = _BY.get(kind, (kind,)), {names.column(kind): sorted({row.subject_id for row in own})}
        spent: dict[str, dict[str, Decimal]] = {}
        for cost in costs.rows(session, interval, by, where):
            spent.setdefault("/".join(cost.key), {})[cost.currency] = cost.amount
        for row in own:
            name = told[kind, row.subject_id]
            each = spent.get(name) or {row.currency: Decimal(0)}
            found += [Held(kind, name, row, amount, currency) for currency, amount in sorted(each.items())]
    return found


def parse(text: str) -> list[Told]:
    """Rows of a CSV with a heading of `COLUMNS` (currency, unit and note may be left out); `BadRows` names each wrong line."""
    try:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error as bad:
        raise Invalid(f"This is no CSV file: {bad}.", field="row 1") from bad
    heading = [name.strip() for name in lines[0]] if lines else []
    if not set(COLUMNS[:4]) <= set(heading) <= set(COLUMNS) or len(set(heading)) != len(heading):
        raise Invalid(f"The first line names the columns: {','.join(COLUMNS)}.", field="row 1")
    given = [(number, line) for number, line in enumerate(lines[1:], 2) if any(cell.strip() for cell in line)]
    if not given:
        raise Invalid("The file has a heading and no row.", field="row 2")
    if len(given) > ROWS_MAX:
        raise Invalid(f"A file has at most {ROWS_MAX:,} rows: cut it in parts.", field=f"row {ROWS_MAX + 2}")
    errors: list[tuple[str, str]] = []
    rows = [row for number, line in given if (row := _row(number, dict(zip(heading, line, strict=False)), errors))]
    if errors:
        raise BadRows(errors)
    return rows


def _row(number: int, cells: dict[str, Any], errors: list[tuple[str, str]]) -> Told | None:
    said = {name: str(cells.get(name, "")).strip() for name in COLUMNS}
    try:
        _texts(said)
        told = Told(**said | {"amount": plain_amount(said["amount"])})  # type: ignore[arg-type]  # the amount is one now
        check(told)
    except (Invalid, ValueError) as bad:
        errors.append((f"row {number}", str(bad)))
        return None
    return told


def _texts(said: dict[str, str]) -> None:
    if not said["name"] or len(said["name"]) > NAME_MAX or not all(map(is_storable, said.values())):
        raise Invalid("a name is needed, of at most 256 characters", field="name")
    if max(len(said["unit"]), len(said["note"])) > TEXT_MAX:
        raise Invalid(f"a unit or note has at most {TEXT_MAX} characters", field="note")
