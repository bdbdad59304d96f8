"""A scenario's numbers against its card, line by line and as the triangle's shares. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.card.content import LOWER_IS_WORSE, Card, Guard
from trivet.console import format as say
from trivet.console.tongue import N_, _
from trivet.console.triangle import used_share
from trivet.console.views import Measure, Verdict
from trivet.guard.models import GuardState
from trivet.guard.telling import again
from trivet.kit.histogram import total
from trivet.rollup.read import Usage

SAMPLE_MIN = 20  # requests, or scores, before a number that no guard watches stands as a fact
COUNTS = frozenset({"health_events"})
_WEIGHT = {"breach": 3, "stall": 3, "no_data": 1, "ok": 0}


@dataclass(frozen=True, slots=True)
class Now:
    """What was measured lately: `usage` of all requests, `priced` of those in the card's currency, `scored` of scores,
    all since the last change; `requests_per_s` and `priced_per_s` whatever they ran under. `from_before`: nothing was
    measured since, so these are of what governed before. `since`: the last change, None where there was none.
    """

    usage: Usage
    priced: Usage
    scored: Usage
    requests_per_s: float
    priced_per_s: float
    from_before: bool = False
    since: datetime | None = None

    @property
    def cost_per_request(self) -> Decimal | None:
        """Of requests that were served and have a price."""
        requests = self.priced.priced
        return self.priced.cost / requests if requests > 0 else None

    @property
    def cost_per_hour(self) -> Decimal | None:
        """What a request costs under what governs, as often as they come whatever they ran under.

        What has finished since a change says how dear they are and not how many they are: most are still on their way.
        """
        each = self.cost_per_request
        return None if each is None else each * Decimal(repr(self.priced_per_s)) * 3600

    def value(self, metric: str) -> float | Decimal | None:
        """The number of a metric, in the metric's unit."""
        return _VALUES[metric](self)

    def sample(self, metric: str) -> int:
        """How many requests, or scores, the number of a metric rests on."""
        count = _SAMPLES.get(metric)
        return count(self) if count else self.usage.served


_SAMPLES: dict[str, Callable[[Now], int]] = {
    "quality": lambda n: n.scored.scores,
    "p95_latency_ms": lambda n: total(n.usage.latency),
    "p95_ttft_ms": lambda n: total(n.usage.ttft),
    "cost_per_request": lambda n: n.priced.priced,
    "cost_per_hour": lambda n: n.priced.priced,
}

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
    "quality": _Line(N_("Quality"), "quality", lambda c: c.quality.floor),
    "p95_latency_ms": _Line(N_("P95 latency"), "latency", lambda c: c.latency.p95_ms),
    "p95_ttft_ms": _Line(N_("P95 to first token"), "latency", lambda c: c.latency.ttft_p95_ms),
    "cost_per_request": _Line(N_("Cost a request"), "cost", lambda c: Decimal(c.cost.per_request)),
    "cost_per_hour": _Line(
        N_("Cost an hour"), "cost", lambda c: Decimal(c.cost.per_hour) if c.cost.per_hour else None, False
    ),
    "error_rate": _Line(N_("Errors and timeouts"), "", lambda _card: None),
    "timeout_rate": _Line(N_("Timeouts"), "", lambda _card: None, always=False),
    "refusal_rate": _Line(N_("Refusals"), "", lambda _card: None, always=False),
    "rate_limit_rate": _Line(N_("Rate limited"), "", lambda _card: None, always=False),
    "cold_start_rate": _Line(N_("Cold starts"), "", lambda _card: None, always=False),
    "health_events": _Line(N_("Health events"), "", lambda _card: None, always=False),
}


def lines(card: Card | None, now: Now, states: Mapping[str, GuardState]) -> tuple[Measure, ...]:
    """The scenario's table, all of one window. Without a card: what was measured, and no targets."""
    return tuple(
        _measure(metric, card, now, states)
        for metric, line in _LINES.items()
        if line.always or _guards(card, metric) or _target(metric, card) is not None
    )


