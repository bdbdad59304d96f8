"""Trivet's OTLP/gRPC in this process, in an event loop of its own, and a client that says what came of a call."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from trivet.ingest.line import grpc_server

PATHS = {signal: path for path, signal in grpc_server.PATHS.items()}


class Answer(NamedTuple):
    """Name of the code, the message's bytes, what was said, and google.rpc.Status where there was one."""

    code: str
    content: bytes = b""
    said: str = ""
    status: Status | None = None

    @property
    def retry_after_s(self) -> int | None:
        """Seconds of RetryInfo; None where the same must not come again."""
        for detail in self.status.details if self.status else ():
            again = RetryInfo()
            if detail.Unpack(again):
                return int(again.retry_delay.seconds)
        return None


class Caller:
    """A connection of its own for each call."""

    def __init__(self, port: int) -> None:
        self.port = port

    def channel(self) -> grpc.Channel:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", options)

    def export(
        self, content: bytes, key: str | None = None, *, signal: str = "traces", packed: Any = None, **metadata: str
    ) -> Answer:
        """One Export call; `packed` is a `grpc.Compression`."""
        sent = tuple(metadata.items()) + ((("authorization", f"Bearer {key}"),) if key else ())
        return self.call(PATHS[signal], content, sent, packed)

    def call(self, path: str, content: bytes, metadata: Any = (), packed: Any = None) -> Answer:
        with self.channel() as channel:
            try:
                got = channel.unary_unary(path)(content, metadata=metadata, compression=packed, timeout=30)
            except grpc.RpcError as error:
                details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
                status = Status.FromString(details) if details else None
                return Answer(error.code().name, b"", error.details(), status)
        return Answer("OK", got)


@contextmanager
def serving() -> Iterator[Caller]:
    """A server on a free port, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    try:
        server, port = run(grpc_server.start("127.0.0.1", 0))
        yield Caller(port)
        run(server.stop(1))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
