"""From what was counted to what a window shows: in the budget's own measure and currency. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trivet.budget.book import Standing
from trivet.kit.money import EXACT
from trivet.pricing.exchange import Exchange, NoRate

ZERO = Decimal(0)
Foreign = dict[tuple[str, datetime], Decimal]  # by currency and UTC day


@dataclass(frozen=True, slots=True)
class Part:
    """Something spent in one currency on one UTC day; below zero where it is taken back."""

    currency: str
    day: datetime
    requests: int
    tokens: int
    unpriced: int
    cost: Decimal


@dataclass(slots=True)
class Figures:
    """Sums of parts, in a budget's measure: `own` as they are, `foreign` still in their own currencies."""

    own: Decimal = ZERO
    requests: int = 0
    unpriced: int = 0
    foreign: Foreign = field(default_factory=dict)

    def add(self, standing: Standing, part: Part) -> None:
        """Count one more part."""
        self.requests += part.requests
        self.unpriced += part.unpriced
        if standing.measure == "tokens":
            self.own += part.tokens
        elif standing.measure == "requests":
            self.own += part.requests
        elif part.currency == standing.currency:
            self.own = EXACT.add(self.own, part.cost)
        elif part.cost:
            key = (part.currency, part.day)
            self.foreign[key] = EXACT.add(self.foreign.get(key, ZERO), part.cost)


def figures(standing: Standing, parts: Iterable[Part]) -> Figures:
    """What some parts come to for a budget."""
    made = Figures()
    for part in parts:
        made.add(standing, part)
    return made


def converted(
    foreign: Mapping[tuple[str, datetime], Decimal], currency: str, exchange: Exchange
) -> tuple[Decimal, dict[str, Decimal]]:
    """Amounts by currency and day in another currency, each day by its rate; what no rate converts, by currency."""
    total = ZERO
    gaps: dict[str, Decimal] = {}
    for (source, day), amount in sorted(foreign.items()):
        try:
            total = EXACT.add(total, exchange.convert(amount, source, currency, day))
        except NoRate:
            gaps[source] = EXACT.add(gaps.get(source, ZERO), amount)
    return total, gaps


def roughly(standing: Standing, part: Part, exchange: Exchange) -> Decimal:
    """What one part adds, by its own rate: near enough to say when a line was reached."""
    sums = figures(standing, [part])
    return EXACT.add(sums.own, converted(sums.foreign, standing.currency, exchange)[0])
