"""Map many tenants at once from a CSV file: preview, errors by row, all or nothing. Reading it is pure."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.kit.body import EARLIEST, LATEST, NAME_MAX, is_storable
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid, TrivetError
from trivet.tenant import service
from trivet.tenant.models import CostCentre, Tenant
from trivet.tenant.service import HOUR_S

COLUMNS = ("tenant", "cost_centre", "effective_from")
ROWS_MAX = 2_000
SHOWN_MAX = 50  # errors of one file that are told


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: `number` counts as an editor does, the heading is 1. Without a time it holds as one mapping does."""

    number: int
    tenant: str
    cost_centre: str
    effective_from: datetime | None


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a row comes to: from which cost centre, from when, and why from then."""

    row: Row
    before: str | None
    known: bool  # the tenant was met or registered before
    effective_from: datetime | None
    reason: str


class BadRows(Invalid):
    """Rows that cannot be taken; nothing was changed. `errors` names each, the first 50 of them."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        count = len(errors)
        super().__init__(
            f"{count} {'row' if count == 1 else 'rows'} cannot be taken, so nothing was changed: {errors[0][1]}"
        )
        self.errors = list(errors[:SHOWN_MAX])

    def problem(self) -> dict[str, Any]:
        return super().problem() | {"errors": [{"field": field, "detail": detail} for field, detail in self.errors]}


def parse(text: str) -> list[Row]:
    """Rows of a CSV with a heading of `COLUMNS` (the last may be left out); `BadRows` names each line that is wrong."""
    try:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error as bad:
        raise Invalid(f"This is no CSV file: {bad}.", field="row 1") from bad
    heading = tuple(name.strip() for name in lines[0]) if lines else ()
    if heading not in (COLUMNS, COLUMNS[:2]):
        raise Invalid(f"The first line names the columns: {','.join(COLUMNS)}.", field="row 1")
    given = [(number, line) for number, line in enumerate(lines[1:], 2) if any(cell.strip() for cell in line)]
    if not given:
        raise Invalid("The file maps nobody: it has a heading and no row.", field="row 2")
    if len(given) > ROWS_MAX:
        raise Invalid(f"A file maps at most {ROWS_MAX:,} tenants: cut it in parts.", field=f"row {ROWS_MAX + 2}")
    errors: list[tuple[str, str]] = []
    rows = [row for number, line in given if (row := _row(number, line, len(heading), errors))]
    errors += _twice(rows)
    if errors:
        raise BadRows(errors)
    return rows


def take(session: Session, rows: Sequence[Row], *, actor: str, now: datetime) -> list[Mapped]:
    """Map them all, each as `service.register` would; `BadRows` (and nothing is to be committed) where one cannot be."""
    known = set(session.scalars(select(CostCentre.name)))
    errors = [
        (f"row {row.number}", f"There is no cost centre {row.cost_centre}: make it with POST /api/v1/cost-centres.")
        for row in rows
        if row.cost_centre not in known
    ]
    if errors:
        raise BadRows(errors)
    seen = set(session.scalars(select(Tenant.name).where(Tenant.name.in_([row.tenant for row in rows]))))
    found = []
    for row in sorted(rows, key=lambda row: row.tenant):  # tenants are locked in one order, whoever uploads
        try:
            found.append(_take(session, row, row.tenant in seen, actor, now))
        except TrivetError as refused:
            errors.append((f"row {row.number}", refused.detail))
    if errors:
        raise BadRows(errors)
    return sorted(found, key=lambda mapped: mapped.row.number)


def _take(session: Session, row: Row, known: bool, actor: str, now: datetime) -> Mapped:
    ids = dict(session.execute(select(Tenant.name, Tenant.id).where(Tenant.name == row.tenant)).all())
    before = service.current(session, ids[row.tenant], now) if known else None
    made = service.register(
        session, name=row.tenant, cost_centre=row.cost_centre, effective_from=row.effective_from, actor=actor, now=now
    )
    return Mapped(row, before, known, made.effective_from, made.reason)


def _row(number: int, line: Sequence[str], width: int, errors: list[tuple[str, str]]) -> Row | None:
    cells = [cell.strip() for cell in line]
    if len(cells) != width:
        errors.append((f"row {number}", f"Row {number} has {len(cells)} columns, the heading {width}."))
        return None
    wrong = [
        (f"row {number}", f"Row {number}: {name} is a text of 1 to {NAME_MAX} characters.")
        for name, cell in zip(COLUMNS[:2], cells, strict=False)
        if not 0 < len(cell) <= NAME_MAX or not is_storable(cell)
    ]
    try:
        start = _time(cells[2]) if len(cells) > 2 and cells[2] else None
    except ValueError:
        wrong.append(
            (f"row {number}", f"Row {number}: effective_from is a whole hour, such as 2026-11-01T00:00:00Z, or empty.")
        )
        start = None
    errors.extend(wrong)
    return None if wrong else Row(number, cells[0], cells[1], start)


def _time(text: str) -> datetime:
    """A whole hour; a bare date is its start in UTC. ValueError otherwise."""
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None and len(text) == len("2026-11-01") else at
    if at.tzinfo is None or not EARLIEST <= at < LATEST or floor(at, HOUR_S) != at:
        raise ValueError(text)
    return at.astimezone(UTC)


def _twice(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    first: dict[tuple[str, datetime | None], int] = {}
    for row in rows:
        before = first.setdefault((row.tenant, row.effective_from), row.number)
        if before != row.number:
            start = f" from {rfc3339(row.effective_from)} on" if row.effective_from else ""
            yield f"row {row.number}", f"Row {row.number} maps {row.tenant}{start} again: row {before} does."
