"""A serving backend, as small as one can be: it polls with the real policy client and sends OTLP. Latency is constant,
so that a percentile is the same in every window."""

import secrets
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from trivet_collectors.policy.client import PolicyClient

LATENCY_MS = 640
BATCH = 30


class Gateway:
    """`serve(True)` sends a batch of calls twice a second, each under the policy that is held."""

    def __init__(self, address: str, key: str, state: Path) -> None:
        self.policy = PolicyClient(address, key, backend="gateway-1", state_path=state, poll_interval_s=0.3)
        self._http = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=10)
        self._serving, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.policy.start()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=10)
        self.policy.stop()
        self._http.close()

    def serve(self, on: bool) -> None:
        self._serving.set() if on else self._serving.clear()
        if not on:
            time.sleep(0.7)  # the batch under way

    def _run(self) -> None:
        while not self._over.wait(0.5):
            if self._serving.is_set():
                self.send()

    def send(self, **named: str) -> None:
        """One batch, acknowledged. `named`: other values of attributes, `trivet__tenant` for `trivet.tenant`."""
        other = {key.replace("__", "."): name for key, name in named.items()}
        spans = [self._span(other) for _ in range(BATCH)]
        body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
        self._http.post("/v1/traces", json=body).raise_for_status()

    def _span(self, other: dict[str, str]) -> dict[str, Any]:
        end_ns = time.time_ns()
        said: dict[str, Any] = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 150,
            "trivet.tenant": "acme", "trivet.scenario": "support-chat", "trivet.backend": "gateway-1",
            **self.policy.span_attributes(tenant="acme", scenario="support-chat"), **other,
        }  # fmt: skip
        return {
            "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "chat gpt-4o-mini", "kind": 3,
            "startTimeUnixNano": str(end_ns - LATENCY_MS * 1_000_000), "endTimeUnixNano": str(end_ns),
            "attributes": [{"key": k, "value": {"stringValue": v} if isinstance(v, str) else {"intValue": str(v)}} for k, v in said.items()],
        }  # fmt: skip
