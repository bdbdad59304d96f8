"""A test call: one span, sent by Trivet with the key that was made, over HTTP as the backend itself would send it.

It names what the configuration names. It costs nothing, because it says that it was answered from a cache; it claims no
policy, because nobody obeyed one.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

import httpx

from trivet.console.connect.arrived import TEST_FINISH
from trivet.console.connect.configs import Wish
from trivet_collectors import semconv as sc

TIMEOUT_S = 10.0
LASTED = timedelta(milliseconds=20)
PROVIDER, MODEL = "trivet", "connect-test"
WORDS_MAX = 300


def body(wish: Wish, now: datetime) -> dict[str, Any]:
    """The export, in OTLP's JSON."""
    said: dict[str, Any] = {
        sc.GEN_AI_OPERATION_NAME: "chat",
        sc.GEN_AI_PROVIDER_NAME: PROVIDER,
        sc.GEN_AI_RESPONSE_MODEL: MODEL,
        sc.GEN_AI_USAGE_INPUT_TOKENS: 1,
        sc.GEN_AI_USAGE_OUTPUT_TOKENS: 1,
        sc.GEN_AI_RESPONSE_FINISH_REASONS: TEST_FINISH,
        sc.GEN_AI_RESPONSE_ID: f"trivet-{secrets.token_hex(8)}",
        sc.GEN_AI_CONVERSATION_ID: TEST_FINISH,
        sc.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: 0.01,
        sc.TRIVET_CACHE_RESPONSE_HIT: True,
        sc.TRIVET_BACKEND: wish.backend,
        sc.TRIVET_SCENARIO: wish.scenario,
        sc.TRIVET_TENANT: wish.tenant,
        sc.TRIVET_POOL: wish.pool,
    }
    attributes = [{"key": name, "value": _value(value)} for name, value in said.items() if value != ""]
    end_ns = int(now.timestamp() * 1_000_000) * 1000
    span = {
        "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": TEST_FINISH,
        "startTimeUnixNano": str(end_ns - int(LASTED.total_seconds() * 1e9)), "endTimeUnixNano": str(end_ns),
        "attributes": attributes,
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def _value(value: str | float) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def send(address: str, wish: Wish, now: datetime) -> str:
    """Send it; what went wrong, as the endpoint said it, empty where nothing did."""
    headers = {"Authorization": "Bearer " + wish.key}
    try:
        said = httpx.post(f"{address}/v1/traces", json=body(wish, now), headers=headers, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as away:
        return f"{type(away).__name__}: {away}"[:WORDS_MAX]
    if said.status_code != 200:
        return f"HTTP {said.status_code}: {said.text}"[:WORDS_MAX]
    refused = said.json().get("partialSuccess", {})
    return str(refused.get("errorMessage", ""))[:WORDS_MAX]
