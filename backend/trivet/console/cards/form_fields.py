"""The fields of a card's form: each part of the card by its path, with its words, its kind and its choices. Data alone."""

from dataclasses import dataclass
from typing import Final, get_args

from trivet.card.content import CRITICALITIES, Metric
from trivet.card.steps import WAYS_BACK
from trivet.card.terms import CHOICES, RESERVED_FLAGS
from trivet.console.tongue import N_
from trivet_collectors.policy.evaluate import DEFAULTS


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `kind`: number, text (as it is, money too), lines, names, shares, choice, check; `optional`: empty is null."""

    path: str
    label: str
    kind: str = "number"
    unit: str = ""
    optional: bool = False
    choices: tuple[str, ...] = ()
    wide: bool = False


LEGS: Final = ("quality", "latency", "cost")
LEVELS: Final = ("0", "1", "2", "3")
SEVERITIES: Final = ("page", "ticket", "info")
FLAGS: Final = tuple(flag for flag in DEFAULTS if flag not in RESERVED_FLAGS)
FLAG_CHOICES: Final = {flag: CHOICES.get(flag, ("true", "false") if isinstance(DEFAULTS[flag], bool) else ()) for flag in FLAGS}  # fmt: skip
# How a choice is called where its own word says too little.
CHOICE_WORDS: Final = {
    "recovered": N_("the metrics have recovered"), "next_budget_day": N_("the next budget day"),
    "manual": N_("a person"), "regression_passed": N_("a regression that passed"),
    "core": N_("core"), "auxiliary": N_("auxiliary"), "experimental": N_("experimental"),
    "quality": N_("quality"), "latency": N_("latency"), "cost": N_("cost"), "": N_("nothing"),
    "page": N_("page"), "ticket": N_("ticket"), "info": N_("info"),
    "request": N_("request"), "hour": N_("hour"), "day": N_("day"), "tenant_day": N_("tenant day"),
}  # fmt: skip

SECTIONS: Final[tuple[tuple[str, str, tuple[Field, ...]], ...]] = (
    (
        "priority", N_("What gives way"),
        (
            Field("gives_way.0", N_("Gives way first"), "choice", optional=True, choices=LEGS),
            Field("gives_way.1", N_("Then"), "choice", optional=True, choices=LEGS),
            Field("gives_way.2", N_("Last to give way"), "choice", optional=True, choices=LEGS),
            Field("criticality", N_("Criticality"), "choice", choices=CRITICALITIES),
        ),
    ),
    (
        "quality", N_("Quality"),
        (
            Field("quality.metric", N_("Metric of the scores"), "text"),
            Field("quality.floor", N_("Floor")),
            Field("quality.min_sample", N_("Least scores")),
            Field("quality.window_s", N_("Window"), unit="s"),
            Field("quality.must_be_right", N_("Must be right, one a line"), "lines", wide=True),
            Field("quality.may_be_degraded", N_("May be degraded, one a line"), "lines", wide=True),
        ),
    ),
    (
        "latency", N_("Latency"),
        (
            Field("latency.p50_ms", "P50", unit="ms", optional=True),
            Field("latency.p95_ms", "P95", unit="ms"),
            Field("latency.p99_ms", "P99", unit="ms", optional=True),
            Field("latency.ttft_p95_ms", N_("P95 of the first token"), unit="ms", optional=True),
            Field("latency.inter_token_p95_ms", N_("P95 between tokens"), unit="ms", optional=True),
            Field("latency.timeout_ms", N_("Timeout"), unit="ms"),
            Field("latency.on_timeout", N_("On a timeout"), "text", wide=True),
        ),
    ),
    (
        "cost", N_("Cost"),
        (
            Field("cost.currency", N_("Currency"), "text"),
            Field("cost.per_request", N_("A request"), "text"),
            Field("cost.per_hour", N_("An hour"), "text", optional=True),
            Field("cost.per_day", N_("A day"), "text"),
            Field("cost.per_tenant_day", N_("A tenant's day"), "text", optional=True),
        ),
    ),
    (
        "back", N_("Way back"),
        (
            Field("rollback.automatic", N_("Roll back by itself where quality breaks its floor"), "check", wide=True),
            Field("rollback.within_s", N_("Within, after an activation"), unit="s", optional=True),
            Field("fallback.level", N_("Level of a backend that cannot reach Trivet"), "level", choices=LEVELS),
            Field("fallback.valid_s", N_("After so long"), unit="s"),
            Field("steadiness.turns_max", N_("Turns of the ladder")),
            Field("steadiness.within_s", N_("Within"), unit="s"),
        ),
    ),
)  # fmt: skip
LINE: Final = (
    Field("per", N_("Stop-loss for each"), "choice", choices=("request", "hour", "day", "tenant_day")),
    Field("amount", N_("Amount"), "text"),
    Field("guard", N_("Held by the guard"), "text"),
)
GUARD: Final = (
    Field("name", N_("Name"), "text"),
    Field("metric", N_("Metric"), "choice", choices=get_args(Metric)),
    Field("enter", N_("Breaks past")),
    Field("leave", N_("Whole again at")),
    Field("window_s", N_("Window"), unit="s"),
    Field("minimum_sample", N_("Least requests")),
    Field("for_s", N_("Has to last"), unit="s"),
    Field("raises_to", N_("Raises to level"), "level", choices=LEVELS),
    Field("at_once", N_("Goes there at once"), "check"),
    Field("shadow", N_("In shadow: says it, moves nothing"), "check"),
    Field("false_alarms_per_month", N_("False alarms a month"), optional=True),
    Field("burn.objective", N_("Burns a budget: share of good ones"), optional=True),
    Field("burn.severity", N_("Burn windows of"), "choice", choices=("page", "ticket")),
    Field("severity", N_("Alert as"), "choice", optional=True, choices=SEVERITIES),
    Field("webhook", N_("Calls the channel"), "text", optional=True),
)
USUAL: Final = 10  # of a guard's fields, which are always shown; the others are behind a fold
LEVEL: Final = (
    Field("name", N_("Name"), "text"),
    Field("min_stay_s", N_("Stays at least"), unit="s"),
    Field("recover_after_s", N_("Calm before it ends"), unit="s"),
    Field("way_back", N_("Ends when"), "choice", choices=WAYS_BACK),
    Field("probe.shares", N_("Go back first"), "shares", unit="%"),
    Field("probe.step_s", N_("Each step is watched for"), unit="s"),
)
AUDIENCE: Final = (
    Field("tiers", N_("Service tiers, with commas"), "names"),
    Field("tenants", N_("Tenants, one a line"), "lines"),
    Field("flags", N_("Their actions, `action: value` a line"), "flags"),
)
