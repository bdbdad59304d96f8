"""The API as processes: one by itself, or several that share the HTTP port and the OTLP/gRPC port."""

import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from grpc import aio

from trivet.app import create_app
from trivet.command import hub
from trivet.embed.child import EmbedError
from trivet.embed.ports import refuse_port_in_use
from trivet.embed.supervisor import Program, Supervisor
from trivet.ingest.line import grpc_server
from trivet.settings import Settings

GRACE_S = 5.0  # for what is being answered when we are asked to stop
BACKLOG = 2048


def refuse_ports_in_use(settings: Settings) -> None:
    """`EmbedError` where a port is held by somebody else, with the setting that names another."""
    refuse_port_in_use(settings.host, settings.port, "TRIVET_PORT =")
    if settings.otlp_grpc_port:
        refuse_port_in_use(settings.host, settings.otlp_grpc_port, "TRIVET_OTLP_GRPC_PORT =")


def serve(settings: Settings, *, shared: bool = False) -> None:
    """One process, until it is asked to stop. `shared`: other processes of ours listen on the same ports."""
    app = create_app()
    # A batch of spans is thousands of objects that all go at once: looking for cycles among them took a sixth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    level = settings.log_level.lower()
    config = uvicorn.Config(
        app,
        log_level=level,
        access_log=False,
        timeout_graceful_shutdown=int(GRACE_S),
        backlog=BACKLOG,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    with _listening(settings.host, settings.port, shared=shared) as listener:
        _Server(config, settings, shared=shared).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Serves OTLP/gRPC in the same event loop."""

    def __init__(self, config: uvicorn.Config, settings: Settings, *, shared: bool) -> None:
        super().__init__(config)
        self._settings = settings
        self._shared = shared
        self._grpc: aio.Server | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        host, port = self._settings.host, self._settings.otlp_grpc_port
        if port:
            self._grpc, _ = await grpc_server.start(host, port, shared=self._shared)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Both stop listening at once; both wait for what they are answering. What streams without end is ended."""
        hub.here().end_streams()
        if self._grpc is not None:
            ended = self._grpc.stop(GRACE_S)
            await super().shutdown(sockets)
            await ended
        else:
            await super().shutdown(sockets)


@contextlib.contextmanager
def _listening(host: str, port: int, *, shared: bool) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise EmbedError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
        yield listener


def serve_many(count: int, say: Callable[[str], None]) -> None:
    """`count` processes, restarted where they die, ended with us however we end; until SIGINT or SIGTERM."""
    stopping: list[int] = []
    for asks in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asks, lambda received, _: stopping.append(received))
    with tempfile.TemporaryDirectory(prefix="trivet-api-") as folder:
        (Path(folder) / "metrics").mkdir()
        supervisor = Supervisor(Path(folder), say)
        command = [sys.executable, "-m", "trivet.cli", "api", "--processes", "1", "--shared"]
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": f"{folder}/metrics"}
        try:
            for number in range(count):
                supervisor.start(Program(f"api-{number + 1}", command, None, env, stop_s=GRACE_S + 2))
            supervisor.run(lambda: bool(stopping))
        finally:
            supervisor.stop()
