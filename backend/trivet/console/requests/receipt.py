"""A conversation, or a trace, as a receipt: each call with its tokens, its cost and what it ran under; totals exact. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from trivet.console.requests.rows import TOKENS, url
from trivet.kit.money import from_picos

WIDTH, HEIGHT = 960, 72
GAP: Final = 0.25
WIDEST: Final = 32.0


@dataclass(frozen=True, slots=True)
class Line:
    """One call. `cost` None: no price, or billed on another span (`repeats`). `tokens` in the order of `rows.TOKENS`."""

    url: str
    at: datetime
    model: str
    outcome: str
    tokens: tuple[int, ...]
    latency_ms: float
    level: int
    revision: int
    generation: int | None
    cost: Decimal | None
    currency: str
    repeats: bool


@dataclass(slots=True)
class Under:
    """What ran under one level of one revision: calls, tokens, cost by currency."""

    level: int
    revision: int
    calls: int = 0
    tokens: int = 0
    picos: dict[str, int] = field(default_factory=dict)

    @property
    def costs(self) -> tuple[tuple[str, Decimal], ...]:
        """By currency."""
        return tuple((currency, from_picos(picos)) for currency, picos in sorted(self.picos.items()))


@dataclass(frozen=True, slots=True)
class Bar:
    """One call's share of the picture; `words` are its exact cost."""

    x: float
    width: float
    y: float
    height: float
    level: int
    url: str
    words: str


Pair = tuple[Mapping[str, Any], Mapping[str, Any]]  # the row as it is kept, the item as it is said


def lines(pairs: Iterable[Pair]) -> tuple[Line, ...]:
    """Oldest first, as a receipt is read."""
    return tuple(sorted((_line(kept, item) for kept, item in pairs), key=lambda line: (line.at, line.url)))


def _line(kept: Mapping[str, Any], item: Mapping[str, Any]) -> Line:
    cost, repeats = item["cost"], item["repeats"] is not None
    priced = cost is not None and not repeats
    return Line(
        url=url(item),
        at=kept["started_at"],
        model=item["model"],
        outcome=item["outcome"],
        tokens=tuple(item["tokens"][kind] for kind in TOKENS),
        latency_ms=item["duration_ms"],
        level=item["level"],
        revision=item["revision"],
        generation=item["generation"],
        cost=Decimal(cost["amount"]) if priced else None,
        currency=cost["currency"] if priced and kept["price_id"] is not None else "",
        repeats=repeats,
    )


def under(pairs: Iterable[Pair]) -> tuple[Under, ...]:
    """Sums by what the calls ran under; a call told twice counts once."""
    found: dict[tuple[int, int], Under] = {}
    for kept, item in pairs:
        if item["repeats"] is not None:
            continue
        each = found.setdefault((item["level"], item["revision"]), Under(item["level"], item["revision"]))
        each.calls += 1
        each.tokens += sum(item["tokens"].values())
        if kept["price_id"] is not None and kept["cost_picos"] is not None:
            each.picos[kept["currency"]] = each.picos.get(kept["currency"], 0) + kept["cost_picos"]
    return tuple(found[key] for key in sorted(found))


def bars(every: Sequence[Line]) -> tuple[Bar, ...]:
    """What each call cost, side by side from zero. None where there is nothing to compare."""
    told = [line for line in every if not line.repeats]
    highest = max((line.cost for line in told if line.cost is not None), default=Decimal(0))
    if len(told) < 2 or not highest or len({line.currency for line in told if line.currency}) > 1:
        return ()
    width = min(WIDTH / len(told), WIDEST)
    return tuple(
        Bar(
            round(n * width, 2), round(width * (1 - GAP), 2), round(HEIGHT - float(line.cost / highest) * HEIGHT, 2),
            round(float(line.cost / highest) * HEIGHT, 2), line.level, line.url, f"{line.cost:f} {line.currency}",
        )
        for n, line in enumerate(told)
        if line.cost is not None
    )  # fmt: skip
