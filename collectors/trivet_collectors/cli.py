"""`trivet-collector`: one agent beside the models, for everything on a node that is to be read.

Exit status: 0 stopped, or done; 1 not delivered (`--once`), or a source that cannot be read (`--check`); 2 wrong use or
configuration; 3 no usable driver and nothing else to read, or no GPU (`--once`).
"""

import contextlib
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from trivet_collectors.agent import Agent
from trivet_collectors.check import check
from trivet_collectors.config import Config, ConfigError, MetricsConfig, NvmlConfig, PrometheusConfig, load, parse
from trivet_collectors.setup import Setup

FAILED: Final = 1
WRONG_USE: Final = 2
NO_SOURCE: Final = 3

log = logging.getLogger("trivet.collector")
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show what variables hold, a key among them
    help="Collects beside the models and sends OTLP to Trivet.",
)

Endpoint = Annotated[
    str | None, typer.Option(envvar="TRIVET_ENDPOINT", help="Trivet's address; else OTEL_EXPORTER_OTLP_ENDPOINT.")
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="TRIVET_API_KEY", help="A key with scope ingest; safer in the environment.")
]
Pool = Annotated[str | None, typer.Option(envvar="TRIVET_POOL", help="The pool of GPUs that this is of.")]
Host = Annotated[str | None, typer.Option(help="The node's name; else its host name.")]
Once = Annotated[bool, typer.Option("--once", help="One round, then exit.")]
QueueDir = Annotated[str | None, typer.Option(help="Where exports wait; else $STATE_DIRECTORY/queue, else memory.")]
MetricsPort = Annotated[int | None, typer.Option(help="Loopback port of the agent's own /metrics.")]
Interval = Annotated[float, typer.Option(min=0.05, help="Seconds between exports.")]


@app.callback()
def collector() -> None:
    """Collects beside the models and sends OTLP to Trivet. `run` reads what a file names; the others one source each."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="trivet-collector: %(message)s")


@app.command()
def run(
    config: Annotated[Path, typer.Option("--config", help="TOML; deploy/trivet-collector.toml shows every key.")],
    *,
    only_check: Annotated[
        bool, typer.Option("--check", help="Check the file, try each source once, say what came of it.")
    ] = False,
    once: Once = False,
) -> None:
    """Runs every receiver of a configuration until told to stop."""
    try:
        loaded = load(config)
    except ConfigError as error:
        raise _wrong(error) from error
    if only_check:
        raise typer.Exit(_checked(loaded))
    _start(loaded, once)


@app.command()
def nvml(
    *,
    endpoint: Endpoint = None,
    api_key: ApiKey = None,
    interval_s: Interval = 10.0,
    sample_interval_s: Annotated[float, typer.Option(min=0.05, help="Seconds between readings.")] = 1.0,
    round_timeout_s: Annotated[float, typer.Option(min=0.1, help="Seconds the driver has for a round.")] = 5.0,
    once: Once = False,
    pool: Pool = None,
    host: Host = None,
    queue_dir: QueueDir = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Reads every NVIDIA GPU of this node and sends its metrics."""
    own = NvmlConfig(interval_s=min(sample_interval_s, interval_s), round_timeout_s=round_timeout_s)
    made = Config(endpoint=endpoint, api_key=api_key, host=host, pool=pool, send_interval_s=interval_s, nvml=(own,))
    _start(_with(made, queue_dir, metrics_port), once)


@app.command()
def prometheus(
    url: Annotated[str, typer.Argument(help="The metrics page, http://127.0.0.1:8000/metrics.")],
    *,
    endpoint: Endpoint = None,
    api_key: ApiKey = None,
    engine: Annotated[str | None, typer.Option(help="Whose page it is; else told by the names on it.")] = None,
    interval_s: Interval = 10.0,
    backend: Annotated[str | None, typer.Option(help="The serving backend that this is.")] = None,
    scenario: Annotated[str | None, typer.Option(help="The scenario it serves, when it serves one.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, where the page does not say it.")] = None,
    once: Once = False,
    pool: Pool = None,
    host: Host = None,
    queue_dir: QueueDir = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Scrapes one metrics page and sends what it says. With --once: gauges only, a counter's growth takes two."""
    own = {
        "url": url,
        "engine": engine,
        "backend": backend,
        "scenario": scenario,
        "model": model,
        "interval_s": interval_s,
    }
    try:
        page: PrometheusConfig = parse(
            {"receivers": {"prometheus": [{k: v for k, v in own.items() if v is not None}]}}
        ).prometheus[0]
    except ConfigError as error:
        raise _wrong(error) from error
    made = Config(
        endpoint=endpoint, api_key=api_key, host=host, pool=pool, send_interval_s=interval_s, prometheus=(page,)
    )
    _start(_with(made, queue_dir, metrics_port), once)


@app.command()
def drive(
    config: Annotated[Path, typer.Option("--config", help="TOML; deploy/drivers.toml shows every key.")],
    *,
    once: Once = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and say what would be done.")] = False,
) -> None:
    """Brings engines and clusters to what Trivet's policy wants: vLLM, Triton, Kubernetes, Argo Rollouts."""
    try:
        from trivet_collectors.drivers import plan, run
    except ModuleNotFoundError as error:
        raise _wrong(ConfigError(f"{error.name} is not installed: drivers need `pip install '.[client]'`")) from error
    try:
        runner = run.Runner(plan.load(config), dry=dry_run)
    except ConfigError as error:
        raise _wrong(error) from error
    if once:
        raise typer.Exit(0 if runner.once() else FAILED)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop.set())
    runner.run()


def _with(config: Config, queue_dir: str | None, metrics_port: int | None) -> Config:
    return replace(config, queue=replace(config.queue, dir=queue_dir), metrics=MetricsConfig(port=metrics_port))


def _start(config: Config, once: bool) -> None:
    try:
        setup = Setup(config, os.environ, in_memory=once)
    except ConfigError as error:
        raise _wrong(error) from error
    with contextlib.closing(setup):
        raise typer.Exit(_once(setup.agent) if once else _until_told(setup.agent))


def _once(agent: Agent) -> int:
    delivered = agent.once()
    if all(reader.lost is not None for reader in agent.readers):
        return NO_SOURCE
    if not any(reader.readings for reader in agent.readers):
        if any(reader.name == "trivet-nvml" for reader in agent.readers):
            log.error("no GPU could be read on this node: see `nvidia-smi`")
            return NO_SOURCE
        if not any(reader.failing for reader in agent.readers):
            log.error("nothing to send after one round: a counter's growth takes two, run it without --once")
        return FAILED
    return 0 if delivered else FAILED


def _until_told(agent: Agent) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop.set())
    return 0 if agent.run() else NO_SOURCE


def _checked(config: Config) -> int:
    well = True
    for line in check(config, os.environ):
        well = well and line.well
        typer.echo(line.text)
    return 0 if well else FAILED


def _wrong(error: ConfigError) -> typer.Exit:
    log.error("%s", error)
    return typer.Exit(WRONG_USE)


def main() -> None:
    app()
