"""The names on the wire, each written once.

GenAI names are those of the OpenTelemetry conventions today (status Development; they left the main repository after
v1.41.0). What emitters still send under older names is the ingester's affair, not this module's. `hw.*` follows semantic
conventions v1.44.0; what has no convention (clocks, throttle reasons) lives under `trivet.gpu.*`.

Standard library only: the backend imports this module too.
"""

from dataclasses import dataclass
from typing import Final, Literal

# --- One LLM call: span attributes of the GenAI conventions -----------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # seconds, streaming only
# Input includes cache reads and writes, output includes reasoning: the last three are subsets, never addends.
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE: Final = "error.type"

# --- What Trivet adds: who the call was for, and the policy it ran under ----------------------------------------------
TRIVET_TENANT: Final = "trivet.tenant"
TRIVET_SCENARIO: Final = "trivet.scenario"
TRIVET_BACKEND: Final = "trivet.backend"
TRIVET_POOL: Final = "trivet.pool"
TRIVET_REGION: Final = "trivet.region"
TRIVET_SERVICE_TIER: Final = "trivet.service_tier"  # batch, flex, priority …: it has a price of its own
TRIVET_RESERVATION: Final = "trivet.reservation"
TRIVET_END_USER: Final = "trivet.end_user"  # whom the tenant serves with the call
TRIVET_POLICY_REVISION: Final = "trivet.policy.revision"
TRIVET_POLICY_GENERATION: Final = "trivet.policy.generation"
TRIVET_DEGRADE_LEVEL: Final = "trivet.degrade.level"
TRIVET_POLICY_SHAPED: Final = (
    "trivet.policy.shaped"  # string array: what of the call the policy changed (model, tools …)
)
TRIVET_OUTCOME: Final = "trivet.outcome"
TRIVET_PROMPT_BLOCKS: Final = "trivet.prompt.blocks"  # string array: which blocks the prompt was built from

OUTCOME_OK: Final = "ok"
OUTCOME_ERROR: Final = "error"
OUTCOME_TIMEOUT: Final = "timeout"
OUTCOME_REFUSED: Final = "refused"  # by the model
OUTCOME_REJECTED: Final = "rejected"  # by admission
OUTCOMES: Final = (OUTCOME_OK, OUTCOME_ERROR, OUTCOME_TIMEOUT, OUTCOME_REFUSED, OUTCOME_REJECTED)

# --- Hardware: attributes ---------------------------------------------------------------------------------------------
HOST_NAME: Final = "host.name"
SERVICE_INSTANCE_ID: Final = "service.instance.id"  # which of the processes that say the same of themselves
HW_ID: Final = "hw.id"  # the GPU's UUID: the index order is PCI order and can change
HW_NAME: Final = "hw.name"
HW_MODEL: Final = "hw.model"
HW_TYPE: Final = "hw.type"
HW_TYPE_GPU: Final = "gpu"
HW_VENDOR: Final = "hw.vendor"
HW_DRIVER_VERSION: Final = "hw.driver_version"
HW_PARENT: Final = "hw.parent"  # of a MIG instance: the UUID of the GPU it is a slice of
TRIVET_GPU_MIG_PROFILE: Final = "trivet.gpu.mig.profile"  # "1g.18gb"
TRIVET_GPU_THROTTLE_REASON: Final = "trivet.gpu.throttle.reason"
TRIVET_GPU_ROW_REMAP_STATE: Final = "trivet.gpu.row_remap.state"
TRIVET_GPU_XID_CODE: Final = "trivet.gpu.xid.code"
PROCESS_PID: Final = "process.pid"  # or "other": all processes of a GPU that are not told one by one
PROCESS_NAME: Final = "process.executable.name"
ECC_CORRECTED: Final = "corrected"  # values of error.type in hw.errors
ECC_UNCORRECTED: Final = "uncorrected"
# Series of one GPU and metric differ in one of these: the detail that joins the metric's name.
GPU_DETAILS: Final = (
    TRIVET_GPU_THROTTLE_REASON,
    ERROR_TYPE,
    TRIVET_GPU_ROW_REMAP_STATE,
    TRIVET_GPU_XID_CODE,
    PROCESS_PID,
)


@dataclass(frozen=True)
class Metric:
    """A metric's name, UCUM unit, instrument and meaning. A gauge says how it is, a counter how much more there was."""

    name: str
    unit: str
    kind: Literal["gauge", "counter", "updowncounter", "histogram"]
    meaning: str


