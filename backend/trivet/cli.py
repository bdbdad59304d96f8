"""The command line. Each command imports what it needs when it runs, so that `trivet --help` is quick."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from trivet.cli_alerts import alerts
from trivet.cli_cards import cards
from trivet.cli_connect import connect
from trivet.cli_keys import keys
from trivet.cli_prices import prices
from trivet.kit import garbage

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
bill = typer.Typer(no_args_is_help=True, help="Bills of providers.")
focus = typer.Typer(no_args_is_help=True, help="FOCUS files, of ours or of others.")
_groups = {"keys": keys, "bill": bill, "focus": focus, "prices": prices, "cards": cards, "alerts": alerts}
for _name, _group in _groups.items():
    app.add_typer(_group, name=_name)
app.command("connect")(connect)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept. [setting: data_dir]")]


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
    print("the database has the newest schema")


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
def export(
    kind: Annotated[str, typer.Argument(help="usage, costs, statement, allocation or supply.")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339, inclusive: 2026-11-01T00:00:00Z.")] = "",
    end: Annotated[str, typer.Option("--to", help="RFC 3339, exclusive.")] = "",
    *,
    form: Annotated[str, typer.Option("--format", help="csv, xlsx, pdf, focus.csv or parquet.")] = "",
    month: Annotated[str, typer.Option(help="A whole month instead of --from and --to: 2026-11.")] = "",
    cost_centre: Annotated[str, typer.Option(help="Whose statement.")] = "",
    group_by: Annotated[str, typer.Option(help="Dimensions, comma-separated.")] = "tenant,model",
    grain: Annotated[str, typer.Option(help="Rows by 1h, 1d or 1mo as well.")] = "",
    as_of: Annotated[str, typer.Option(help="As of the close of a month: 2026-10.")] = "",
    focus_version: Annotated[str, typer.Option(help="1.2, 1.3 or 1.4.")] = "1.2",
    out: Annotated[Path | None, typer.Option(help="File to write; the terminal where left out.")] = None,
    data_dir: DataDir = None,
) -> None:
    """A file of an interval, with the numbers that the page and the API give."""
    from trivet.kit.errors import TrivetError
    from trivet.report.export import run, wish_of

    use_database(data_dir)
    try:
        wish = wish_of(
            kind, start, end, form=form, month=month, cost_centre=cost_centre, group_by=group_by, grain=grain or None,
            as_of=as_of or None, focus_version=focus_version,
        )  # fmt: skip
        count = run(kind, wish, out)
    except TrivetError as refused:
        fail(refused.detail)
    if out:
        print(f"{count} rows in {out}")


@bill.command("import")
def import_bill(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="FOCUS or a provider's CSV; gzip, Parquet.")
    ],
    *,
    usage: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The provider's tokens, beside it.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="What it is; its header says so where left out.")] = "",
    provider: Annotated[str, typer.Option(help="Who bills, where the file does not say.")] = "",
    zone: Annotated[str, typer.Option(help="Whose days it counts in: UTC, America/Los_Angeles.")] = "",
    services: Annotated[
        str, typer.Option(help="Services to take, by parts of their names with | between; * takes all.")
    ] = "",
    replaces: Annotated[int | None, typer.Option(help="The bill whose place it takes.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read.")] = False,
    post: Annotated[bool, typer.Option("--post", help="Post the differences at once.")] = False,
    spread: Annotated[str, typer.Option(help="Who bears them: apart, or use.")] = "apart",
    data_dir: DataDir = None,
) -> None:
    """Import a bill, and say how it compares with what was measured."""
    from pydantic import ValidationError

    from trivet.bill.asked import Given
    from trivet.bill.command import run
    from trivet.kit.errors import TrivetError

    use_database(data_dir)
    try:
        given = Given(
            format=form, provider=provider, zone=zone, services=services, replaces=replaces, skip_bad=skip_bad
        )  # fmt: skip
    except ValidationError as wrong:
        fail("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in wrong.errors()))
    try:
        run(file, usage, given, spread=spread if post else "", actor=f"cli:{os_user()}", say=say)
    except TrivetError as refused:
        fail(refused.detail)


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


@focus.command("check")
def check_focus(
    file: Annotated[Path, typer.Argument(help="A FOCUS file, CSV or Parquet.")],
    focus_version: Annotated[str, typer.Option(help="1.2, 1.3 or 1.4; what its header speaks where left out.")] = "",
) -> None:
    """Hold a FOCUS file against the rules; status 1 where it breaks one that it must keep. Needs no database."""
    from trivet.kit.errors import TrivetError
    from trivet.report.files.focus_check import check_file, told

    try:
        verdict, version = check_file(file, focus_version)
    except TrivetError as refused:
        fail(refused.detail)
    for line in told(verdict, version):
        print(line)
    if not verdict.ok:
        raise typer.Exit(1)


@focus.command("columns")
def focus_columns(focus_version: Annotated[str, typer.Option(help="1.2, 1.3 or 1.4.")] = "1.2") -> None:
    """The columns of our FOCUS files, with their levels and what they hold."""
    from trivet.report.files.focus_columns import VERSIONS, columns

    if focus_version not in VERSIONS:
        fail(f"--focus-version is one of {', '.join(VERSIONS)}.")
    for column in columns(focus_version):
        print(f"{column.name:36} {column.level} {'null' if column.nullable else '    '} {column.kind}")


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
        print(f"== {path}\n{tail(path, lines)}")


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Check what Trivet needs, one line each, with what to do; exit status 1 where something is wrong."""
    from trivet.doctor import examine
    from trivet.settings import get_settings

    settings = get_settings()
    findings = examine(settings, data_dir or settings.data_dir)
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.detail}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def quiet_celery() -> None:
    """No log line per task: failures are logged, and the canary proves that tasks come back."""
    import logging

    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


def use_database(data_dir: Path | None) -> None:
    """Talk to the database that the settings name, else to that of the `trivet up` that runs on the data directory."""
    from trivet.embed.addresses import use_running
    from trivet.settings import Settings, get_settings

    use_running(data_dir or Settings().data_dir)  # type: ignore[call-arg]  # every field has a default
    if not get_settings().database_url:
        fail("TRIVET_DATABASE_URL is not set, and no `trivet up` runs on this data directory")


def os_user() -> str:
    """Who runs this; the number where the machine has no name for it."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _said(where: tuple[int | str, ...], message: str) -> str:
    """A setting that cannot be as it is, in one line."""
    return ": ".join([*map(str, where), message.removeprefix("Value error, ")])


def say(line: str) -> None:
    """One line for the person at the console, at once."""
    print(line, flush=True)


def fail(message: str) -> NoReturn:
    """Say on stderr why not, and end with status 1."""
    print(f"trivet: {message}", file=sys.stderr)
    raise typer.Exit(1)


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
