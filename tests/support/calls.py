"""Requests for tests: facts with everything named, stored through the real ingest path."""

import random
from datetime import UTC, datetime, timedelta

from trivet.ingest.request.fact import OK, RequestFact
from trivet.ingest.request.normalise import inter_token_us
from trivet.ingest.store.persist import Stored, store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at):
    return (at - EPOCH) // timedelta(microseconds=1)


def call(at, *, seconds=1.0, ttft_ms=None, span=None, **given):
    """A request that ended at `at` after `seconds`. Whatever is not given is a plain request of tenant acme."""
    end = microseconds(at)
    fact = {
        "trace_id": random.randbytes(16), "span_id": span or random.randbytes(8), "parent_id": None,
        "start_us": end - round(seconds * 1e6), "end_us": end,
        "tenant": "acme", "scenario": "chat", "backend": "b1", "pool": "", "provider": "openai", "model": "gpt-4o",
        "outcome": OK, "streamed": ttft_ms is not None,
        "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, "reasoning_tokens": 0,
        "ttft_us": None if ttft_ms is None else round(ttft_ms * 1000), "inter_token_us": None,
        "revision": 0, "generation": None, "level": 0, "output_limit": None, "conversation_id": None,
        "finish_reason": None, "response_id": None, "reservation": None, "prompt_hash": None, "blocks": (),
    }  # fmt: skip
    fact |= given
    if "inter_token_us" not in given:
        output = fact["output_tokens"] + fact["reasoning_tokens"]
        fact["inter_token_us"] = inter_token_us(end - fact["start_us"], fact["ttft_us"], output)
    return RequestFact(**fact)


def ingest(*facts, now=None) -> Stored:
    """Store facts as an export of a platform key would be."""
    return store(facts, [], tenant_id=None, key_id=0, now=now or datetime(2026, 11, 21, tzinfo=UTC))