HW_GPU_UTILIZATION: Final = Metric(
    "hw.gpu.utilization",
    "1",
    "gauge",
    "Fraction of the driver's last window in which any kernel ran; not how full it ran.",
)
HW_GPU_MEMORY_USAGE: Final = Metric("hw.gpu.memory.usage", "By", "updowncounter", "GPU memory in use.")
HW_GPU_MEMORY_LIMIT: Final = Metric("hw.gpu.memory.limit", "By", "updowncounter", "GPU memory installed.")
HW_POWER: Final = Metric("hw.power", "W", "gauge", "Power drawn by the board.")
HW_ENERGY: Final = Metric("hw.energy", "J", "counter", "Energy used.")
HW_TEMPERATURE: Final = Metric("hw.temperature", "Cel", "gauge", "Temperature of the GPU die.")
TRIVET_GPU_CLOCK_SM: Final = Metric("trivet.gpu.clock.sm", "MHz", "gauge", "Clock of the streaming multiprocessors.")
TRIVET_GPU_CLOCK_MEMORY: Final = Metric("trivet.gpu.clock.memory", "MHz", "gauge", "Clock of the memory.")
TRIVET_GPU_THROTTLE: Final = Metric(
    "trivet.gpu.throttle",
    "1",
    "gauge",
    "1 while the reason in trivet.gpu.throttle.reason holds the clocks down, else 0.",
)
TRIVET_GPU_THROTTLE_TIME: Final = Metric(
    "trivet.gpu.throttle.time",
    "s",
    "counter",
    "Time that the reason in trivet.gpu.throttle.reason held the clocks down.",
)
HW_ERRORS: Final = Metric(
    "hw.errors", "{error}", "counter", "Memory errors that ECC found; error.type says which kind."
)
TRIVET_GPU_ROW_REMAP: Final = Metric(
    "trivet.gpu.row_remap",
    "1",
    "gauge",
    "1 while trivet.gpu.row_remap.state holds, else 0: pending wants a reset, failure an exchange of the board.",
)
TRIVET_GPU_XID: Final = Metric(
    "trivet.gpu.xid", "{event}", "counter", "XID events of the driver; trivet.gpu.xid.code says which."
)
TRIVET_GPU_PROCESS_MEMORY: Final = Metric(
    "trivet.gpu.process.memory", "By", "gauge", "GPU memory that the process in process.pid holds."
)
TRIVET_GPU_MIG_SLICES: Final = Metric(
    "trivet.gpu.mig.slices", "{slice}", "gauge", "Compute slices of its GPU that a MIG instance has, of seven."
)

GPU_METRICS: Final = (
    HW_GPU_UTILIZATION,
    HW_GPU_MEMORY_USAGE,
    HW_GPU_MEMORY_LIMIT,
    HW_POWER,
    HW_ENERGY,
    HW_TEMPERATURE,
    TRIVET_GPU_CLOCK_SM,
    TRIVET_GPU_CLOCK_MEMORY,
    TRIVET_GPU_THROTTLE,
    TRIVET_GPU_THROTTLE_TIME,
    HW_ERRORS,
    TRIVET_GPU_ROW_REMAP,
    TRIVET_GPU_XID,
    TRIVET_GPU_PROCESS_MEMORY,
    TRIVET_GPU_MIG_SLICES,
)

