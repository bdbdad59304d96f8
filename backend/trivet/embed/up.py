"""`trivet up`: everything on one machine, in one data directory, until Ctrl-C."""

import contextlib
import http.client
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trivet.embed import addresses, keepsakes, left_over
from trivet.embed.child import EmbedError, spawn, stop
from trivet.embed.echo import Echo
from trivet.embed.logs import tail
from trivet.embed.place import Lock, make_folder
from trivet.embed.ports import ANYWHERE, refuse_port_in_use
from trivet.embed.postgres import EmbeddedPostgres
from trivet.embed.redis import EmbeddedRedis
from trivet.embed.supervisor import Program, Supervisor
from trivet.settings import Settings

_READY_LIMIT_S = 60.0
_MIGRATE_LIMIT_S = 600.0


Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The command line of `trivet up`."""

    data_dir: Path
    host: str
    port: int
    otlp_grpc_port: int
    demo: bool


# name, arguments of `trivet`, seconds to stop in. Started in this order; stopped together, the demo before the others.
_PROGRAMS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("api", ("api",), 10.0),
    ("worker-work", ("worker", "--queue", "work"), 10.0),
    ("worker-control", ("worker", "--queue", "control"), 10.0),
    ("beat", ("beat",), 5.0),
)
_DEMO = ("demo", ("demo",), 5.0)
_TOLD = "["  # how the lines of the demo's log begin that tell its story


def up(options: Options, settings: Settings, say: Say) -> int:
    """Run until SIGINT or SIGTERM; the exit status. `say` gets each line for the console."""
    data_dir = options.data_dir.absolute()
    refuse_port_in_use(options.host, options.port)
    if options.otlp_grpc_port:
        refuse_port_in_use(options.host, options.otlp_grpc_port, "--otlp-grpc-port")
    make_folder(data_dir, mode=0o711)
    lock = Lock(data_dir / "up.lock", f"the data directory {data_dir}")
    lock.take()
    say(f"data: {data_dir}")
    if ended := left_over.end(data_dir):
        say(f"ended {ended} processes that an earlier, killed run had left")
    supervisor = Supervisor(data_dir / "run", say)
    with _signals(say) as stopping:
        try:
            return _run(options, settings, supervisor, stopping, say)
        finally:
            supervisor.stop()
            addresses.withdraw(data_dir)
            lock.release()
            say("stopped")


def _run(options: Options, settings: Settings, supervisor: Supervisor, stopping: Callable[[], bool], say: Say) -> int:
    started = time.monotonic()
    data_dir = options.data_dir.absolute()
    admin = keepsakes.admin(data_dir, settings.admin_email, settings.admin_password.get_secret_value())
    env = _environment(options, settings, admin)
    env |= _stores(data_dir, settings, supervisor, say)
    _migrate(data_dir, env, stopping, say)
    if stopping():
        return 0
    story = Echo(data_dir / "logs" / f"{_DEMO[0]}.log", _TOLD)
    _start_programs(options, supervisor, data_dir, env)
    say("started: api, workers for control and work, beat" + (", demo" if options.demo else ""))
    _wait_for_api(options, supervisor, stopping, data_dir)
    if not stopping():
        for line in _welcome(options, admin, time.monotonic() - started, env["TRIVET_SECRET_KEY"]):
            say(line)
    if options.demo:
        supervisor.echo(story)
    supervisor.run(stopping)
    return 0


def _start_programs(options: Options, supervisor: Supervisor, data_dir: Path, env: Mapping[str, str]) -> None:
    for name, arguments, stop_s in (*_PROGRAMS, *([_DEMO] if options.demo else [])):
        log = data_dir / "logs" / f"{name}.log"
        # The page says that what it shows is simulated.
        told = {**env, "TRIVET_DEMO": "true"} if options.demo and name == "api" else env
        is_demo = name == _DEMO[0]
        program = Program(name, _trivet(*arguments), log, told, stop_s=stop_s, finishes=is_demo, alone=is_demo)
        supervisor.start(program)


def _environment(options: Options, settings: Settings, admin: keepsakes.Admin) -> dict[str, str]:
    """What the children are told; secrets go by environment and never by command line."""
    data_dir = options.data_dir.absolute()
    return {
        **os.environ,
        **left_over.mark(data_dir),
        "PYTHONUNBUFFERED": "1",
        "TRIVET_DATA_DIR": str(data_dir),
        "TRIVET_HOST": options.host,
        "TRIVET_PORT": str(options.port),
        "TRIVET_OTLP_GRPC_PORT": str(options.otlp_grpc_port),
        "TRIVET_SECRET_KEY": keepsakes.secret_key(data_dir, settings.secret_key.get_secret_value()),
        "TRIVET_ADMIN_EMAIL": admin.email,
        "TRIVET_ADMIN_PASSWORD": admin.password or settings.admin_password.get_secret_value(),
    }


def _stores(data_dir: Path, settings: Settings, supervisor: Supervisor, say: Say) -> dict[str, str]:
    """Start the embedded database and broker where no setting replaces them; the URLs for the children."""
    embedded = {}
    if not settings.database_url:
        postgres = EmbeddedPostgres(data_dir)
        supervisor.start(postgres)
        postgres.ensure_database()
        embedded["database_url"] = postgres.url()
    if not settings.broker_url:
        redis = EmbeddedRedis(data_dir)
        supervisor.start(redis)
        embedded["broker_url"] = redis.url()
    addresses.publish(data_dir, embedded)
    say("database: " + ("PostgreSQL, embedded" if "database_url" in embedded else "TRIVET_DATABASE_URL"))
    say("broker: " + ("Redis, embedded" if "broker_url" in embedded else "TRIVET_BROKER_URL"))
    urls = {"database_url": settings.database_url, "broker_url": settings.broker_url} | embedded
    return {f"TRIVET_{name.upper()}": url for name, url in urls.items()}


def _trivet(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trivet.cli", *arguments]


def _migrate(data_dir: Path, env: Mapping[str, str], stopping: Callable[[], bool], say: Say) -> None:
    """Run to the end or, where we are asked to stop, break off: each migration is one transaction."""
    log = data_dir / "logs" / "migrate.log"
    process = spawn(_trivet("migrate"), log, env=env)
    deadline = time.monotonic() + _MIGRATE_LIMIT_S
    while process.poll() is None and not stopping() and time.monotonic() < deadline:
        time.sleep(0.02)
    if process.poll() is None:
        stop(process, ((signal.SIGTERM, 5.0),))
    if process.returncode != 0 and not stopping():
        raise EmbedError(f"the migrations failed; {log} ends with:\n{tail(log)}")
    say("migrations: broken off" if process.returncode != 0 else "migrations: done")


def _wait_for_api(options: Options, supervisor: Supervisor, stopping: Callable[[], bool], data_dir: Path) -> None:
    """Until `/healthz` answers. An API that dies before that would only die again: the start fails."""
    deadline = time.monotonic() + _READY_LIMIT_S
    log = data_dir / "logs" / "api.log"

    def over() -> bool:
        return supervisor.dead("api") or time.monotonic() > deadline or answers(options.host, options.port)

    supervisor.run(stopping, until=over)
    if not stopping() and not answers(options.host, options.port):
        raise EmbedError(f"the API did not start; {log} ends with:\n{tail(log)}")


def answers(host: str, port: int) -> bool:
    """Whether `/healthz` says 200."""
    connection = http.client.HTTPConnection(ANYWHERE.get(host, host), port, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _welcome(options: Options, admin: keepsakes.Admin, seconds: float, secret_key: str) -> Iterator[str]:
    url = f"http://{ANYWHERE.get(options.host, options.host)}:{options.port}"
    secret = admin.password or "the password that TRIVET_ADMIN_PASSWORD gave on the first start"
    yield f"ready in {seconds:.1f} s"
    yield f"page:     {url}/"
    yield f"sign in:  {admin.email}  {secret}"
    if options.demo:
        yield from _demo_people(secret_key)
    yield f"keys:     trivet keys create NAME --scopes ingest,policy --data-dir {shlex.quote(str(options.data_dir))}"
    grpc = f"; gRPC: {url.rpartition(':')[0]}:{options.otlp_grpc_port}" if options.otlp_grpc_port else ""
    yield f"OTLP:     {url} (HTTP: /v1/traces, /v1/metrics, /v1/logs){grpc}"
    yield f"logs:     {options.data_dir}/logs, or `trivet logs --data-dir {options.data_dir}`"
    yield "Ctrl-C stops everything; the data stays."
    if options.demo:
        yield "demo:     a simulated model, a recorded trace of arrivals. The story begins once somebody has signed in:"


def _demo_people(secret_key: str) -> Iterator[str]:
    from trivet.demo.people import sign_ins

    for email, password, purpose in sign_ins(secret_key):
        yield f"          {email:<20}  {password}  {purpose}"


@contextlib.contextmanager
def _signals(say: Say) -> Iterator[Callable[[], bool]]:
    """Whether we were asked to stop. The first signal asks; parts have time limits, so a second one changes nothing."""
    received: list[int] = []

    def ask(number: int, _: object) -> None:
        if not received:
            say("stopping")
        received.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
