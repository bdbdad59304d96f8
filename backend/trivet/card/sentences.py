"""A card in plain sentences: "When P95 stays above 1.5 s for 60 s, tools become local only." Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trivet.card.content import Card, Guard, Level
from trivet.card.diff import said
from trivet.card.steps import Audience
from trivet.card.watched import LOWER_IS_WORSE
from trivet_collectors.policy.evaluate import FlagValue


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A part of the card: its title and its sentences."""

    title: str
    sentences: tuple[str, ...]


def ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def seconds(value: float) -> str:
    if value >= 3600 and value % 3600 == 0:
        return f"{value / 3600:g} h"
    if value >= 120 and value % 60 == 0:
        return f"{value / 60:g} min"
    return f"{value:g} s"


def percent(value: float) -> str:
    return f"{100 * value:g} %"


def count(value: float) -> str:
    return f"{value:g}"


def _timed(what: str) -> dict[str, tuple[str, Callable[[float], str]]]:
    words = {"latency": "latency", "ttft": "time to the first token", "inter_token": "time between tokens"}[what]
    return {f"p{n}_{what}_ms": (f"P{n} {words}", ms) for n in (50, 95, 99)}


# How each metric is called, and how its values are written. Money lacks its currency here, which the card has.
METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    **_timed("latency"),
    **_timed("ttft"),
    **_timed("inter_token"),
    "error_rate": ("the error rate", percent),
    "timeout_rate": ("the timeout rate", percent),
    "refusal_rate": ("the refusal rate", percent),
    "rate_limit_rate": ("the share of calls that a provider's limit turned away", percent),
    "cold_start_rate": ("the share of calls that waited for a cold start", percent),
    "health_events": ("the number of health events", count),
    "out_of_memory_events": ("the number of out-of-memory events", count),
    "cost_per_request": ("the cost of a request", count),
    "cost_per_hour": ("the cost of an hour", count),
    "cost_per_day": ("the cost of the day", count),
    "cost_per_tenant_day": ("the cost of the day for one tenant", count),
    "quality": ("quality", count),
    "quality_drift": ("the drift of quality", count),
    "input_length_drift": ("the drift of input lengths", count),
    "queue_depth": ("the queue", lambda v: f"{v:g} calls"),
    "kv_cache_usage": ("KV-cache use", percent),
    "gpu_utilisation": ("GPU utilisation", percent),
    "cache_hit_rate": ("the cache hit rate", percent),
}
MONEY = ("cost_per_request", "cost_per_hour", "cost_per_day", "cost_per_tenant_day")


def _of(noun: str, verb: str = "") -> Callable[[FlagValue], str]:
    """Of 3: `3 passages are retrieved`; of 1: `1 passage is retrieved`."""

    def say(value: FlagValue) -> str:
        plural, is_ = ("", "is") if value == 1 else ("s", "are")
        return f"{value:g} {noun}{plural}" + (f" {is_} {verb}" if verb else "")

    return say


_TOOLS = {"all": "all tools are allowed", "local": "tools become local only", "off": "tools are off"}
# What each flag does, in words, in the order they are told.
ACTIONS: dict[str, Callable[[FlagValue], str]] = {
    "features.off": lambda v: f"{_and(str(v).split(','))} {'are' if ',' in str(v) or str(v).endswith('s') else 'is'} off",
    "tools.mode": lambda v: _TOOLS[str(v)],
    "context.max_turns": lambda v: f"context is cut to {_of('turn')(v)}",
    "context.max_tokens": lambda v: f"context is cut to {_of('token')(v)}",
    "output.max_tokens": lambda v: f"answers end at {_of('token')(v)}",
    "retrieval.depth": _of("passage", "retrieved"),
    "rerank.depth": _of("result", "reranked"),
    "cache.only": lambda v: "only the cache answers" if v else "the model answers too",
    "read_only": lambda v: "nothing is written" if v else "writing is allowed",
    "model.route": lambda v: f"the model is {v}",
    "pool.route": lambda v: f"calls go to the pool {v}",
    "request.priority": lambda v: f"priority is {v}",
    "admission": lambda v: {"admit": "all are let in", "limit": "only some are let in", "reject": "nobody is let in"}[str(v)],
    "admission.limit_rps": lambda v: f"{_of('request')(v)} a second {'is' if v == 1 else 'are'} let in",
    "admission.daily_requests": lambda v: f"each may ask {'once' if v == 1 else f'{v} times'} a day",
    "admission.retry_after_s": lambda v: f"the others may come back after {seconds(float(v))}",
    "admission.message": lambda v: f"they read “{v}”",
}  # fmt: skip
WAYS_BACK = {
    "recovered": "the metrics have recovered and stay so for {}",
    "next_budget_day": "the next budget day begins",
    "manual": "a person says so",
    "regression_passed": "the regression tests have passed",
}


