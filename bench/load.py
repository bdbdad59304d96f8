"""A cheap sender, a process of its own: many keep-alive connections in one loop, raw sockets, bodies made beforehand.

    python -m bench.load '{"port": 8000, "connections": 4, "spans": 512, "seconds": 8}'

prints one JSON object. Also over gRPC ("grpc": true), where grpcio's own client sends.
"""

import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from bench.bodies import Bodies
from bench.stack import KEY

GRPC_PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Result:
    """What came of it: `spans` are those answered 200; waits are milliseconds of each answer, ascending."""

    spans: int = 0
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    waits_ms: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def at(self, share: float) -> float:
        return self.waits_ms[int(len(self.waits_ms) * share)] if self.waits_ms else 0.0

    @property
    def per_s(self) -> float:
        return self.spans / self.seconds


@dataclass
class Sender:
    """A sender at work. What it says at its end goes to a file: a pipe that nobody reads meanwhile would hold it up."""

    process: "subprocess.Popen[str]"
    said: IO[str]


def start(**options: Any) -> Sender:
    """A sender; `finish` waits for it."""
    said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # `finish` closes it
    command = [sys.executable, "-m", "bench.load", json.dumps(options)]
    return Sender(subprocess.Popen(command, stdout=said, text=True), said)


def finish(sender: Sender) -> Result:
    if sender.process.wait():
        raise RuntimeError("a sender failed")
    with sender.said as said:
        said.seek(0)
        return Result(**json.load(said))


def load(**options: Any) -> Result:
    """One sender process, to its end."""
    return finish(start(**options))


class _Connection:
    """One request after the other on one connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waiting = memoryview(b"")
        self.answer = b""
        self.began = 0.0

    def begin(self, head: bytes, body: bytearray) -> None:
        self.waiting, self.answer, self.began = memoryview(head + body), b"", time.perf_counter()
        self.push()

    def push(self) -> bool:
        """Whether all has been sent."""
        try:
            while self.waiting:
                self.waiting = self.waiting[self.socket.send(self.waiting) :]
        except BlockingIOError:
            return False
        return True

    def pull(self) -> int:
        """The status once the answer is whole, else 0."""
        piece = self.socket.recv(65536)
        if not piece:
            raise RuntimeError(f"closed on us after {self.answer[:200]!r}")
        self.answer += piece
        head, end, content = self.answer.partition(b"\r\n\r\n")
        if not end:
            return 0
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]) if len(content) >= length else 0


def send_http(port: int, connections: int, spans: int, seconds: float, seed: int = 1) -> Result:
    """Closed loop: each connection sends its next export when the last is answered."""
    bodies = Bodies(spans, seed, max(16, connections))
    result, statuses = Result(), Counter[int]()
    watch = selectors.DefaultSelector()
    opened = [_Connection(port) for _ in range(connections)]
    began, used = time.perf_counter(), time.process_time()
    for connection in opened:
        _begin(connection, bodies, watch)
    ending = 0
    while ending < connections:
        for key, events in watch.select():
            connection = key.data
            if events & selectors.EVENT_WRITE and connection.push():
                watch.modify(connection.socket, selectors.EVENT_READ, connection)
            if not events & selectors.EVENT_READ or not (status := connection.pull()):
                continue
            now = time.perf_counter()
            statuses[status] += 1
            result.waits_ms.append((now - connection.began) * 1000)
            result.spans += spans if status == 200 else 0
            watch.unregister(connection.socket)
            if now - began < seconds:
                _begin(connection, bodies, watch)
            else:
                ending += 1
    result.seconds, result.cpu_s = time.perf_counter() - began, time.process_time() - used
    result.statuses = {str(status): number for status, number in statuses.items()}
    return result


def _begin(connection: _Connection, bodies: Bodies, watch: selectors.BaseSelector) -> None:
    body = bodies.next()
    head = (
        f"POST /v1/traces HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.begin(head.encode(), body)
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.waiting else 0)
    watch.register(connection.socket, wanted, connection)


def send_grpc(port: int, connections: int, spans: int, seconds: float, seed: int = 1) -> Result:
    """The same over gRPC: a channel and a thread for each connection."""
    import threading

    import grpc

    result, statuses = Result(), Counter[str]()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(connections)]
    made = [Bodies(spans, seed * 100 + number, 4) for number in range(connections)]
    began, used = time.perf_counter(), time.process_time()

    def one(channel: grpc.Channel, bodies: Bodies) -> None:
        call = channel.unary_unary(GRPC_PATH)
        while time.perf_counter() - began < seconds:
            body, at = bytes(bodies.next()), time.perf_counter()
            try:
                call(body, metadata=(("authorization", f"Bearer {KEY}"),))
            except grpc.RpcError as refused:
                statuses[refused.code().name] += 1
                continue
            statuses["OK"] += 1
            result.spans += spans
            result.waits_ms.append((time.perf_counter() - at) * 1000)

    threads = [threading.Thread(target=one, args=pair) for pair in zip(channels, made, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.seconds, result.cpu_s = time.perf_counter() - began, time.process_time() - used
    result.statuses = dict(statuses)
    return result


def main(options: dict[str, Any]) -> Result:
    send = send_grpc if options.pop("grpc", False) else send_http
    result = send(**options)
    result.waits_ms.sort()
    return result


if __name__ == "__main__":
    print(json.dumps(asdict(main(json.loads(sys.argv[1])))))
