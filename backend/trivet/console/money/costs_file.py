"""What the costs page shows, as a file: every row of the same question, what nobody bears beside them, nothing summed."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.orm import Session

from trivet.console.money.costs_asked import Asked
from trivet.console.money.costs_read import Question, name_of
from trivet.report.costs import Costs
from trivet.report.files.table import Column


def costs_file(session: Session, question: Question) -> tuple[tuple[Column, ...], list[Sequence[Any]]]:
    """Columns and rows; of the currency asked for, else of all. `kept_apart` names the account of what nobody bears."""
    asked = question.asked
    by = [asked.group, *([asked.across] if asked.across else [])]
    found = question.costs(session, by)
    columns = (
        *map(Column, by), Column("kept_apart"), Column("amount", "money"), Column("provisional", "money"),
        Column("list_amount", "money"), Column("currency"),
    )  # fmt: skip
    return columns, list(_rows(asked, by, found))


def _rows(asked: Asked, by: Sequence[str], found: Costs) -> Iterator[Sequence[Any]]:
    wanted = {asked.currency} if asked.currency in found.totals else set(found.totals)
    for row in found.rows:
        if row.currency in wanted:
            yield *name_of(row.key, by), None, row.amount, row.provisional, row.list_amount, row.currency
    for apart in found.apart:
        if apart.currency in wanted:
            yield *name_of(apart.key, by), apart.account, apart.amount, None, None, apart.currency
