"""Exports in which every span has a tenant, a scenario and a model that nobody has named before."""

import http.client
import secrets
import threading
from collections import Counter
from itertools import count

from bench.spans import export
from bench.stack import KEY
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

BATCH = 500
SENDERS = 2
DIGITS = 9
NAMED = ("trivet.tenant", "trivet.scenario", "gen_ai.response.model")


def distinct(port: int, names: int) -> tuple[int, Counter[int]]:
    """(spans acknowledged, other answers by status) of as many spans as names."""
    refused: Counter[int] = Counter()
    taken = [0] * SENDERS
    numbers = count()

    def send(sender: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body, names_at, ids_at = _template(sender)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-protobuf"}
        for _ in range(names // BATCH // SENDERS):
            for offset in names_at:
                body[offset : offset + DIGITS] = b"%0*d" % (DIGITS, next(numbers))
            for offset in ids_at:
                body[offset : offset + 16] = secrets.token_bytes(16)
            connection.request("POST", "/v1/traces", bytes(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 200 and not content:
                taken[sender] += BATCH
            else:
                refused[answer.status] += 1

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(taken), refused


def at_once(port: int, models: int) -> int:
    """The status of one export in which every span has a model of its own: more than one statement may name."""
    message = ExportTraceServiceRequest.FromString(export(models, batch=99))
    spans = [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]
    for number, span in enumerate(spans):
        provider, operation = span.attributes[1], span.attributes[0]
        span.attributes.add(key="gen_ai.response.model").value.string_value = f"at-once-{number}"
        del span.attributes[2:-1]
        assert (operation.key, provider.key) == ("gen_ai.operation.name", "gen_ai.provider.name")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-protobuf"}
    connection.request("POST", "/v1/traces", message.SerializeToString(), headers)
    return connection.getresponse().status


def _template(seed: int) -> tuple[bytearray, list[int], list[int]]:
    """A body, where the digits of its names stand, and where its trace ids do."""
    message = ExportTraceServiceRequest.FromString(export(BATCH, batch=90 + seed))
    spans = [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]
    marks: list[str] = []
    for span in spans:
        for attribute in span.attributes:
            if attribute.key in NAMED:
                marks.append(f"{len(marks):0{DIGITS}d}")
                attribute.value.string_value = f"n{seed}-{marks[-1]}"
    body = bytearray(message.SerializeToString())
    return body, [body.index(f"n{seed}-{m}".encode()) + 3 for m in marks], [body.index(s.trace_id) for s in spans]
