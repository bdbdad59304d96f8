"""Today's spend, as `/api/v1/costs` says it: what is posted, what is provisional, what nobody can be charged for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.money.costs_words import called
from trivet.console.queries import today as day_of
from trivet.console.tongue import N_, _n
from trivet.console.views import Money, Spend, SpendRow
from trivet.kit.money import EXACT
from trivet.report.costs import CostRow, Costs, costs
from trivet.report.costs import rows as cost_rows
from trivet.report.names import NONE

ROWS_MAX = 12
TENANTS_MAX = 200_000  # with a cost in one day; with more the page is refused by name
CURRENCIES_MAX = 3
NO_CURRENCY = "USD"  # of a sum of nothing
CAPTIONS = {"tenant": N_("Tenant"), "cost-centre": N_("Cost centre")}
BY = ("cost_centre", "tenant")  # what rows are told by
IDLE, UNUSED, NO_CENTRE = N_("idle"), N_("capacity nobody used"), N_("no cost centre")
UNATTRIBUTED = NONE["tenant"]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Spent:
    """Two tables a currency, by tenant and by cost centre; the day's total in the first currency."""

    tables: tuple[Spend, ...]
    total: Decimal
    currency: str
    provisional: Decimal = ZERO


def today(session: Session, now: datetime) -> Spent:
    """The UTC day so far, on the allocation basis."""
    return arrange(costs(session, day_of(now), BY, {}, groups_max=TENANTS_MAX))


def by_scenario(session: Session, now: datetime) -> Mapping[str, tuple[Money, ...]]:
    """The UTC day so far of each scenario by its name, the largest currency first."""
    found: dict[str, list[Money]] = {}
    for row in cost_rows(session, day_of(now), ["scenario"], {}):
        found.setdefault(row.key[0], []).append(Money(row.amount, row.currency))
    return {name: tuple(sorted(each, key=lambda m: -m.amount)) for name, each in found.items()}


def arrange(found: Costs) -> Spent:
    """Both tables of each currency, the one with most spend first. Pure."""
    by_spend = sorted(found.totals, key=lambda c: (-found.totals[c].total, c)) or [NO_CURRENCY]
    tables = [t for c in by_spend[:CURRENCIES_MAX] for t in _tables(found, c)]
    return Spent(tuple(tables), tables[0].total, by_spend[0], tables[0].provisional)


def _tables(found: Costs, currency: str) -> tuple[Spend, Spend]:
    rows = [row for row in found.rows if row.currency == currency]
    idle = found.totals[currency].idle if currency in found.totals else ZERO
    nobodys = [SpendRow(IDLE, "idle", idle, ZERO, UNUSED)] if idle else []
    unmapped = {row.key[1] for row in rows if row.key[0] == UNATTRIBUTED}
    notes = dict.fromkeys(unmapped - {UNATTRIBUTED}, NO_CENTRE)
    return (
        table("tenant", currency, [*_summed(rows, 1, notes), *nobodys]),
        table("cost-centre", currency, [*_summed(rows, 0, {UNATTRIBUTED: NO_CENTRE}), *nobodys]),
    )


def _summed(rows: Sequence[CostRow], part: int, notes: dict[str, str]) -> list[SpendRow]:
    """Rows by one part of their key."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        posted, provisional = sums.get(row.key[part], (ZERO, ZERO))
        posted = EXACT.add(posted, EXACT.subtract(row.amount, row.provisional))
        sums[row.key[part]] = posted, EXACT.add(provisional, row.provisional)
    return [
        SpendRow(
            called(BY[part], name),
            "unattributed" if name == UNATTRIBUTED else "payer",
            posted,
            provisional,
            notes.get(name, ""),
        )
        for name, (posted, provisional) in sums.items()
    ]


def table(key: str, currency: str, rows: Iterable[SpendRow]) -> Spend:
    """Largest payer first, then what is nobody's; rows past `ROWS_MAX` in one, so that the total still adds up. Pure."""
    payers = sorted((r for r in rows if r.kind == "payer"), key=lambda r: (-r.total, r.name))
    others = [r for r in rows if r.kind != "payer"]
    shown = [*payers[:ROWS_MAX], *_rest(payers[ROWS_MAX:]), *others]
    totals = [r.total for r in shown]
    return Spend(
        key=key,
        caption=CAPTIONS[key],
        currency=currency,
        rows=tuple(shown),
        total=_sum(totals),
        provisional=_sum(r.provisional for r in shown),
        places=say.watched_places([_sum(totals)]),
        scale=max(totals, default=ZERO),
    )


def _rest(payers: list[SpendRow]) -> list[SpendRow]:
    if not payers:
        return []
    posted, provisional = _sum(r.posted for r in payers), _sum(r.provisional for r in payers)
    return [SpendRow(_n("{n} more", "{n} more", len(payers)), "payer", posted, provisional)]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for each in amounts:
        total = EXACT.add(total, each)
    return total
