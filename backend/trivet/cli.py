"""The command line. Each command imports what it needs when it runs, so that `trivet --help` is quick."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trivet.cli_alerts import alerts
from trivet.cli_cards import cards
from trivet.cli_connect import connect
from trivet.cli_files import bill, export, focus
from trivet.cli_keys import keys
from trivet.cli_prices import prices
from trivet.cli_shared import DataDir, fail, say, use_database
from trivet.kit import garbage

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_groups = {"keys": keys, "bill": bill, "focus": focus, "prices": prices, "cards": cards, "alerts": alerts}
for _name, _group in _groups.items():
    app.add_typer(_group, name=_name)
app.command("connect")(connect)
app.command("export")(export)


@app.callback()
def trivet() -> None:
    """Quality, latency and cost of LLM inference: what may give way, and what it costs."""
    from pydantic import ValidationError

    from trivet.settings import Settings

    try:
        Settings()  # type: ignore[call-arg]  # every field has a default
    except ValidationError as wrong:
        fail("; ".join(_said(error["loc"], error["msg"]) for error in wrong.errors()))


@app.command()
def up(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [setting: host]")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and of OTLP/HTTP. [setting: port]")] = None,
    otlp_grpc_port: Annotated[
        int | None, typer.Option(help="Port of OTLP/gRPC, 0 for none. [setting: otlp_grpc_port]")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Also run the simulated backend and its story.")] = False,
) -> None:
    """Everything on this machine, with an embedded PostgreSQL and Redis, until Ctrl-C."""
    from trivet.embed import up as embedded
    from trivet.embed.child import EmbedError
    from trivet.settings import get_settings

    settings = get_settings()
    grpc_port = settings.otlp_grpc_port if otlp_grpc_port is None else otlp_grpc_port
    options = embedded.Options(
        data_dir or settings.data_dir, host or settings.host, port or settings.port, grpc_port, demo
    )
    try:
        status = embedded.up(options, settings, say)
    except EmbedError as error:
        fail(str(error))
    raise typer.Exit(status)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from trivet import schema
    from trivet.settings import get_settings

    url = get_settings().database_url
    if not url:
        fail("TRIVET_DATABASE_URL is not set; `trivet up` migrates its own database by itself")
    schema.upgrade(url)
    say("the database has the newest schema")


@app.command()
def api(
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="So many, sharing the ports. [setting: api_processes]")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Others of ours listen on the same ports.")] = False,
) -> None:
    """The API, OTLP over HTTP and gRPC, and the page, until SIGINT or SIGTERM."""
    import os

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # a port that is taken is said once, by us
    from trivet import serve
    from trivet.embed.child import EmbedError
    from trivet.ingest.line.grpc_server import PortTakenError
    from trivet.settings import get_settings

    settings = get_settings()
    count = processes or settings.api_processes
    try:
        if not shared:
            serve.refuse_ports_in_use(settings)
        if count > 1:
            serve.serve_many(count, say)
        else:
            serve.serve(settings, shared=shared)
    except (EmbedError, PortTakenError) as error:
        fail(str(error))


@app.command()
def worker(
    queue: Annotated[str, typer.Option(help="Queues to work on, comma-separated.")] = "control,work",
    concurrency: Annotated[int, typer.Option(help="Tasks at once.")] = 2,
) -> None:
    """A Celery worker."""
    from trivet.settings import get_settings
    from trivet.worker import app as celery

    arguments = ["worker", "--queues", queue, "--concurrency", str(concurrency), "--hostname", f"{queue}@%h"]
    arguments += ["--loglevel", get_settings().log_level, "--without-gossip", "--without-mingle"]
    quiet_celery()
    garbage.as_usual()
    celery.worker_main(arguments)


@app.command()
def beat() -> None:
    """Celery's clock. Two of them are harmless."""
    from trivet.settings import get_settings
    from trivet.worker import app as celery

    settings = get_settings()
    schedule = settings.data_dir / "run" / "beat-schedule"
    schedule.parent.mkdir(parents=True, exist_ok=True)
    quiet_celery()
    garbage.as_usual()
    celery.start(["beat", "--loglevel", settings.log_level, "--schedule", str(schedule), "--pidfile", ""])


