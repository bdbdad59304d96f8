"""The fields a span may say, each with its place in a `Said` and the shape of its value: data.

`said[INPUT]` is what a span says of its input tokens, None where nothing. Decoding fills it, for protobuf and JSON alike.
"""

from dataclasses import dataclass
from typing import Any, Final

Said = list[Any]


@dataclass(frozen=True, slots=True)
class Field:
    """`shape` is one of `shapes.SHAPES`. `shared`: its resource may say it for all spans. `unique`: every span has its own
    value, so that remembering it would serve nobody.
    """

    name: str
    shape: str
    shared: bool = False
    unique: bool = False


FIELDS: Final = (
    Field("operation", "word"),
    Field("agent", "name"),
    Field("provider", "provider", shared=True),
    Field("response_model", "name"),
    Field("request_model", "name", shared=True),
    Field("version", "name", shared=True),
    Field("region", "name", shared=True),
    Field("parameters", "parameters", unique=True),
    Field("output_limit", "whole"),
    Field("input", "count"),
    Field("output", "count"),
    Field("cache_read", "count"),
    Field("cache_write", "count"),
    Field("reasoning", "count"),
    Field("total", "count"),
    Field("uncached", "count"),
    Field("input_details", "repr_details", unique=True),
    Field("output_details", "json_details", unique=True),
    Field("streamed", "flag"),
    Field("ttft_us", "seconds", unique=True),
    Field("finish", "finish"),
    Field("outcome", "outcome"),
    Field("error", "text"),
    Field("http_status", "http_status"),
    Field("error_message", "message", unique=True),
    Field("response_id", "text", unique=True),
    Field("conversation", "text", unique=True),
    Field("tier", "tier"),
    Field("tool", "name"),
    Field("cold_start", "flag"),
    Field("cold_start_us", "seconds", unique=True),
    Field("prompt_hit", "flag"),
    Field("prompt_miss", "name"),
    Field("kv_hit", "flag"),
    Field("kv_miss", "name"),
    Field("retrieval_hit", "flag"),
    Field("retrieval_miss", "name"),
    Field("response_hit", "flag"),
    Field("response_miss", "name"),
    Field("tenant", "name", shared=True),
    Field("scenario", "name", shared=True),
    Field("backend", "name", shared=True),
    Field("pool", "name", shared=True),
    Field("reservation", "text", unique=True),
    Field("end_user", "name", unique=True),
    Field("revision", "whole"),
    Field("generation", "whole"),
    Field("level", "level"),
    Field("blocks", "blocks", unique=True),
    Field("instructions", "content", unique=True),
    Field("messages", "content", unique=True),
    Field("prompt", "content", unique=True),
    Field("prompt_value", "content", unique=True),
)

SLOTS: Final = {field.name: slot for slot, field in enumerate(FIELDS)}

(
    OPERATION, AGENT, PROVIDER, RESPONSE_MODEL, REQUEST_MODEL, VERSION, REGION, PARAMETERS, OUTPUT_LIMIT,
    INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, REASONING, TOTAL, UNCACHED, INPUT_DETAILS, OUTPUT_DETAILS,
    STREAMED, TTFT_US, FINISH, OUTCOME, ERROR, HTTP_STATUS, ERROR_MESSAGE, RESPONSE_ID, CONVERSATION,
    TIER, TOOL, COLD_START, COLD_START_US, PROMPT_HIT, PROMPT_MISS, KV_HIT, KV_MISS, RETRIEVAL_HIT, RETRIEVAL_MISS, RESPONSE_HIT,
    RESPONSE_MISS, TENANT, SCENARIO, BACKEND, POOL, RESERVATION, END_USER, REVISION, GENERATION, LEVEL, BLOCKS,
    INSTRUCTIONS, MESSAGES, PROMPT, PROMPT_VALUE,
) = range(len(FIELDS))  # fmt: skip
