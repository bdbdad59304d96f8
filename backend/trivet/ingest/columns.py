"""The columns of `request`, in the order rows are copied, and a row as COPY's bytes. Pure."""

from trivet.ingest import copybytes
from trivet.ingest.copybytes import EPOCH_2000_US, binary, int2, int4, int8, text
from trivet.ingest.row import Row

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
    "conversation_id": "text",
    "finish_reason": "text",
    "response_id": "text",
    "reservation": "text",
    "prompt_hash": "bytea",
}
COLUMNS = (*FIXED_COLUMNS, *OTHER_COLUMNS)
TYPES = {name: "int8" if kind == "span" else kind for name, kind in (FIXED_COLUMNS | OTHER_COLUMNS).items()}

_fixed = copybytes.fixed(list(FIXED_COLUMNS.values()), len(COLUMNS))


def packed(row: Row) -> bytes:
    """One row of `request`, in the order of `COLUMNS`."""
    fact, cost = row.fact, row.cost
    return b"".join((
        _fixed(
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
        ),
        binary(fact.parent_id),
        binary(row.repeats),
        int8(fact.ttft_us),
        int8(cost.picos),
        int4(row.version_id or None),
        int4(row.region_id or None),
        int2(fact.cause or None),
        int2(row.shape or None),
        int4(cost.price_id),
        int4(fact.output_limit),
        text(fact.conversation_id),
        text(fact.finish_reason),
        text(fact.response_id),
        text(fact.reservation),
        binary(fact.prompt_hash),
    ))  # fmt: skip
