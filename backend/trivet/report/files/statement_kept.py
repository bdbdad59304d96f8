"""What statements of closed months keep beside the ledger, so that a statement is the same whenever it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.kit.money import plain
from trivet.report.files.schedule_models import StatementKept


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens by tenant and model, budgets by currency, and by currency why use moved, by factor."""

    tokens: Mapping[tuple[str, str], int] = field(default_factory=dict)
    budgets: Mapping[str, Decimal] = field(default_factory=dict)
    why: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    kept: bool = False


def find(session: Session, month: str, centre: str) -> Counted | None:
    """What was counted when a month was closed; None where nothing is kept."""
    own = (StatementKept.month == month, StatementKept.cost_centre == centre)
    row = session.scalar(select(StatementKept.counted).where(*own))
    if row is None:
        return None
    return Counted(
        {(tenant, model): count for tenant, model, count in row["tokens"]},
        _amounts(row["budgets"]),
        {currency: _amounts(parts) for currency, parts in row["why"].items()},
        kept=True,
    )


def keep(session: Session, month: str, centre: str, counted: Counted, now: datetime) -> None:
    """Keep it; what is kept already stays."""
    content = {
        "tokens": [[*key, count] for key, count in sorted(counted.tokens.items())],
        "budgets": _texts(counted.budgets),
        "why": {currency: _texts(parts) for currency, parts in counted.why.items()},
    }
    row = insert(StatementKept).values(month=month, cost_centre=centre, counted=content, kept_at=now)
    session.execute(row.on_conflict_do_nothing())


def missing(session: Session, month: str, centres: list[str]) -> list[str]:
    """Those of some cost centres of which nothing is kept for a month."""
    there = set(session.scalars(select(StatementKept.cost_centre).where(StatementKept.month == month)))
    return [name for name in centres if name not in there]


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: plain(amount) for name, amount in amounts.items()}


def _amounts(texts: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in texts.items()}