def _measure(metric: str, card: Card | None, now: Now, states: Mapping[str, GuardState]) -> Measure:
    line, value = _LINES[metric], _value(metric, card, now, states)
    return Measure(
        key=metric,
        label=line.label,
        leg=line.leg,
        value="" if value is None else str(value),
        now=shown(metric, value, _currency(card)),
        target=target_words(metric, card),
        verdict=worst(guards_on(card, metric, states)) if card else None,
        proven=not now.from_before and now.sample(metric) >= _needed(card, metric),
        over=is_past(metric, card, value),
    )


def _value(metric: str, card: Card | None, now: Now, states: Mapping[str, GuardState]) -> float | Decimal | None:
    """What was measured lately; of what signals say beside the requests, what the metric's guard saw."""
    if metric in _VALUES:
        return now.value(metric)
    seen = [state.value for state in guards_on(card, metric, states)] if card else []
    return next((value for value in seen if value is not None), None)


def _guards(card: Card | None, metric: str) -> list[Guard]:
    return [g for g in card.guards if g.metric == metric] if card else []


def _needed(card: Card | None, metric: str) -> int:
    """The sample from which a number stands as a fact: that of the metric's guards, where it has some."""
    if metric == "quality" and card:
        return card.quality.min_sample
    return min((g.minimum_sample for g in _guards(card, metric)), default=SAMPLE_MIN)


def _currency(card: Card | None) -> str:
    return card.cost.currency if card else "USD"


def is_past(metric: str, card: Card | None, value: float | Decimal | None) -> bool:
    """Whether a value lies past the card's target, whatever guards say."""
    target = _target(metric, card)
    if value is None or target is None:
        return False
    return float(value) < float(target) if metric in LOWER_IS_WORSE else float(value) > float(target)


def target_words(metric: str, card: Card | None) -> str:
    """`≤ 1.5 s`; where the guard's line is another one, both: `≤ $40, stop-loss $60`."""
    target = _target(metric, card)
    if card is None or target is None:
        return ""
    sign = "≥" if metric in LOWER_IS_WORSE else "≤"
    said = f"{sign} {written(metric, target, card.cost.currency)}"
    strictest = max if metric in LOWER_IS_WORSE else min
    first = strictest(_guards(card, metric), key=lambda g: g.enter, default=None)
    if first is None or float(first.enter) == float(target):
        return said
    line = written(metric, first.enter, card.cost.currency)
    if first.name in {each.guard for each in card.cost.stop_loss}:
        return _("{target}, stop-loss {line}", target=said, line=line)
    return _("{target}, guard {line}", target=said, line=line)


def _target(metric: str, card: Card | None) -> float | Decimal | None:
    if card is None:
        return None
    own = _LINES[metric].target(card)
    return own if own is not None else next((g.enter for g in _guards(card, metric)), None)


def guards_on(card: Card, metric: str, states: Mapping[str, GuardState]) -> list[GuardState]:
    """The newest verdicts of the card's guards on one metric."""
    return [states[g.name] for g in card.guards if g.metric == metric and g.name in states]


def worst(states: Iterable[GuardState]) -> Verdict | None:
    """Of several guards on one metric, the verdict that matters: broken before undecided before well."""
    state = max(states, key=lambda s: _WEIGHT[s.verdict], default=None)
    return None if state is None else Verdict(state.guard, state.verdict, again(state.reason, _), state.since)


def shown(metric: str, value: float | Decimal | None, currency: str) -> str:
    """A measured value in its unit."""
    if value is None:
        return say.DASH
    if metric.endswith("_ms"):
        return say.duration(float(value))
    if metric.startswith("cost_"):
        return say.watched(Decimal(value), currency)
    if metric in COUNTS:
        return say.count(round(value))
    return say.score(float(value)) if metric == "quality" else say.share(float(value))


def written(metric: str, value: float | Decimal, currency: str) -> str:
    """A target as somebody wrote it, without digits that were not written."""
    if metric.endswith("_ms"):
        return say.limit(float(value))
    if metric.startswith("cost_"):
        return say.with_currency(f"{Decimal(str(value)).normalize():,f}", currency)
    if metric in COUNTS:
        return f"{float(value):g}"
    return say.floor(float(value)) if metric == "quality" else f"{float(value) * 100:g} %"


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
