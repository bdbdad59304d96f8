"""The columns of `request`, in the order rows are copied, and a row as COPY's bytes. Pure."""

from collections.abc import Callable
from functools import cache

from trivet.ingest.store import copybytes
from trivet.ingest.store.copybytes import EPOCH_2000_US, binary, text
from trivet.ingest.store.row import Row

# Never null and of one length: packed by one call.
FIXED_COLUMNS = {
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
    "span_id": "span",
    "trace_id": "uuid",
    "tenant_id": "int4",
    "scenario_id": "int4",
    "model_id": "int4",
    "backend_id": "int4",
    "pool_id": "int4",
    "key_id": "int4",
    "input_tokens": "int4",
    "output_tokens": "int4",
    "cache_read_tokens": "int4",
    "cache_write_tokens": "int4",
    "reasoning_tokens": "int4",
    "policy_revision": "int4",
    "policy_generation": "int4",
    "outcome": "int2",
    "degrade_level": "int2",
    "streamed": "bool",
}
OTHER_COLUMNS = {
    "parent_span_id": "int8",
    "repeats": "int8",
    "ttft_us": "int8",
    "cost_picos": "int8",
    "version_id": "int4",
    "region_id": "int4",
    "cause": "int2",
    "shape": "int2",
    "price_id": "int4",
    "output_limit": "int4",
    "end_user_id": "int4",
    "conversation_id": "text",
    "finish_reason": "text",
    "response_id": "text",
    "reservation": "text",
    "prompt_hash": "bytea",
    "tier": "text",
}
COLUMNS = (*FIXED_COLUMNS, *OTHER_COLUMNS)
TYPES = {name: "int8" if kind == "span" else kind for name, kind in (FIXED_COLUMNS | OTHER_COLUMNS).items()}

# Of these, only a few ways in which some are null come up: each has a packer of its own.
_MAYBE = ("parent_span_id", "repeats", "ttft_us", "cost_picos", "version_id", "region_id", "cause", "shape", "price_id",
          "output_limit", "end_user_id")  # fmt: skip
assert tuple(OTHER_COLUMNS)[: len(_MAYBE)] == _MAYBE
_MAYBE_TYPES = ["span", "span", *(OTHER_COLUMNS[name] for name in _MAYBE[2:])]


@cache
def _packer(there: tuple[bool, ...]) -> Callable[..., bytes]:
    """A packer of the fixed columns and of those that may be null, by which of those are there."""
    types = [kind if given else "null" for kind, given in zip(_MAYBE_TYPES, there, strict=True)]
    return copybytes.fixed([*FIXED_COLUMNS.values(), *types], len(COLUMNS))


def packed(row: Row) -> bytes:
    """One row of `request`, in the order of `COLUMNS`."""
    fact, cost = row.fact, row.cost
    maybe = (
        fact.parent_id,
        row.repeats,
        fact.ttft_us,
        cost.picos,
        row.version_id or None,
        row.region_id or None,
        fact.cause or None,
        row.shape or None,
        cost.price_id,
        fact.output_limit,
        row.end_user_id or None,
    )
    return b"".join((
        _packer(tuple([value is not None for value in maybe]))(
            fact.start_us - EPOCH_2000_US,
            fact.end_us - EPOCH_2000_US,
            fact.span_id,
            fact.trace_id,
            row.tenant_id,
            row.scenario_id,
            row.model_id,
            row.backend_id,
            row.pool_id,
            row.key_id,
            fact.input_tokens,
            fact.output_tokens,
            fact.cache_read_tokens,
            fact.cache_write_tokens,
            fact.reasoning_tokens,
            fact.revision,
            fact.generation or 0,
            fact.outcome,
            fact.level,
            fact.streamed,
            *maybe,
        ),
        text(fact.conversation_id),
        text(fact.finish_reason),
        text(fact.response_id),
        text(fact.reservation),
        binary(fact.prompt_hash),
        text(fact.tier or None),
    ))  # fmt: skip
