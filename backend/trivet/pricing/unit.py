"""Prices of what is no token and no GPU hour: which units there are, and which price held. Pure but for reading and adding.

A price is of a unit; it may be for one name (a tool, a size of search, a model), one provider, one pool. The most
particular one holds: the pool counts before the name, the name before the provider.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import Final, NamedTuple, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.kit.errors import Invalid
from trivet.pricing import dated
from trivet.pricing.models import UnitPrice


@dataclass(frozen=True, slots=True)
class Unit:
    """What one of it is; `name` is what a price of it may be for; `seen`: telemetry counts it, else somebody tells."""

    says: str
    name: str
    seen: bool = False


REQUESTS, TOOL_CALLS, RETRIEVAL_CALLS = "requests", "tool_calls", "retrieval_calls"
UNITS: Final[Mapping[str, Unit]] = {
    "bandwidth_gb": Unit("10⁹ bytes moved", "a direction or a route"),
    "cache_gb_hours": Unit("10⁹ bytes of cache kept for an hour", "a cache"),
    "cache_million_token_hours": Unit("a million cached tokens kept for an hour", "a model"),
    TOOL_CALLS: Unit("a call of a tool", "the tool", seen=True),
    RETRIEVAL_CALLS: Unit("a retrieval", "an index", seen=True),
    "web_searches": Unit("a search of the web", "its size"),
    REQUESTS: Unit("a call of a model, beside its tokens", "the model", seen=True),
}
# Without a price these cost nothing of their own: most models charge no fee by the request. All others are a gap.
FREE_WITHOUT_PRICE: Final = frozenset({REQUESTS})


class Of(NamedTuple):
    """What a quantity is of, as far as its price asks."""

    unit: str
    name: str = ""
    provider: str = ""
    pool: str = ""


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One price: an amount for one of the unit."""

    id: int
    currency: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class UnitBook:
    """Unit prices by what they are of, each from its start until the next."""

    by_key: Mapping[Of, tuple[tuple[datetime, ...], tuple[UnitLine, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[Of, datetime, UnitLine]]) -> Self:
        """Rows in any order."""
        grouped: dict[Of, list[tuple[datetime, UnitLine]]] = {}
        for key, start, line in rows:
            grouped.setdefault(key, []).append((start, line))
        ordered = {key: sorted(found, key=lambda row: row[0]) for key, found in grouped.items()}
        return cls({key: (tuple(s for s, _ in each), tuple(n for _, n in each)) for key, each in ordered.items()})

    def has(self, unit: str) -> bool:
        """Whether a unit has any price at all."""
        return any(key.unit == unit for key in self.by_key)

    def price_at(self, wanted: Of, at: datetime) -> UnitLine | None:
        """The price that held; None is a gap."""
        choices = ((own, "") if own else ("",) for own in (wanted.pool, wanted.name, wanted.provider))
        for pool, name, provider in product(*choices):
            starts, lines = self.by_key.get(Of(wanted.unit, name, provider, pool), ((), ()))
            index = bisect_right(starts, at)
            if index:
                return lines[index - 1]
        return None


def book(session: Session) -> UnitBook:
    """Every unit price."""
    return UnitBook.of(
        (Of(row.unit, row.name, row.provider, row.pool), row.effective_from, UnitLine(row.id, row.currency, row.price))
        for row in session.scalars(select(UnitPrice))
    )


def add(
    session: Session,
    *,
    unit: str,
    name: str,
    provider: str,
    pool: str,
    effective_from: datetime,
    currency: str,
    price: Decimal,
    source: str,
    actor: str,
) -> UnitPrice:
    """A new price of a unit. Hours since then that were posted are due again."""
    check(unit)
    row = {
        "unit": unit,
        "name": name,
        "provider": provider,
        "pool": pool,
        "effective_from": effective_from,
        "currency": currency,
        "price": price,
        "source": source,
    }
    made = dated.add(session, UnitPrice, row, actor=actor)
    outbox.send(session, "ledger.units_changed", effective_from.isoformat())
    return made


def check(unit: str, field: str = "unit") -> None:
    """`Invalid` where there is no such unit."""
    if unit not in UNITS:
        raise Invalid(f"There is no unit {unit}: use {', '.join(UNITS)}.", field=field)
