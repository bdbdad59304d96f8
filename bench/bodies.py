"""Bodies that cost the sender next to nothing: made once, then sent again and again under other trace ids."""

import secrets
import struct
from itertools import count

from bench.spans import export
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TEMPLATES = 16


class Bodies:
    """`next()` is a body of `spans` calls that no one has sent before: only the 16 bytes of each trace id change."""

    def __init__(self, spans: int, seed: int, templates: int = TEMPLATES) -> None:
        self.spans = spans
        self._templates = [_template(export(spans, batch=seed * 1000 + number)) for number in range(templates)]
        self._prefix = secrets.randbits(64)
        self._turn = count()
        self._number = count(1)

    def next(self) -> bytearray:
        """The same buffer comes again after all the others: send it before that."""
        body, offsets = self._templates[next(self._turn) % len(self._templates)]
        pack, prefix, number = struct.pack_into, self._prefix, self._number
        for offset in offsets:
            pack(">QQ", body, offset, prefix, next(number))
        return body


def _template(body: bytes) -> tuple[bytearray, list[int]]:
    """A body and where its trace ids stand."""
    message = ExportTraceServiceRequest.FromString(body)
    spans = [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]
    return bytearray(body), [body.index(span.trace_id) for span in spans]
