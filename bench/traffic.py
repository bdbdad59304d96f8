"""Healthy traffic of many scenarios at a steady pace, as a process of its own: what the loop has to be quick beside.

    python -m bench.traffic PORT SCENARIOS PER_S SECONDS

Each export has the calls that ended since the one before; it waits for its answer, and says at the end how many were sent.
"""

import http.client
import random
import secrets
import sys
import time

from bench.stack import KEY
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

EXPORTS_PER_S = 10
TENANTS = 20
SLOW_SHARE, SLOW_S = 0.01, 2.0  # well within 5 %
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-protobuf"}


def main(port: int, scenarios: int, per_s: int, seconds: float) -> int:
    """Spans that were acknowledged."""
    random.seed(1)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * per_s) - sent
        if due > 0:
            connection.request("POST", "/v1/traces", body(min(due, per_s), scenarios), HEADERS)
            answer = connection.getresponse()
            answer.read()
            sent += min(due, per_s) if answer.status == 200 else 0
        time.sleep(1 / EXPORTS_PER_S)
    return sent


def body(count: int, scenarios: int) -> bytes:
    """An export of calls that ended in the last moment."""
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    now_ns = time.time_ns()
    for _ in range(count):
        slow = random.random() < SLOW_SHARE
        took_s = SLOW_S if slow else random.lognormvariate(-1.2, 0.4)
        end_ns = now_ns - random.randrange(10**9 // EXPORTS_PER_S)
        span = spans.add(
            trace_id=secrets.token_bytes(16), span_id=secrets.token_bytes(8), name="chat", kind=3,
            start_time_unix_nano=end_ns - int(took_s * 1e9), end_time_unix_nano=end_ns,
        )  # fmt: skip
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "trivet.tenant": f"tenant-{random.randrange(TENANTS)}", "trivet.backend": "bench-gw",
            "trivet.scenario": f"loop-{random.randrange(scenarios)}",
        }  # fmt: skip
        for key, value in said.items():
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 100
    return message.SerializeToString()


if __name__ == "__main__":
    print(main(*map(int, sys.argv[1:5])))
