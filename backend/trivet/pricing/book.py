"""The price book: which price held at an instant. Pure; made from rows that are never edited."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from trivet.pricing.rate import Rates

Key = tuple[str, str, str]  # (provider, model, pool); pool '' holds anywhere


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One price: what a request stores as `price_id`, and the rates it was computed with."""

    id: int
    currency: str
    rates: Rates


@dataclass(frozen=True, slots=True)
class _Dated:
    starts: tuple[datetime, ...]
    lines: tuple[PriceLine, ...]

    def at(self, at: datetime) -> PriceLine | None:
        index = bisect_right(self.starts, at)
        return self.lines[index - 1] if index else None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices by (provider, model, pool), each from its start until the next."""

    by_key: Mapping[Key, _Dated] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[Key, datetime, PriceLine]]) -> Self:
        """Rows of (key, effective_from, line) in any order."""
        grouped: dict[Key, list[tuple[datetime, PriceLine]]] = {}
        for key, start, line in rows:
            grouped.setdefault(key, []).append((start, line))
        return cls({key: _dated(found) for key, found in grouped.items()})

    def price_at(self, provider: str, model: str, pool: str, at: datetime) -> PriceLine | None:
        """The price that held at `at`: the pool's own first, then the one that holds anywhere; None is a gap."""
        own = self.by_key.get((provider, model, pool)) if pool else None
        found = own.at(at) if own else None
        if found is not None:
            return found
        anywhere = self.by_key.get((provider, model, ""))
        return anywhere.at(at) if anywhere else None


def _dated(rows: list[tuple[datetime, PriceLine]]) -> _Dated:
    rows.sort(key=lambda row: row[0])
    return _Dated(tuple(start for start, _ in rows), tuple(line for _, line in rows))
