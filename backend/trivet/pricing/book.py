"""The price book: which price held at an instant. Pure; made from rows that are never edited.

Of the prices that hold for a call the first of these is taken: the pool's own before the one that holds anywhere, the
tier's own before the standard one where its provider falls back (`tier`), what a person entered before what was
imported. A contract's discount then comes off, the most particular one alone.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Self, TypeVar

from trivet.pricing.rate import Rates, discounted
from trivet.pricing.tier import STANDARD, tiers_for

LAYERS = ("imported", "entered")  # a later one lies on top; stored as its index
IMPORTED, ENTERED = range(len(LAYERS))
ANY = ""
T = TypeVar("T")
SERIES_KEPT = 20_000  # of what was asked for; more, and it starts again


class Key(NamedTuple):
    """What a price is of. Pool '' holds anywhere, tier '' is the standard one."""

    provider: str
    model: str
    pool: str = ANY
    tier: str = STANDARD
    layer: int = IMPORTED


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One price: what a request stores as `price_id`, and the rates it is computed with.

    `list_rates` are those of the row itself, `rates` what the contract leaves of them: less by `percent`.
    """

    id: int
    currency: str
    rates: Rates
    list_rates: Rates
    percent: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Off:
    """A contract's percent off, from an instant until `ends`, if ever."""

    percent: Decimal
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What held over time: from each start until the next, None where nothing did."""

    starts: tuple[datetime, ...] = ()
    lines: tuple[PriceLine | None, ...] = ()

    def at(self, at: datetime) -> PriceLine | None:
        index = bisect_right(self.starts, at)
        return self.lines[index - 1] if index else None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices by key and discounts by (provider, model, pool), each from its start until the next."""

    by_key: Mapping[Key, Series] = field(default_factory=dict)
    discounts: Mapping[tuple[str, str, str], tuple[tuple[datetime, ...], tuple[Off, ...]]] = field(default_factory=dict)
    _series: dict[tuple[str, str, str, str], Series] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        rows: Iterable[tuple[Key, datetime, PriceLine | None]],
        discounts: Iterable[tuple[tuple[str, str, str], datetime, Off]] = (),
    ) -> Self:
        """Rows of (key, effective_from, line) in any order; no line: what the key had ends there."""
        grouped: dict[Key, list[tuple[datetime, PriceLine | None]]] = {}
        for key, start, line in rows:
            grouped.setdefault(key, []).append((start, line))
        cut: dict[tuple[str, str, str], list[tuple[datetime, Off]]] = {}
        for own, start, off in discounts:
            cut.setdefault(own, []).append((start, off))
        by_key = {key: _series(found) for key, found in grouped.items()}
        return cls(by_key, {own: _ordered(found) for own, found in cut.items()})

    def price_at(self, provider: str, model: str, pool: str, at: datetime, tier: str = STANDARD) -> PriceLine | None:
        """The price that held at `at`; None is a gap."""
        return self.series(provider, model, pool, tier).at(at)

    def held(self, at: datetime) -> list[tuple[Key, PriceLine]]:
        """Every price that holds at an instant, by what it is of; where a person's lies above an import, that one."""
        found: dict[tuple[str, str, str, str], tuple[Key, PriceLine]] = {}
        for key, series in self.by_key.items():
            own, line = key[:-1], series.at(at)
            if line is not None and (own not in found or found[own][0].layer < key.layer):
                found[own] = key, line
        return [found[own] for own in sorted(found)]

    def series(self, provider: str, model: str, pool: str = ANY, tier: str = STANDARD) -> Series:
        """What held over time for calls to a model, on a pool ('' none), in a tier. Remembered."""
        asked = (provider, model, pool, tier)
        found = self._series.get(asked)
        if found is None:
            if len(self._series) >= SERIES_KEPT:
                self._series.clear()
            found = self._series[asked] = self._resolved(*asked)
        return found

    def _resolved(self, provider: str, model: str, pool: str, tier: str) -> Series:
        pools = dict.fromkeys((pool, ANY))
        keys = [
            Key(provider, model, p, t, layer) for p in pools for t in tiers_for(tier) for layer in (ENTERED, IMPORTED)
        ]
        held = [self.by_key[key] for key in keys if key in self.by_key]
        if not held:
            return Series()
        offs = [self.discounts[own] for own in _particular_first(provider, model, pool) if own in self.discounts]
        starts = {start for series in held for start in series.starts}
        starts |= {start for days, _ in offs for start in days}
        starts |= {off.ends for _, found in offs for off in found if off.ends}
        lines: list[tuple[datetime, PriceLine | None]] = []
        for start in sorted(starts):
            line = next((found for series in held if (found := series.at(start))), None)
            line = _contracted(line, offs, start)
            if not lines or lines[-1][1] != line:
                lines.append((start, line))
        return _series(lines)


def _particular_first(provider: str, model: str, pool: str) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((provider, m, p) for m, p in ((model, pool), (model, ANY), (ANY, pool), (ANY, ANY))))


def _contracted(
    line: PriceLine | None, offs: Iterable[tuple[tuple[datetime, ...], tuple[Off, ...]]], at: datetime
) -> PriceLine | None:
    if line is None:
        return None
    for starts, found in offs:
        index = bisect_right(starts, at)
        if index and ((off := found[index - 1]).ends is None or at < off.ends):
            return PriceLine(
                line.id, line.currency, discounted(line.list_rates, off.percent), line.list_rates, off.percent
            )
    return line


def _series(rows: list[tuple[datetime, PriceLine | None]]) -> Series:
    return Series(*_ordered(rows))


def _ordered(rows: list[tuple[datetime, T]]) -> tuple[tuple[datetime, ...], tuple[T, ...]]:
    rows.sort(key=lambda row: row[0])
    return tuple(start for start, _ in rows), tuple(found for _, found in rows)
