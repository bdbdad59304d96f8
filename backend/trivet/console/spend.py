"""Today's spend, as `/api/v1/costs` says it: what is posted, what is provisional, what nobody can be charged for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.views import Spend, SpendRow

ROWS_MAX = 12


@dataclass(frozen=True, slots=True)
class Spent:
    """Both tables, and the day's total in their currency."""

    by_tenant: Spend
    by_cost_centre: Spend
    total: Decimal
    currency: str


def today(session: Session, now: datetime) -> Spent:
    rows: list[SpendRow] = []
    t = table("Tenant", "USD", rows)
    return Spent(t, table("Cost centre", "USD", rows), t.total, "USD")


def table(caption: str, currency: str, rows: Iterable[SpendRow]) -> Spend:
    """Largest payer first, then what is nobody's; rows past `ROWS_MAX` in one, so that the total still adds up. Pure."""
    payers = sorted((r for r in rows if r.kind == "payer"), key=lambda r: (-r.total, r.name))
    others = [r for r in rows if r.kind != "payer"]
    shown = [*payers[:ROWS_MAX], *_rest(payers[ROWS_MAX:]), *others]
    totals = [r.total for r in shown]
    return Spend(
        caption=caption,
        currency=currency,
        rows=tuple(shown),
        total=sum(totals, Decimal(0)),
        provisional=sum((r.provisional for r in shown), Decimal(0)),
        places=say.watched_places([sum(totals, Decimal(0))]),
        scale=max(totals, default=Decimal(0)),
    )


def _rest(payers: list[SpendRow]) -> list[SpendRow]:
    if not payers:
        return []
    posted = sum((r.posted for r in payers), Decimal(0))
    provisional = sum((r.provisional for r in payers), Decimal(0))
    return [SpendRow(f"{len(payers)} more", "payer", posted, provisional)]