# --- Signals: what engines, gateways and backends say beside the requests ---------------------------------------------
# One vocabulary, whatever engine it comes from. A gauge says how it is, a counter how much more there was (delta).
TRIVET_REQUESTS_RUNNING: Final = Metric("trivet.requests.running", "{request}", "gauge", "Calls being worked on.")
TRIVET_REQUESTS_WAITING: Final = Metric("trivet.requests.waiting", "{request}", "gauge", "Calls in the queue.")
TRIVET_REQUESTS_ADMITTED: Final = Metric("trivet.requests.admitted", "{request}", "counter", "Calls let in.")
TRIVET_REQUESTS_FINISHED: Final = Metric(
    "trivet.requests.finished", "{request}", "counter", "Calls that ended; trivet.outcome says how."
)
TRIVET_REQUESTS_DENIED: Final = Metric(
    "trivet.requests.denied", "{request}", "counter", "Calls that a limit turned away; trivet.reason says which."
)
TRIVET_KV_CACHE_USAGE: Final = Metric("trivet.kv_cache.usage", "1", "gauge", "Share of the KV cache in use.")
TRIVET_PREFIX_CACHE_QUERIES: Final = Metric(
    "trivet.prefix_cache.queries", "{token}", "counter", "Prompt tokens looked up in the KV cache's prefixes."
)
TRIVET_PREFIX_CACHE_HITS: Final = Metric("trivet.prefix_cache.hits", "{token}", "counter", "Those of them found.")
TRIVET_PREEMPTIONS: Final = Metric("trivet.preemptions", "{request}", "counter", "Calls put back for want of memory.")
TRIVET_TOKENS: Final = Metric("trivet.tokens", "{token}", "counter", "Tokens an engine worked on; trivet.token.kind.")
TRIVET_ERRORS: Final = Metric("trivet.errors", "{error}", "counter", "Calls an engine failed; trivet.reason says why.")
TRIVET_SPEND: Final = Metric("trivet.spend", "{USD}", "counter", "What a gateway says it spent; never booked.")
TRIVET_CONCURRENCY_LIMIT: Final = Metric(
    "trivet.concurrency.limit", "{request}", "gauge", "Calls that a serverless backend takes at once."
)
TRIVET_COLD_STARTS: Final = Metric("trivet.cold_starts", "{start}", "counter", "Starts that a call had to wait for.")
TRIVET_HEALTH: Final = Metric(
    "trivet.health", "{event}", "counter", "Health events; trivet.health.kind says which, trivet.reason what was said."
)
TRIVET_CACHE_LOOKUPS: Final = Metric(
    "trivet.cache.lookups",
    "{lookup}",
    "counter",
    "Looks into a cache: trivet.cache.kind (prompt, kv, retrieval, response), trivet.cache.hit, trivet.reason of a miss.",
)
TRIVET_TOOL_CALLS: Final = Metric("trivet.tool.calls", "{call}", "counter", "Calls of a tool: trivet.tool.name.")
TRIVET_RETRIEVAL_CALLS: Final = Metric("trivet.retrieval.calls", "{call}", "counter", "Retrievals.")
# Latencies of an engine, in seconds, as histograms.
TRIVET_TTFT: Final = Metric("trivet.engine.ttft", "s", "histogram", "Time to the first token.")
TRIVET_INTER_TOKEN: Final = Metric("trivet.engine.inter_token", "s", "histogram", "Time between two tokens.")
TRIVET_E2E: Final = Metric("trivet.engine.e2e", "s", "histogram", "Duration of a call.")
TRIVET_QUEUE_TIME: Final = Metric("trivet.engine.queue_time", "s", "histogram", "Time in the queue.")
TRIVET_COLD_START_TIME: Final = Metric(
    "trivet.cold_start.duration", "s", "histogram", "Time that calls waited for a start."
)
# What the callers' own instrumentation measured. Beside the requests, which say the same: never added to them.
TRIVET_CLIENT_TOKENS: Final = Metric(
    "trivet.client.tokens", "{token}", "counter", "Tokens as clients count them, cached ones inside input."
)
TRIVET_CLIENT_DURATION: Final = Metric("trivet.client.duration", "s", "histogram", "Duration of a call, at the client.")
TRIVET_CLIENT_TTFT: Final = Metric("trivet.client.ttft", "s", "histogram", "Time to the first chunk, at the client.")
TRIVET_CLIENT_INTER_TOKEN: Final = Metric(
    "trivet.client.inter_token", "s", "histogram", "Time between two chunks, at the client."
)

SIGNAL_METRICS: Final = (
    TRIVET_REQUESTS_RUNNING,
    TRIVET_REQUESTS_WAITING,
    TRIVET_REQUESTS_ADMITTED,
    TRIVET_REQUESTS_FINISHED,
    TRIVET_REQUESTS_DENIED,
    TRIVET_KV_CACHE_USAGE,
    TRIVET_PREFIX_CACHE_QUERIES,
    TRIVET_PREFIX_CACHE_HITS,
    TRIVET_PREEMPTIONS,
    TRIVET_TOKENS,
    TRIVET_ERRORS,
    TRIVET_SPEND,
    TRIVET_CONCURRENCY_LIMIT,
    TRIVET_COLD_STARTS,
    TRIVET_HEALTH,
    TRIVET_CACHE_LOOKUPS,
    TRIVET_TOOL_CALLS,
    TRIVET_RETRIEVAL_CALLS,
    TRIVET_TTFT,
    TRIVET_INTER_TOKEN,
    TRIVET_E2E,
    TRIVET_QUEUE_TIME,
    TRIVET_COLD_START_TIME,
    TRIVET_CLIENT_TOKENS,
    TRIVET_CLIENT_DURATION,
    TRIVET_CLIENT_TTFT,
    TRIVET_CLIENT_INTER_TOKEN,
)