@app.command()
def demo() -> None:
    """The simulated serving backend and the story it plays, against a running API."""
    from trivet.demo.story import main as play

    play()


@app.command("drill-backend")
def drill_backend(
    name: Annotated[str, typer.Option(help="Its name, which begins with drill-.")] = "drill-1",
    endpoint: Annotated[str, typer.Option(help="Where Trivet listens.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str, typer.Option(envvar="TRIVET_DRILL_KEY", help="A key with the scopes ingest and policy.")
    ] = "",
    scenario: Annotated[list[str] | None, typer.Option(help="Only these scenarios; may be given often.")] = None,
) -> None:
    """A backend to drill ladders on: follows the policy, serves nobody, tells what it runs under; until Ctrl-C."""
    import signal
    import threading

    from trivet.demo.drill_backend import PREFIX, run

    if not name.startswith(PREFIX):
        fail(
            f"the name of a backend for drills begins with {PREFIX}, so that nobody takes it for one that serves people"
        )
    if not api_key:
        fail("give it a key: export TRIVET_DRILL_KEY=$(trivet keys create drills --scopes ingest,policy)")
    until = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: until.set())
    run(endpoint, api_key, name, tuple(scenario or ()), until=until, say=say)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Trace of arrivals: CSV, may be .gz.")],
    speed: Annotated[float, typer.Option(min=0.001, help="Times faster than recorded.")] = 1.0,
    target: Annotated[str, typer.Option(help="OpenAI-compatible server to drive.")] = "http://127.0.0.1:8100",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many of the trace's first calls.")] = None,
    api_key: Annotated[
        str, typer.Option(envvar="TRIVET_REPLAY_KEY", help="The server's key, where it wants one.")
    ] = "",
) -> None:
    """Drive a serving backend with a recorded trace: arrivals and token counts as recorded."""
    from trivet.demo.replay import replay as drive

    drive(file, speed, target, limit=limit, api_key=api_key)


@app.command()
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and why the rest stays.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write days older than their retention to the archive and drop them, as the hourly task does."""
    from trivet.archive.telling import tell
    from trivet.kit.clock import utc_now
    from trivet.settings import get_settings

    use_database(data_dir)
    for line in tell(utc_now(), get_settings(), dry_run=dry_run):
        say(line)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="One part, such as api; all of them where left out.")] = None,
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="Last lines of each.")] = 40,
    data_dir: DataDir = None,
) -> None:
    """The last lines of the logs that `trivet up` keeps."""
    from trivet.embed.logs import tail
    from trivet.settings import get_settings

    folder = (data_dir or get_settings().data_dir) / "logs"
    found = sorted(folder.glob(f"{name or '*'}.log"))
    if not found:
        fail(f"no log {name or ''} in {folder}; there are: {', '.join(p.stem for p in sorted(folder.glob('*.log')))}")
    for path in found:
        say(f"== {path}\n{tail(path, lines)}")


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Check what Trivet needs, one line each, with what to do; exit status 1 where something is wrong."""
    from trivet.doctor import examine
    from trivet.settings import get_settings

    settings = get_settings()
    findings = examine(settings, data_dir or settings.data_dir)
    for finding in findings:
        say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.detail}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def quiet_celery() -> None:
    """No log line per task: failures are logged, and the canary proves that tasks come back."""
    import logging

    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _said(where: tuple[int | str, ...], message: str) -> str:
    """A setting that cannot be as it is, in one line."""
    return ": ".join([*map(str, where), message.removeprefix("Value error, ")])


def main() -> None:
    """Entry point of the `trivet` command, which a GPU node has too."""
    garbage.seldom()
    try:
        app()
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "trivet":
            raise
        sys.exit(f"trivet: {error.name} is not installed: the server needs `pip install '.[server]'`")


if __name__ == "__main__":
    main()
