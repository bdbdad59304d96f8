"""Requests read back out of the database, as what ingest made their deltas from."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from trivet.ingest.request.fact import RequestFact
from trivet.ingest.request.normalise import inter_token_us
from trivet.ingest.store.ids import span_bytes
from trivet.ingest.store.row import EPOCH, Cost, Row

_MICROSECOND = timedelta(microseconds=1)
# Columns of `request` that its deltas, and whether two spans tell of one call, depend on.
COLUMNS = (
    "started_at", "ended_at", "trace_id", "span_id", "tenant_id", "scenario_id", "model_id", "backend_id", "pool_id",
    "version_id", "region_id", "outcome", "streamed", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "reasoning_tokens", "ttft_us", "cost_picos", "price_id", "policy_revision", "degrade_level",
    "response_id", "repeats", "shape", "reservation", "key_id", "end_user_id",
)  # fmt: skip
# What of a fact its deltas do not depend on: names are ids by now.
_NAMELESS: dict[str, Any] = dict.fromkeys(("tenant", "scenario", "backend", "pool", "provider", "model"), "") | {
    "parent_id": None, "generation": None, "output_limit": None, "conversation_id": None, "finish_reason": None,
    "prompt_hash": None, "blocks": (),
}  # fmt: skip


def row_of(found: Mapping[str, Any]) -> Row:
    """A row out of `COLUMNS` and the `currency` of its price."""
    start_us, end_us = microseconds(found["started_at"]), microseconds(found["ended_at"])
    fact = RequestFact(
        **_NAMELESS,
        trace_id=found["trace_id"],
        span_id=found["span_id"],
        start_us=start_us,
        end_us=end_us,
        outcome=found["outcome"],
        streamed=found["streamed"],
        input_tokens=found["input_tokens"],
        output_tokens=found["output_tokens"],
        cache_read_tokens=found["cache_read_tokens"],
        cache_write_tokens=found["cache_write_tokens"],
        reasoning_tokens=found["reasoning_tokens"],
        ttft_us=found["ttft_us"],
        inter_token_us=inter_token_us(
            end_us - start_us, found["ttft_us"], found["output_tokens"] + found["reasoning_tokens"]
        ),
        revision=found["policy_revision"],
        level=found["degrade_level"],
        response_id=found["response_id"],
        reservation=found["reservation"],
    )
    return Row(
        fact,
        found["tenant_id"],
        found["scenario_id"],
        found["model_id"],
        found["backend_id"],
        found["pool_id"],
        found["version_id"] or 0,
        found["region_id"] or 0,
        found["key_id"],
        cost=Cost(found["cost_picos"], found["price_id"], found["currency"] or ""),
        shape=found["shape"] or 0,
        repeats=found["repeats"],
        end_user_id=found["end_user_id"] or 0,
    )


def driver_row(values: Sequence[Any]) -> Row:
    """The same out of what the driver gives for `COLUMNS`, the currency and `bound`, where ids are a uuid and int8s."""
    *values, bound = values
    found = dict(zip((*COLUMNS, "currency"), values, strict=True))
    found["trace_id"], found["span_id"] = found["trace_id"].bytes, span_bytes(found["span_id"])
    found["repeats"] = None if found["repeats"] is None else span_bytes(found["repeats"])
    row = row_of(found)
    row.bound = bound
    return row


def microseconds(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - EPOCH) // _MICROSECOND
