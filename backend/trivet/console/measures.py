"""A scenario's numbers against its card, line by line and as the triangle's shares. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trivet.card.content import LOWER_IS_WORSE, Card
from trivet.card.service import ActiveCard
from trivet.console import format as say
from trivet.console.triangle import used_share
from trivet.console.views import Measure, Verdict
from trivet.guard.models import GuardState
from trivet.rollup.read import Usage

_WEIGHT = {"breach": 3, "stall": 3, "no_data": 1, "ok": 0}


@dataclass(frozen=True, slots=True)
class Now:
    """What was measured lately: `usage` of all requests, `priced` of those in the card's currency, `scored` of scores,
    all since the last change; `requests_per_s` whatever they ran under. `from_before`: nothing was measured since, so these
    are of what governed before.

    `guarded` has what guards saw, by metric: it goes before the rest, so that a verdict stands beside its own number.
    """

    usage: Usage
    priced: Usage
    scored: Usage
    seconds: float
    requests_per_s: float
    from_before: bool = False
    guarded: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost_per_request(self) -> Decimal | None:
        """Of requests that were served and have a price."""
        requests = self.priced.requests - self.priced.rejections - self.priced.unpriced_requests
        return self.priced.cost / requests if requests > 0 else None

    @property
    def cost_per_hour(self) -> Decimal | None:
        """At the present rate."""
        return self.priced.cost * 3600 / Decimal(self.seconds) if self.priced.requests else None

    def value(self, metric: str) -> float | Decimal | None:
        """The number of a metric, in the metric's unit."""
        seen = self.guarded.get(metric)
        if seen is None:
            return _VALUES[metric](self)
        return Decimal(repr(seen)) if metric.startswith("cost_") else seen

    def beside(self, active: ActiveCard | None, states: Mapping[str, GuardState]) -> "Now":
        """The same with what the card's guards saw."""
        values: dict[str, float] = {}
        for metric in {g.metric for g in active.card.guards} if active else ():
            verdict = worst(guards_on(active.card, metric, states))  # type: ignore[union-attr]  # no metric without a card
            value = states[verdict.guard].value if verdict else None
            if value is not None:
                values[metric] = value
        return replace(self, guarded=values)


_VALUES: dict[str, Callable[[Now], float | Decimal | None]] = {
    "quality": lambda n: n.scored.score,
    "p95_latency_ms": lambda n: n.usage.quantile_ms("latency", 0.95),
    "p95_ttft_ms": lambda n: n.usage.quantile_ms("ttft", 0.95),
    "cost_per_request": lambda n: n.cost_per_request,
    "cost_per_hour": lambda n: n.cost_per_hour,
    "error_rate": lambda n: _share(n.usage, n.usage.errors + n.usage.timeouts),
    "timeout_rate": lambda n: _share(n.usage, n.usage.timeouts),
    "refusal_rate": lambda n: _share(n.usage, n.usage.refusals),
}


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    leg: str
    target: Callable[[Card], float | Decimal | None]
    always: bool = True


# In the order of the table. The card's own target where it writes one, else the first guard's threshold.
_LINES: dict[str, _Line] = {
    "quality": _Line("Quality", "quality", lambda c: c.quality.floor),
    "p95_latency_ms": _Line("P95 latency", "latency", lambda c: c.latency.p95_ms),
    "p95_ttft_ms": _Line("P95 to first token", "latency", lambda c: c.latency.ttft_p95_ms),
    "cost_per_request": _Line("Cost a request", "cost", lambda c: Decimal(c.cost.per_request)),
    "cost_per_hour": _Line(
        "Cost an hour", "cost", lambda c: Decimal(c.cost.per_hour) if c.cost.per_hour else None, False
    ),
    "error_rate": _Line("Errors and timeouts", "", lambda _: None),
    "timeout_rate": _Line("Timeouts", "", lambda _: None, always=False),
    "refusal_rate": _Line("Refusals", "", lambda _: None, always=False),
}


def lines(card: Card | None, now: Now, states: Mapping[str, GuardState]) -> tuple[Measure, ...]:
    """The scenario's table. Without a card: what was measured, and no targets."""
    found = []
    for metric, line in _LINES.items():
        guards = [g for g in card.guards if g.metric == metric] if card else []
        if line.always or guards:
            verdict = worst(guards_on(card, metric, states)) if card else None
            found.append(_measure(metric, card, now.value(metric), verdict))
    return tuple(found)


def _measure(metric: str, card: Card | None, value: float | Decimal | None, verdict: Verdict | None) -> Measure:
    line, currency = _LINES[metric], card.cost.currency if card else "USD"
    target = _target(metric, card)
    sign = "≥" if metric in LOWER_IS_WORSE else "≤"
    return Measure(
        key=metric,
        label=line.label,
        leg=line.leg,
        value="" if value is None else str(value),
        now=shown(metric, value, currency),
        target="" if target is None else f"{sign} {written(metric, target, currency)}",
        verdict=verdict,
    )


def _target(metric: str, card: Card | None) -> float | Decimal | None:
    if card is None:
        return None
    guards = [g.enter for g in card.guards if g.metric == metric]
    return _LINES[metric].target(card) or (guards[0] if guards else None)


def guards_on(card: Card, metric: str, states: Mapping[str, GuardState]) -> list[GuardState]:
    """The newest verdicts of the card's guards on one metric."""
    return [states[g.name] for g in card.guards if g.metric == metric and g.name in states]


def worst(states: Iterable[GuardState]) -> Verdict | None:
    """Of several guards on one metric, the verdict that matters: broken before undecided before well."""
    state = max(states, key=lambda s: _WEIGHT[s.verdict], default=None)
    return None if state is None else Verdict(state.guard, state.verdict, state.reason, state.since)


def shown(metric: str, value: float | Decimal | None, currency: str) -> str:
    """A measured value in its unit."""
    if value is None:
        return say.DASH
    if metric.endswith("_ms"):
        return say.duration(float(value))
    if metric.startswith("cost_"):
        return say.watched(Decimal(value), currency)
    return say.score(float(value)) if metric == "quality" else say.share(float(value))


def written(metric: str, value: float | Decimal, currency: str) -> str:
    """A target as somebody wrote it, without digits that were not written."""
    if metric.endswith("_ms"):
        return say.limit(float(value))
    if metric.startswith("cost_"):
        return say.with_currency(f"{Decimal(str(value)).normalize():,f}", currency)
    return f"{value:g}" if metric == "quality" else f"{float(value) * 100:g} %"


def shares(card: Card | None, now: Now) -> tuple[float | None, float | None, float | None]:
    """Quality, latency and cost: how much of the card's allowance is used."""
    if card is None:
        return None, None, None
    quality, latency, cost = (now.value(m) for m in ("quality", "p95_latency_ms", "cost_per_request"))
    return (
        used_share(_number(quality), card.quality.floor, floor=True),
        used_share(_number(latency), card.latency.p95_ms),
        used_share(_number(cost), float(card.cost.per_request)),
    )


def _number(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)


def _share(usage: Usage, count: int) -> float | None:
    return count / usage.served if usage.served > 0 else None
