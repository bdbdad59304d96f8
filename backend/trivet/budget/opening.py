"""Windows are made with what was spent in them before: none begins empty because nobody had looked."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.budget.book import Standing
from trivet.budget.limits import WindowKey
from trivet.budget.models import BudgetWindow


def open_windows(session: Session, wanted: Mapping[WindowKey, Standing]) -> None:
    """Make windows that are not there. The refresh waits meanwhile, so that nothing is told while they are summed."""
    session.execute(text("LOCK TABLE budget_window IN ROW EXCLUSIVE MODE"))
    for key, standing in sorted(wanted.items(), key=lambda item: item[0]):
        session.execute(
            insert(BudgetWindow)
            .values(
                budget_id=key.budget_id, subject_id=key.subject_id, interaction=key.interaction,
                starts_at=key.starts_at, ends_at=key.ends_at, limit=standing.terms.limit,
            )
            .on_conflict_do_nothing()
        )  # fmt: skip