# Attributes of signals, beside trivet.tenant, trivet.scenario, trivet.backend, trivet.pool and gen_ai.request.model. What
# distinguishes series of one metric further is its detail: the values of these, in this order, joined by "/".
TRIVET_TOKEN_KIND: Final = "trivet.token.kind"  # noqa: S105 - tokens of a model, no password
TRIVET_HEALTH_KIND: Final = "trivet.health.kind"
TRIVET_CACHE_KIND: Final = "trivet.cache.kind"
TRIVET_CACHE_HIT: Final = "trivet.cache.hit"
TRIVET_REASON: Final = "trivet.reason"
TRIVET_TOOL_NAME: Final = "trivet.tool.name"
SIGNAL_DETAILS: Final = (
    TRIVET_OUTCOME,
    TRIVET_TOKEN_KIND,
    TRIVET_HEALTH_KIND,
    TRIVET_CACHE_KIND,
    TRIVET_CACHE_HIT,
    TRIVET_REASON,
    TRIVET_TOOL_NAME,
)

# Health events: what breaks serving, whoever notices it.
HEALTH_OUT_OF_MEMORY: Final = "out_of_memory"
HEALTH_MODEL_LOAD: Final = "model_load"
HEALTH_RATE_LIMIT: Final = "rate_limit"
HEALTH_CONCURRENCY_LIMIT: Final = "concurrency_limit"
HEALTH_XID: Final = "xid"
HEALTH_ECC: Final = "ecc"
HEALTH_GPU_LOST: Final = "gpu_lost"
HEALTH_DEPLOYMENT: Final = "deployment"  # a gateway calls one of its deployments out, wholly or in part
HEALTH_KINDS: Final = (
    HEALTH_OUT_OF_MEMORY,
    HEALTH_MODEL_LOAD,
    HEALTH_RATE_LIMIT,
    HEALTH_CONCURRENCY_LIMIT,
    HEALTH_XID,
    HEALTH_ECC,
    HEALTH_GPU_LOST,
    HEALTH_DEPLOYMENT,
)

# Log events that Trivet reads.
EVENT_RUNNING: Final = "trivet.request.running"  # a call that has not ended yet, told again until it has
# On the record: trace id, span id and the time of telling. As attributes: who, what and under which policy, as on a span;
# when the call began, in nanoseconds of UTC; whether a first token has come.
TRIVET_REQUEST_START: Final = "trivet.request.start_time_unix_nano"
TRIVET_REQUEST_ANSWERING: Final = "trivet.request.answering"
EVENT_APPLIED: Final = (
    "trivet.policy.applied"  # what a driver brought about: proves a generation as a request's span does
)
TRIVET_DRIVER: Final = "trivet.driver"
TRIVET_CHANGED: Final = "trivet.changed"  # whether anything had to be done
EVENT_HEALTH: Final = "trivet.health"
EVENT_EVALUATION: Final = "gen_ai.evaluation.result"
GEN_AI_EVALUATION_NAME: Final = "gen_ai.evaluation.name"
GEN_AI_EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
GEN_AI_EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EVENT_DETAILS: Final = "gen_ai.client.inference.operation.details"  # repeats its span; its content is not read

# What requests may say beside the above.
TRIVET_MODEL_VERSION: Final = "trivet.model.version"
TRIVET_COLD_START: Final = "trivet.cold_start"  # true, or
TRIVET_COLD_START_DURATION: Final = "trivet.cold_start.duration"  # seconds that the call waited for it
FAAS_COLDSTART: Final = "faas.coldstart"
# Looks into caches: true or false; of a miss also why.
TRIVET_CACHE_PROMPT_HIT: Final = "trivet.cache.prompt.hit"
TRIVET_CACHE_PROMPT_MISS_REASON: Final = "trivet.cache.prompt.miss_reason"
TRIVET_CACHE_KV_HIT: Final = "trivet.cache.kv.hit"
TRIVET_CACHE_KV_MISS_REASON: Final = "trivet.cache.kv.miss_reason"
TRIVET_CACHE_RETRIEVAL_HIT: Final = "trivet.cache.retrieval.hit"
TRIVET_CACHE_RETRIEVAL_MISS_REASON: Final = "trivet.cache.retrieval.miss_reason"
TRIVET_CACHE_RESPONSE_HIT: Final = "trivet.cache.response.hit"
TRIVET_CACHE_RESPONSE_MISS_REASON: Final = "trivet.cache.response.miss_reason"

# NVML's clocks are held down for a time by policies; the seconds of each are counted apart from the bits below.
GPU_THROTTLE_POLICIES: Final[dict[int, str]] = {
    0: "power",
    1: "thermal",
    2: "sync_boost",
    3: "board_limit",
    4: "low_utilization",
    5: "reliability",
}

# NVML's clock event bits. Worth an alert: hw_slowdown, sw_thermal, hw_thermal, power_brake. sw_power_cap is normal under
# full load; idle on a leased GPU is paid time in which nothing ran.
GPU_THROTTLE_REASONS: Final[dict[int, str]] = {
    0x1: "idle",
    0x2: "application_clocks",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal",
    0x40: "hw_thermal",
    0x80: "power_brake",
    0x100: "display_clocks",
}
