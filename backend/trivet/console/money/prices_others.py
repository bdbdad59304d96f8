"""The other kinds of price as tables: discounts, rates of exchange, GPU hours, units."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.money import prices_words as words
from trivet.console.money.prices_views import DatedTable
from trivet.console.tongue import N_, _
from trivet.pricing.dated import plain
from trivet.pricing.models import Discount, ExchangeRate, GpuPrice, UnitPrice

OTHERS_SHOWN = 20

# Title, table, heads and columns, which of them are numbers; then what an empty one says, and the body that enters the first.
_KINDS: tuple[tuple[str, str, Any, tuple[tuple[str, str], ...], tuple[int, ...], str, str], ...] = (
    (
        "discounts", N_("Contract discounts"), Discount,
        ((N_("Provider"), "provider"), (N_("Model"), "model"), (N_("Pool"), "pool"), (N_("Percent off"), "percent"), (N_("From"), "effective_from"), (N_("Until"), "ends"), (N_("Source"), "source"), (N_("Author"), "author")),
        (3,), N_("No contract takes anything off a list price."),
        '{"provider": "openai", "percent": "12.5", "effective_from": "2026-11-01T00:00:00Z"}',
    ),
    (
        "exchange-rates", N_("Rates of exchange"), ExchangeRate,
        ((N_("From"), "from_currency"), (N_("To"), "to_currency"), (N_("Rate"), "rate"), (N_("Day"), "effective_from"), (N_("Source"), "source"), (N_("Author"), "author")),
        (2,), N_("No rate has been entered: amounts of other currencies stand apart and are never added."),
        '{"from_currency": "EUR", "to_currency": "USD", "effective_from": "2026-11-01", "rate": "1.10"}',
    ),
    (
        "gpu-prices", N_("GPU hours"), GpuPrice,
        ((N_("GPU"), "gpu_type"), (N_("Bought"), "purchase"), (N_("Region"), "region"), (N_("An hour"), "price_per_hour"), (N_("Currency"), "currency"), (N_("From"), "effective_from"), (N_("Source"), "source"), (N_("Author"), "author")),
        (3,), N_("No GPU hour has a price here: pools say their own."),
        '{"gpu_type": "H100", "purchase": "on_demand", "price_per_hour": "2.95", "currency": "USD", "effective_from": "2026-11-01T00:00:00Z"}',
    ),
    (
        "unit-prices", N_("Units"), UnitPrice,
        ((N_("Unit"), "unit"), (N_("Of"), "name"), (N_("Provider"), "provider"), (N_("Pool"), "pool"), (N_("One"), "price"), (N_("Currency"), "currency"), (N_("From"), "effective_from"), (N_("Source"), "source"), (N_("Author"), "author")),
        (4,), N_("Bandwidth, storage, calls of tools and searches have no price yet."),
        '{"unit": "tool_calls", "name": "search", "price": "0.01", "currency": "USD", "effective_from": "2026-11-01T00:00:00Z"}',
    ),
)  # fmt: skip


def others(session: Session) -> Iterable[DatedTable]:
    """The newest rows of each other kind of price."""
    for key, title, table, columns, numbers, empty, body in _KINDS:
        rows = session.scalars(select(table).order_by(table.id.desc()).limit(OTHERS_SHOWN)).all()
        count = session.scalar(select(func.count()).select_from(table)) or 0
        yield DatedTable(
            key,
            _(title),
            tuple(_(head) for head, _name in columns),
            numbers,
            tuple(tuple(_cell(getattr(row, name), name) for _head, name in columns) for row in rows),
            count - len(rows),
            _(empty),
            body,
        )


def _cell(value: Any, name: str) -> str:
    if name == "source":
        return words.source(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}" if (value.hour, value.minute) != (0, 0) else f"{value:%Y-%m-%d}"
    return str(plain(value)) if value not in ("", None) else say.DASH
