"""A card in plain sentences: "When P95 stays above 1.5 s for 60 s, tools become local only." Pure.

Whoever says them in another language hands in what translates: each text is whole, with named holes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trivet.card.content import Card, Guard, Level
from trivet.card.diff import said
from trivet.card.steps import Audience
from trivet.card.watched import LOWER_IS_WORSE
from trivet.kit.marked import N_, Say, english
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


# How each metric is called, and how its values are written. Money lacks its currency here, which the card has.
METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "p50_latency_ms": (N_("P50 latency"), ms),
    "p95_latency_ms": (N_("P95 latency"), ms),
    "p99_latency_ms": (N_("P99 latency"), ms),
    "p50_ttft_ms": (N_("P50 time to the first token"), ms),
    "p95_ttft_ms": (N_("P95 time to the first token"), ms),
    "p99_ttft_ms": (N_("P99 time to the first token"), ms),
    "p50_inter_token_ms": (N_("P50 time between tokens"), ms),
    "p95_inter_token_ms": (N_("P95 time between tokens"), ms),
    "p99_inter_token_ms": (N_("P99 time between tokens"), ms),
    "error_rate": (N_("the error rate"), percent),
    "timeout_rate": (N_("the timeout rate"), percent),
    "refusal_rate": (N_("the refusal rate"), percent),
    "rate_limit_rate": (N_("the share of calls that a provider's limit turned away"), percent),
    "cold_start_rate": (N_("the share of calls that waited for a cold start"), percent),
    "health_events": (N_("the number of health events"), count),
    "out_of_memory_events": (N_("the number of out-of-memory events"), count),
    "cost_per_request": (N_("the cost of a request"), count),
    "cost_per_hour": (N_("the cost of an hour"), count),
    "cost_per_day": (N_("the cost of the day"), count),
    "cost_per_tenant_day": (N_("the cost of the day for one tenant"), count),
    "quality": (N_("quality"), count),
    "quality_drift": (N_("the drift of quality"), count),
    "input_length_drift": (N_("the drift of input lengths"), count),
    "queue_depth": (N_("the queue"), count),
    "kv_cache_usage": (N_("KV-cache use"), percent),
    "gpu_utilisation": (N_("GPU utilisation"), percent),
    "cache_hit_rate": (N_("the cache hit rate"), percent),
}
MONEY = ("cost_per_request", "cost_per_hour", "cost_per_day", "cost_per_tenant_day")


def _of(one: str, many: str) -> Callable[[FlagValue, Say], str]:
    """Of 3: `3 passages are retrieved`; of 1: `1 passage is retrieved`."""
    return lambda v, _: _(one if v == 1 else many, n=f"{v:g}")


def _chosen(words: Mapping[FlagValue, str]) -> Callable[[FlagValue, Say], str]:
    return lambda v, _: _(words[v])


def _put(text: str) -> Callable[[FlagValue, Say], str]:
    return lambda v, _: _(text, value=v)


def _off(v: FlagValue, _: Say) -> str:
    text = str(v)
    many = "," in text or text.endswith("s")
    return _(N_("{what} are off") if many else N_("{what} is off"), what=_and(text.split(","), _))


def _again(v: FlagValue, _: Say) -> str:
    return _("the others may come back after {time}", time=seconds(float(v)))


# What each flag does, in words, in the order they are told.
_ACTIONS: dict[str, Callable[[FlagValue, Say], str]] = {
    "features.off": _off,
    "tools.mode": _chosen({"all": N_("all tools are allowed"), "local": N_("tools become local only"), "off": N_("tools are off")}),
    "context.max_turns": _of(N_("context is cut to {n} turn"), N_("context is cut to {n} turns")),
    "context.max_tokens": _of(N_("context is cut to {n} token"), N_("context is cut to {n} tokens")),
    "output.max_tokens": _of(N_("answers end at {n} token"), N_("answers end at {n} tokens")),
    "retrieval.depth": _of(N_("{n} passage is retrieved"), N_("{n} passages are retrieved")),
    "rerank.depth": _of(N_("{n} result is reranked"), N_("{n} results are reranked")),
    "cache.only": _chosen({True: N_("only the cache answers"), False: N_("the model answers too")}),
    "read_only": _chosen({True: N_("nothing is written"), False: N_("writing is allowed")}),
    "model.route": _put(N_("the model is {value}")),
    "pool.route": _put(N_("calls go to the pool {value}")),
    "request.priority": _put(N_("priority is {value}")),
    "admission": _chosen({"admit": N_("all are let in"), "limit": N_("only some are let in"), "reject": N_("nobody is let in")}),
    "admission.limit_rps": _of(N_("{n} request a second is let in"), N_("{n} requests a second are let in")),
    "admission.daily_requests": _of(N_("each may ask once a day"), N_("each may ask {n} times a day")),
    "admission.retry_after_s": _again,
    "admission.message": _put(N_("they read “{value}”")),
}  # fmt: skip
ACTIONS: dict[str, Callable[..., str]] = {
    flag: lambda value, _=english, *, act=act: act(value, _) for flag, act in _ACTIONS.items()
}
WAYS_BACK = {
    "recovered": N_("the metrics have recovered and stay so for {time}"),
    "next_budget_day": N_("the next budget day begins"),
    "manual": N_("a person says so"),
    "regression_passed": N_("the regression tests have passed"),
}
LASTING = {
    (True, True): N_("When {metric} over {window} stays below {limit} for {time}, {follows}."),
    (True, False): N_("When {metric} over {window} stays above {limit} for {time}, {follows}."),
    (False, True): N_("When {metric} over {window} is below {limit}, {follows}."),
    (False, False): N_("When {metric} over {window} is above {limit}, {follows}."),
}  # by whether it has to last, and whether less is worse


def guard_sentence(card: Card, guard: Guard, _: Say = english) -> str:
    """What the guard watches and what follows."""
    return rule(guard, card.cost.currency, card.level(guard.raises_to), _)


def rule(guard: Guard, currency: str, step: Level | None, _: Say = english) -> str:
    """The same of a guard whose card is not whole yet; `step` is the level that it raises to."""
    name, follows = _(METRICS[guard.metric][0]), _follows(guard, step, _)
    if guard.burn:
        budget = percent(1 - guard.burn.objective)
        text = N_("When {metric} burns the error budget of {budget} too fast, {follows}.")
        return _(text, metric=name, budget=budget, follows=follows)
    low = guard.metric in LOWER_IS_WORSE
    when = _(
        LASTING[guard.for_s > 0, low], metric=name, window=seconds(guard.window_s), time=seconds(guard.for_s),
        limit=_written(guard, guard.enter, currency, _), follows=follows,
    )  # fmt: skip
    leave = _written(guard, guard.leave, currency, _)
    over = N_("It is over above {limit}.") if low else N_("It is over below {limit}.")
    return f"{when} {_(over if guard.leave else N_('It is over at {limit}.'), limit=leave)}"


def _written(guard: Guard, value: float, currency: str, _: Say) -> str:
    if guard.metric in MONEY:
        return f"{value:g} {currency}"
    if guard.metric == "queue_depth":
        return _("{n} calls", n=f"{value:g}")
    return METRICS[guard.metric][1](value)


def _follows(guard: Guard, step: Level | None, _: Say) -> str:
    if step is None:
        act = _("it is told and nothing else changes")
    elif guard.at_once:
        act = _("at once the ladder climbs level {level}: {actions}", level=step.level, actions=actions(step.flags, _))
    else:
        act = _("the ladder climbs towards level {level}: {actions}", level=step.level, actions=actions(step.flags, _))
    return _("it would be (in shadow, nothing is done): {act}", act=act) if guard.shadow else act


def actions(flags: Mapping[str, FlagValue], _: Say = english) -> str:
    """What some flags do, in one clause."""
    limited = flags.get("admission") == "limit"  # how many are let in says it
    told = [flag for flag in ACTIONS if flag in flags and not (flag == "admission" and limited)]
    return _and([ACTIONS[flag](flags[flag], _) for flag in told], _) or _("nothing changes")


def level_sentence(step: Level, _: Say = english) -> str:
    """What a level does, for how many, and how it ends."""
    for_all = {flag: value for flag, value in step.flags.items() if flag not in step.shares}
    parts = [
        _("Level {level}: {actions}.", level=step.level, actions=actions(for_all, _))
        if for_all
        else _("Level {level}.", level=step.level)
    ]
    for flag, share in step.shares.items():
        act = actions({flag: step.flags[flag]}, _)
        parts.append(_("In {share} of conversations only: {actions}.", share=percent(share), actions=act))
    parts += [
        _("For {whom} {actions} instead.", whom=_whom(audience, _), actions=actions(audience.flags, _))
        for audience in step.audiences
    ]
    back = _(WAYS_BACK[step.way_back], time=seconds(step.recover_after_s))
    probe = _and([percent(share) for share in (*step.probe.shares, 1.0)], _)
    text = N_("It lasts {time} at least and ends when {back}; {shares} of conversations go back, one after the other.")
    parts.append(_(text, time=seconds(step.min_stay_s), back=back, shares=probe))
    return " ".join(parts)


def _whom(audience: Audience, _: Say) -> str:
    return _and([*(_("tier {name}", name=name) for name in audience.tiers), *audience.tenants], _)


def paragraphs(card: Card, _: Say = english) -> list[Paragraph]:
    """The whole card, in the order it is read."""
    return [
        Paragraph(_("Promise"), tuple(_promise(card, _))),
        Paragraph(_("Guards"), tuple(guard_sentence(card, guard, _) for guard in card.guards)),
        Paragraph(_("Ladder"), tuple(level_sentence(step, _) for step in card.ladder)),
        Paragraph(_("Way back"), tuple(_rollback(card, _))),
    ]


LEGS = {"quality": N_("quality"), "latency": N_("latency"), "cost": N_("cost")}
CRITICALITIES = {"core": N_("core"), "auxiliary": N_("auxiliary"), "experimental": N_("experimental")}
TARGETS = {
    "p50_ms": N_("P50 {limit}"), "p95_ms": N_("P95 {limit}"), "p99_ms": N_("P99 {limit}"),
    "ttft_p95_ms": N_("P95 of the first token {limit}"), "inter_token_p95_ms": N_("P95 between tokens {limit}"),
}  # fmt: skip
SPENT = {
    "per_request": N_("{amount} a request"), "per_hour": N_("{amount} an hour"), "per_day": N_("{amount} a day"),
    "per_tenant_day": N_("{amount} a tenant's day"),
}  # fmt: skip
LINES = {"request": N_("request"), "hour": N_("hour"), "day": N_("day"), "tenant_day": N_("tenant day")}


def _promise(card: Card, _: Say) -> Iterator[str]:
    yield _gives_way(card, _)
    floor = f"{card.quality.floor:g}"
    yield _("Quality ({metric}) may not fall below {floor}.", metric=card.quality.metric, floor=floor)
    if card.quality.must_be_right:
        yield _("It must be right: {tasks}.", tasks=said(card.quality.must_be_right))
    if card.quality.may_be_degraded:
        yield _("It may be degraded: {tasks}.", tasks=said(card.quality.may_be_degraded))
    found = [(text, getattr(card.latency, part)) for part, text in TARGETS.items()]
    targets = _and([_(text, limit=ms(value)) for text, value in found if value is not None], _)
    late = N_("Latency targets: {targets}. After {time} a call has timed out: {then}.")
    yield _(late, targets=targets, time=ms(card.latency.timeout_ms), then=card.latency.on_timeout)
    costs = [(text, getattr(card.cost, part)) for part, text in SPENT.items()]
    spent = [_(text, amount=f"{value} {card.cost.currency}") for text, value in costs if value is not None]
    yield _("It may cost {costs}.", costs=_and(spent, _))
    for line in card.cost.stop_loss:
        amount = f"{line.amount} {card.cost.currency}"
        yield _("Stop-loss: {amount} per {unit}, held by {guard}.", amount=amount, unit=_(LINES[line.per]), guard=line.guard)  # fmt: skip


def _gives_way(card: Card, _: Say) -> str:
    critical = _(CRITICALITIES[card.criticality])
    first, *rest = [_(LEGS[leg]) for leg in card.gives_way] or [_("nothing")]
    first = first[:1].upper() + first[1:]
    if not rest:
        return _("{leg} gives way first; the scenario is {critical}.", leg=first, critical=critical)
    text = N_("{leg} gives way first, then {others}; the scenario is {critical}.")
    return _(text, leg=first, others=_and(rest, _), critical=critical)


def _rollback(card: Card, _: Say) -> Iterator[str]:
    if not card.rollback.automatic:
        yield _("A revision is rolled back by people only.")
    elif card.rollback.within_s:
        text = N_(
            "When quality breaks its floor within {time} of an activation, the previous revision comes back by itself."
        )
        yield _(text, time=seconds(card.rollback.within_s))
    else:
        yield _("When quality breaks its floor, the previous revision comes back by itself.")
    limit = card.steadiness
    turns = N_("A ladder that turns more than {n} times in {time} freezes and calls a person.")
    yield _(turns, n=limit.turns_max, time=seconds(limit.within_s))
    alone = N_("A backend that has not reached Trivet for {time} takes level {level} by itself.")
    yield _(alone, time=seconds(card.fallback.valid_s), level=card.fallback.level)


def _and(parts: Sequence[str], _: Say = english) -> str:
    said = [part.strip() for part in parts]
    if len(said) < 2:
        return "".join(said)
    *first, last = said
    return _("{some} and {last}", some=_(", ").join(first), last=last)
