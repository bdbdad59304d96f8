"""Which metrics are signals, and what their attributes say: data.

Trivet's own come under their names. The GenAI conventions' metrics, and what LiteLLM, OpenLIT and OpenLLMetry send, say what
requests say already: they are kept beside them as signals and never added to usage or cost, which would count twice.
`gen_ai.client.inference.operation.*` are distributions from which no totals may be made, and are not kept.
"""

from dataclasses import dataclass
from typing import Final

from trivet_collectors import semconv as sc


@dataclass(frozen=True, slots=True)
class Known:
    """The signal that a metric is; `detail` where the metric's name says it.

    `by_caller`: sent by an application or gateway, whose tenant and scenario may go by other names than ours, as on its
    spans. An engine's `service.name` is no scenario.
    """

    metric: sc.Metric
    detail: str = ""
    by_caller: bool = False


def _calls(metric: sc.Metric, detail: str = "") -> Known:
    return Known(metric, detail, by_caller=True)


SIGNALS: Final[dict[str, Known]] = {metric.name: Known(metric) for metric in sc.SIGNAL_METRICS} | {
    # What clients measure, under the names of some generations.
    "gen_ai.client.token.usage": _calls(sc.TRIVET_CLIENT_TOKENS),  # gen_ai.token.type says which
    "gen_ai.client.inference.usage.input_tokens": _calls(sc.TRIVET_CLIENT_TOKENS, "input"),
    "gen_ai.client.inference.usage.output_tokens": _calls(sc.TRIVET_CLIENT_TOKENS, "output"),
    "gen_ai.client.inference.usage.cache_read.input_tokens": _calls(sc.TRIVET_CLIENT_TOKENS, "cache_read"),
    "gen_ai.client.inference.usage.cache_write.input_tokens": _calls(sc.TRIVET_CLIENT_TOKENS, "cache_write"),
    "gen_ai.client.inference.usage.reasoning.output_tokens": _calls(sc.TRIVET_CLIENT_TOKENS, "reasoning"),
    "gen_ai.client.operation.duration": _calls(sc.TRIVET_CLIENT_DURATION),
    "gen_ai.client.inference.duration": _calls(sc.TRIVET_CLIENT_DURATION),
    "gen_ai.client.response.duration": _calls(sc.TRIVET_CLIENT_DURATION, "upstream"),  # LiteLLM: the provider's part
    "gen_ai.client.operation.time_to_first_chunk": _calls(sc.TRIVET_CLIENT_TTFT),
    "gen_ai.client.inference.time_to_first_chunk": _calls(sc.TRIVET_CLIENT_TTFT),
    "llm.openai.chat_completions.streaming_time_to_first_token": _calls(sc.TRIVET_CLIENT_TTFT),  # OpenLLMetry
    "gen_ai.client.operation.time_per_output_chunk": _calls(sc.TRIVET_CLIENT_INTER_TOKEN),
    "gen_ai.client.inference.time_per_output_chunk": _calls(sc.TRIVET_CLIENT_INTER_TOKEN),
    "gen_ai.usage.cost": _calls(sc.TRIVET_SPEND),  # LiteLLM, OpenLIT
    # What servers measure; OpenLIT and LiteLLM send them for the server they call.
    "gen_ai.server.request.duration": _calls(sc.TRIVET_E2E),
    "gen_ai.server.time_to_first_token": _calls(sc.TRIVET_TTFT),
    "gen_ai.server.time_per_output_token": _calls(sc.TRIVET_INTER_TOKEN),
}

TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  # tokens of a model, no password
TOKEN_KINDS: Final = {"prompt": "input", "completion": "output"}  # what older emitters call them

# The first found names it, on the point, then on its resource.
PROVIDER: Final = (sc.GEN_AI_PROVIDER_NAME, "gen_ai.system")
RESPONSE_MODEL: Final = ("litellm.provider.model", sc.GEN_AI_RESPONSE_MODEL)
REQUEST_MODEL: Final = (sc.GEN_AI_REQUEST_MODEL,)
TENANT: Final = (sc.TRIVET_TENANT,)
SCENARIO: Final = (sc.TRIVET_SCENARIO,)
BACKEND: Final = (sc.TRIVET_BACKEND,)
POOL: Final = (sc.TRIVET_POOL,)
KEYS: Final = frozenset({
    *PROVIDER, *RESPONSE_MODEL, *REQUEST_MODEL, *TENANT, *SCENARIO, *BACKEND, *POOL,
    *sc.SIGNAL_DETAILS, TOKEN_TYPE, sc.ERROR_TYPE,
})  # fmt: skip

# Seconds in one of a sender's units; a unit not named here is taken to be that of the metric.
SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
