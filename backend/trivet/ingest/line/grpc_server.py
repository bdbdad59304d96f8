"""OTLP/gRPC: the three Export services in the event loop of the API process.

Bodies come to us as they were sent: the core would inflate them before anybody knows who sends, so it is told not to,
and `body.inflate` does it within a sender's share. For the same reason a handler takes a stream of requests, which on
the wire is the same as one: it sees the metadata first, and an unknown caller's body is never read.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NoReturn

import grpc
from grpc import aio

from trivet.ingest.errors import NoMessage
from trivet.ingest.line import body, otlp, receive
from trivet.kit.errors import TrivetError
from trivet.settings import get_settings

PATHS = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
}
STREAMS_MAX = 256  # exports at once on one connection; more wait at the sender's end
HEADERS_MAX_BYTES = 16 << 10
# First bytes that no OTLP message can begin with (gzip), or only with a field of a number it does not have (zlib).
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

Context = Any  # grpc.aio.ServicerContext, whose type names a request and a response class


class PortTakenError(RuntimeError):
    """Somebody else listens there, or the address is not ours."""


async def start(host: str, port: int, *, shared: bool = False) -> tuple[aio.Server, int]:
    """A server that is serving, and its port; `port` 0 takes a free one. `shared`: with other processes of ours."""
    options = [
        ("grpc.max_receive_message_length", get_settings().otlp_body_limit_bytes),
        ("grpc.max_metadata_size", HEADERS_MAX_BYTES),
        ("grpc.max_concurrent_streams", STREAMS_MAX),
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", int(shared)),
    ]
    server = aio.server(options=options)
    server.add_generic_rpc_handlers((_Services(),))
    address = f"[{host}]" if ":" in host else host
    try:
        taken = server.add_insecure_port(f"{address}:{port}")
    except RuntimeError as error:
        raise PortTakenError(f"cannot listen on {host}, port {port}, for OTLP/gRPC") from error
    await server.start()
    return server, taken


class _Services(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Messages go in and out as bytes: what is in them is decoded once, where HTTP's are."""

    def __init__(self) -> None:
        self._handlers = {
            path: grpc.stream_unary_rpc_method_handler(_handler(signal), None, None) for path, signal in PATHS.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method)


def _handler(signal: str) -> Callable[[AsyncIterator[bytes], Context], Any]:
    async def export(requests: AsyncIterator[bytes], context: Context) -> bytes:
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        # Shielded: where the sender gives up, its body is held until the thread that works on it is done.
        came = await asyncio.shield(receive.outcome(signal, "grpc", _take(signal, headers, requests)))
        if isinstance(came, TrivetError):
            return await _refuse(context, came)
        return otlp.accepted(signal, otlp.PROTOBUF, came)

    return export


async def _take(signal: str, headers: Mapping[str, str], requests: AsyncIterator[bytes]) -> Counter[str]:
    principal = await receive.sender(headers)
    limit = get_settings().otlp_body_limit_bytes
    with receive.held(principal) as grow:
        content = await _read(requests)
        if content.startswith(_GZIP):
            content = await body.inflate(_once(content), body.WINDOW["gzip"], limit, grow)
        elif _is_zlib(content):
            content = await body.inflate(_once(content), body.WINDOW["deflate"], limit, grow)
        else:
            grow(len(content))
        return await receive.TAKE[signal](content, otlp.PROTOBUF, principal)


async def _read(requests: AsyncIterator[bytes]) -> bytes:
    """The one message of a call. The core itself answers RESOURCE_EXHAUSTED to one that is over the limit as sent."""
    try:
        async with asyncio.timeout(body.PATIENCE_S):
            async for message in requests:
                return message
    except TimeoutError as slow:
        raise body.too_slow() from slow
    raise NoMessage("The call ended without a message.")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _is_zlib(content: bytes) -> bool:
    """Whether these are zlib's two first bytes (RFC 1950): its method, and a check of both."""
    return content.startswith(_ZLIB) and len(content) > 1 and (content[0] * 256 + content[1]) % 31 == 0


async def _refuse(context: Context, error: TrivetError) -> NoReturn:
    """End the call with google.rpc.Status in `grpc-status-details-bin`, where exporters look for RetryInfo."""
    status = otlp.status_of(error)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(_CODES[status.code], status.message)
    raise AssertionError("abort has raised")