def guard_sentence(card: Card, guard: Guard) -> str:
    """What the guard watches and what follows."""
    name, show = METRICS[guard.metric]
    show = (lambda v: f"{v:g} {card.cost.currency}") if guard.metric in MONEY else show
    side, back = ("below", "above") if guard.metric in LOWER_IS_WORSE else ("above", "below")
    lasting = f" for {seconds(guard.for_s)}" if guard.for_s else ""
    verb = "stays" if guard.for_s else "is"
    if guard.burn:
        when = f"When {name} burns the error budget of {percent(1 - guard.burn.objective)} too fast"
    else:
        when = f"When {name} over {seconds(guard.window_s)} {verb} {side} {show(guard.enter)}{lasting}"
    over = "" if guard.burn else f" It is over {f'{back} {show(guard.leave)}' if guard.leave else f'at {show(0)}'}."
    return f"{when}, {_follows(card, guard)}.{over}"


def _follows(card: Card, guard: Guard) -> str:
    step = card.level(guard.raises_to)
    if step is None:
        act = "it is told and nothing else changes"
    else:
        act = f"{'at once ' if guard.at_once else ''}the ladder climbs {'' if guard.at_once else 'towards '}level {step.level}: {actions(step.flags)}"
    return f"it would be (in shadow, nothing is done): {act}" if guard.shadow else act


def actions(flags: Mapping[str, FlagValue]) -> str:
    """What some flags do, in one clause."""
    limited = flags.get("admission") == "limit"  # how many are let in says it
    told = [flag for flag in ACTIONS if flag in flags and not (flag == "admission" and limited)]
    return _and([ACTIONS[flag](flags[flag]) for flag in told]) or "nothing changes"


def level_sentence(step: Level) -> str:
    """What a level does, for how many, and how it ends."""
    for_all = {flag: value for flag, value in step.flags.items() if flag not in step.shares}
    parts = [f"Level {step.level}: {actions(for_all)}." if for_all else f"Level {step.level}."]
    for flag, share in step.shares.items():
        parts.append(f"In {percent(share)} of conversations only: {actions({flag: step.flags[flag]})}.")
    parts += [f"For {_whom(audience)} {actions(audience.flags)} instead." for audience in step.audiences]
    back = WAYS_BACK[step.way_back].format(seconds(step.recover_after_s))
    probe = _and([percent(share) for share in (*step.probe.shares, 1.0)])
    parts.append(
        f"It lasts {seconds(step.min_stay_s)} at least and ends when {back}; {probe} of conversations go back, one after the other."
    )
    return " ".join(parts)


def _whom(audience: Audience) -> str:
    tiers = [f"tier {name}" for name in audience.tiers]
    return _and([*tiers, *audience.tenants])


def paragraphs(card: Card) -> list[Paragraph]:
    """The whole card, in the order it is read."""
    return [
        Paragraph("Promise", tuple(_promise(card))),
        Paragraph("Guards", tuple(guard_sentence(card, guard) for guard in card.guards)),
        Paragraph("Ladder", tuple(level_sentence(step) for step in card.ladder)),
        Paragraph("Way back", tuple(_rollback(card))),
    ]


def _promise(card: Card) -> Iterator[str]:
    first, *rest = card.gives_way or ("nothing",)
    yield f"{first.capitalize()} gives way first{', then ' + _and(rest) if rest else ''}; the scenario is {card.criticality}."
    yield f"Quality ({card.quality.metric}) may not fall below {card.quality.floor:g}."
    if card.quality.must_be_right:
        yield f"It must be right: {said(card.quality.must_be_right)}."
    if card.quality.may_be_degraded:
        yield f"It may be degraded: {said(card.quality.may_be_degraded)}."
    named = (("p50_ms", "P50"), ("p95_ms", "P95"), ("p99_ms", "P99"), ("ttft_p95_ms", "P95 of the first token"), ("inter_token_p95_ms", "P95 between tokens"))  # fmt: skip
    targets = [f"{words} {ms(v)}" for part, words in named if (v := getattr(card.latency, part)) is not None]
    yield f"Latency targets: {_and(targets)}. After {ms(card.latency.timeout_ms)} a call has timed out: {card.latency.on_timeout}."
    costs = (("per_request", "a request"), ("per_hour", "an hour"), ("per_day", "a day"), ("per_tenant_day", "a tenant's day"))  # fmt: skip
    spent = [
        f"{v} {card.cost.currency} {words}" for part, words in costs if (v := getattr(card.cost, part)) is not None
    ]
    yield f"It may cost {_and(spent)}."
    for line in card.cost.stop_loss:
        yield f"Stop-loss: {line.amount} {card.cost.currency} per {line.per.replace('_', ' ')}, held by {line.guard}."


def _rollback(card: Card) -> Iterator[str]:
    if card.rollback.automatic:
        within = f" within {seconds(card.rollback.within_s)} of an activation" if card.rollback.within_s else ""
        yield f"When quality breaks its floor{within}, the previous revision comes back by itself."
    else:
        yield "A revision is rolled back by people only."
    limit = card.steadiness
    yield f"A ladder that turns more than {limit.turns_max} times in {seconds(limit.within_s)} freezes and calls a person."
    yield f"A backend that has not reached Trivet for {seconds(card.fallback.valid_s)} takes level {card.fallback.level} by itself."


def _and(parts: Sequence[str]) -> str:
    said = [part.strip() for part in parts]
    return f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else "".join(said)
