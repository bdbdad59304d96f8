"""Attribute by attribute: has it arrived, is it missing, is it wrong, why that matters, and which line sets it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trivet.console.connect.arrived import Arrived
from trivet.console.connect.configs import Wish
from trivet.console.connect.kinds import CALLS, CARDS, ENGINE, POLICY, Kind
from trivet.console.tongue import N_, _
from trivet_collectors import semconv as sc

ARRIVED, MISSING, WRONG = "arrived", "missing", "wrong"
STATES: Final = (N_("arrived"), N_("missing"), N_("wrong"))
OVERFLOW: Final = "overflow"
NOBODY: Final = "unattributed"
ENTER: Final = ("trivet", "prices", "enter")
Call = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `value` is what was stored; `why` says what it is for, or what is wrong with it; `line` sets it."""

    name: str
    state: str
    value: str
    why: str
    line: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing a call says: how it is read from a stored call, what it is for, and which line sets it, by kind."""

    name: str
    read: Callable[[Call], Any]
    why: str
    needed: bool
    lines: Mapping[str, str]
    of: str = CALLS


def _number(of: Call, kind: str) -> int | None:
    return of["tokens"][kind] or None


def _named(value: str) -> str | None:
    return None if value in {"none", NOBODY} else value


RESOURCE: Final = "OTEL_RESOURCE_ATTRIBUTES={}=…"
SPAN: Final = 'span.set_attribute("{}",…)'

ATTRIBUTES: Final = (
    Attribute(
        sc.TRIVET_TENANT, lambda call: _named(call["tenant"]),
        N_("Says who pays. Without it the cost shows as unattributed."), True,
        {"": SPAN, "litellm": "general_settings.master_key + team_id", "vllm": RESOURCE},
    ),
    Attribute(
        sc.TRIVET_SCENARIO, lambda call: _named(call["scenario"]),
        N_("Says which card, guards and ladder hold for the call."), True,
        {"": SPAN, "litellm": "trivet.toml:scenario=…", "vllm": RESOURCE, "client": "Obeying(default_scenario=…)"},
    ),
    Attribute(
        sc.TRIVET_BACKEND, lambda call: _named(call["backend"]),
        N_("Says who served it: proof that a command took effect is kept by backend."), True,
        {"": SPAN, "litellm": "TRIVET_BACKEND=…", "vllm": RESOURCE, "client": "PolicyClient(backend=…)"},
    ),
    Attribute(
        sc.GEN_AI_RESPONSE_MODEL, lambda call: _named(call["model"]),
        N_("Says what is priced."), True, {"": SPAN},
    ),
    Attribute(
        sc.GEN_AI_PROVIDER_NAME, lambda call: _named(call["provider"]),
        N_("A price is of a model of a provider."), True, {"": SPAN},
    ),
    Attribute(
        sc.GEN_AI_USAGE_INPUT_TOKENS,
        lambda call: sum(_number(call, kind) or 0 for kind in ("input", "cache_read", "cache_write")) or None,
        N_("What it cost: tokens in. A stream needs include_usage."), True, {"": SPAN},
    ),
    Attribute(
        sc.GEN_AI_USAGE_OUTPUT_TOKENS, lambda call: (_number(call, "output") or 0) + (_number(call, "reasoning") or 0) or None,
        N_("What it cost: tokens out. A stream needs include_usage."), True, {"": SPAN},
    ),
    Attribute(
        sc.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, lambda call: _number(call, "cache_read"),
        N_("Cached input is cheaper: without it the call is priced as if nothing had been cached."), False, {"": SPAN},
    ),
    Attribute(
        sc.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, lambda call: call["ttft_ms"],
        N_("What a reader waits for. Guards of time to first token and between tokens need it."), False, {"": SPAN},
    ),
    Attribute(
        sc.GEN_AI_CONVERSATION_ID, lambda call: call["conversation_id"],
        N_("Joins calls to a conversation with a receipt, and keeps a trial on the same conversations."), False,
        {"": SPAN, "litellm": "X-Trivet-Session: …", "client": "X-Trivet-Session: …"},
    ),
    Attribute(
        sc.GEN_AI_RESPONSE_ID, lambda call: call["response_id"],
        N_("A call that client, gateway and engine all tell of is counted once by it."), False, {"": SPAN},
    ),
    Attribute(
        sc.TRIVET_POOL, lambda call: _named(call["pool"]),
        N_("Self-hosted only: whose GPU hours it used."), False, {"": SPAN, "vllm": RESOURCE},
    ),
    Attribute(
        sc.TRIVET_POLICY_GENERATION, lambda call: call["generation"] or None,
        N_("Proves under which state it ran: without it no command ever becomes effective."), True,
        {"": "span.set_attributes(attributes_of(flags))", "client": "annotate(span)", "litellm": "callbacks:trivet_collectors.litellm.handler"},
        of=POLICY,
    ),
    Attribute(
        sc.TRIVET_POLICY_REVISION, lambda call: call["revision"] or None,
        N_("Says which revision of the card it ran under: baselines and rollbacks compare by it."), True,
        {"": "span.set_attributes(attributes_of(flags))", "client": "annotate(span)", "litellm": "callbacks:trivet_collectors.litellm.handler"},
        of=POLICY,
    ),
)  # fmt: skip
ENGINE_METRICS: Final = (
    (sc.TRIVET_REQUESTS_RUNNING.name, N_("How much it has in hand."), True),
    (sc.TRIVET_REQUESTS_WAITING.name, N_("Its queue: what shows a shortage first, when utilisation reads 100 % anyway."), True),
    (sc.TRIVET_KV_CACHE_USAGE.name, N_("How full its memory for running calls is."), False),
    (sc.TRIVET_PREFIX_CACHE_HITS.name, N_("How much of the prompts it had already."), False),
)  # fmt: skip


def checks(kind: Kind, wish: Wish, found: Arrived) -> tuple[Check, ...]:
    """Every line for one kind, in the order in which it matters."""
    made: list[Check] = []
    if CALLS in kind.tells:
        made.append(_came(found))
        made += [_of(each, kind, wish, found) for each in ATTRIBUTES if each.of in kind.tells]
        made += _priced(found)
    if POLICY in kind.tells:
        made += _policy(wish, found)
    if ENGINE in kind.tells:
        made += [_metric(name, _(why), found, needed=needed) for name, why, needed in ENGINE_METRICS]
    if CARDS in kind.tells:
        made.append(_cards(wish, found))
    return (*made, *_refusals(found))


def verdict(every: Iterable[Check]) -> str:
    """`arrived` when all that is needed is right, `wrong` when anything is, else `missing`."""
    states = [each.state for each in every if each.needed or each.state == WRONG]
    return WRONG if WRONG in states else MISSING if MISSING in states else ARRIVED


def _came(found: Arrived) -> Check:
    state = ARRIVED if found.calls else MISSING
    newest = found.judged[0]["trace_id"] if found.calls else ""
    return Check(
        "POST /v1/traces", state, newest, _("A span of a call to a model."), "OTEL_EXPORTER_OTLP_ENDPOINT=…", True
    )


def _of(attribute: Attribute, kind: Kind, wish: Wish, found: Arrived) -> Check:
    value = next((value for call in found.judged if (value := attribute.read(call)) is not None), None)
    line = attribute.lines.get(kind.key, attribute.lines[""]).format(attribute.name)
    if value is None:
        return Check(attribute.name, MISSING, "", _(attribute.why), line, attribute.needed)
    wrong = _wrong(attribute.name, str(value), wish, found)
    return Check(
        attribute.name, WRONG if wrong else ARRIVED, str(value), wrong or _(attribute.why), line, attribute.needed
    )


def _wrong(name: str, value: str, wish: Wish, found: Arrived) -> str:
    """What is wrong with a value, in words; empty where nothing is."""
    if value == OVERFLOW:
        return _("The key named more than it may, so this name is not kept: see the limits in docs/settings.md.")
    if name == sc.TRIVET_BACKEND and wish.backend and value != wish.backend:
        return _("It calls itself {value}, and you asked for {wanted}.", value=value, wanted=wish.backend)
    if name == sc.TRIVET_SCENARIO and value not in found.registered:
        return _("Nobody registered this scenario: it has no card, so no guard and no ladder.")
    if name == sc.TRIVET_TENANT and value not in found.mapped:
        return _("This tenant is charged to no cost centre: its cost shows as unattributed.")
    return ""


def _priced(found: Arrived) -> list[Check]:
    """A real call has a cost, or a reason why not."""
    if not found.real:
        return []
    call = found.real[0]
    if call["cost"] is not None:
        words = f"{call['cost']['amount']} {call['cost']['currency']}"
        return [Check("cost", ARRIVED, words, _("From the price book, at the price of its time."), "", True)]
    line = " ".join((*ENTER, call["provider"], call["model"], "--input=…", "--output=…"))
    return [Check("cost", WRONG, call["unpriced_reason"], _("It is in no cost, so no budget sees it."), line, True)]


def _policy(wish: Wish, found: Arrived) -> list[Check]:
    polled = Check(
        "POST /ofrep/v1/evaluate/flags", ARRIVED if found.poll.at else MISSING, "",
        _("It asks which policy applies: without it nothing can be degraded."), f"backend={wish.backend}", True,
    )  # fmt: skip
    generation = "" if found.poll.generation is None else str(found.poll.generation)
    held = Check(
        "ETag", ARRIVED if found.poll.holds_etag else MISSING, generation,
        _("A poll that names what it holds: that is how a command is observed."), "If-None-Match: …", True,
    )  # fmt: skip
    return [polled, held]


def _metric(name: str, why: str, found: Arrived, *, needed: bool) -> Check:
    return Check(name, ARRIVED if name in found.metrics else MISSING, "", why, "[[receivers.prometheus]]", needed)


def _cards(wish: Wish, found: Arrived) -> Check:
    count = str(found.cards) if found.cards else ""
    return Check(
        sc.HW_GPU_UTILIZATION.name, ARRIVED if found.cards else MISSING, count,
        _("Cards of the pool: power, memory, health and whose hours they are."),
        f'pool="{wish.pool}"' if wish.pool else 'pool="…"', True,
    )  # fmt: skip


def _refusals(found: Arrived) -> list[Check]:
    return [
        Check(reason, WRONG, str(items), _("Refused, and counted by its reason today."), "", True)
        for reason, items in sorted(found.refused.items())
    ]
