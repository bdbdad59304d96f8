"""`trivet-collector`: what runs on a GPU node.

Exit status: 0 done; 1 the round was not delivered (`--once`); 2 wrong use; 3 no usable driver, or no GPU (`--once`).
"""

import logging
import os
import signal
import socket
import sys
import threading
from typing import Annotated, Final

import typer

from trivet_collectors import semconv
from trivet_collectors.pipeline.otlp import ENDPOINT_VARIABLES, Pipeline, exporter
from trivet_collectors.pipeline.rounds import follow
from trivet_collectors.receivers.nvml import NoDriverError, NvmlReceiver

NOT_DELIVERED: Final = 1
NO_GPU: Final = 3

log = logging.getLogger("trivet.collector")
app = typer.Typer(add_completion=False, no_args_is_help=True, help="Collects from a GPU node and sends OTLP to Trivet.")


@app.callback()
def collector() -> None:
    """Collects from a GPU node and sends OTLP to Trivet. Each command names what is read."""


@app.command()
def nvml(
    *,
    endpoint: Annotated[
        str | None, typer.Option(envvar="TRIVET_ENDPOINT", help="Trivet's address; else OTEL_EXPORTER_OTLP_ENDPOINT.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="TRIVET_API_KEY", help="A key with scope ingest; safer in the environment.")
    ] = None,
    interval_s: Annotated[float, typer.Option(min=0.1, help="Seconds between rounds.")] = 10.0,
    round_timeout_s: Annotated[float, typer.Option(min=0.1, help="Seconds the driver has for a round.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="One round, then exit.")] = False,
    pool: Annotated[str | None, typer.Option(envvar="TRIVET_POOL", help="The pool this node's GPUs belong to.")] = None,
    host: Annotated[str | None, typer.Option(help="The node's name; else its host name.")] = None,
) -> None:
    """Reads every NVIDIA GPU of this node and sends its metrics."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="trivet-collector: %(message)s")
    if endpoint is None and not any(os.environ.get(name) for name in ENDPOINT_VARIABLES):
        raise typer.BadParameter("say where to send: --endpoint, TRIVET_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT")
    receiver = NvmlReceiver(round_timeout_s=round_timeout_s)
    try:
        receiver.open()
        pipeline = Pipeline(semconv.GPU_METRICS, _resource(host, pool), exporter(endpoint, api_key, interval_s))
        try:
            status = _once(receiver, pipeline) if once else _until_told(receiver, pipeline, interval_s)
        finally:
            pipeline.close()
            receiver.close()
    except NoDriverError as error:
        log.error("%s", error)  # noqa: TRY400 - one line for the person at the node, not a traceback
        status = NO_GPU
    raise typer.Exit(status)


def _resource(host: str | None, pool: str | None) -> dict[str, str]:
    said = {"service.name": "trivet-collector", semconv.HOST_NAME: host or socket.gethostname()}
    return {**said, semconv.TRIVET_POOL: pool} if pool else said


def _once(receiver: NvmlReceiver, pipeline: Pipeline) -> int:
    readings = receiver.read()
    if not readings:
        log.error("no GPU could be read on this node: see `nvidia-smi`")
        return NO_GPU
    return 0 if pipeline.send(readings) else NOT_DELIVERED


def _until_told(receiver: NvmlReceiver, pipeline: Pipeline, interval_s: float) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    follow(receiver.read, pipeline.send, interval_s, stop)
    return 0


def main() -> None:
    app()
