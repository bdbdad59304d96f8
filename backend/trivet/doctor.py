"""`trivet doctor`: what Trivet needs, looked at one by one, each finding with what to do."""

import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trivet.embed.addresses import running
from trivet.embed.ports import ANYWHERE
from trivet.paths import shipped
from trivet.settings import Settings

_FREE_BYTES_MIN = 2 << 30
_BROKER_TIMEOUT_S = 3.0
_PORT_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is well, and what is so or what to do."""

    what: str
    ok: bool
    detail: str


def examine(settings: Settings, data_dir: Path) -> list[Finding]:
    """Every finding. A check that raises is a finding too, never the end of the examination."""
    embedded = running(data_dir)
    database_url = settings.database_url or embedded.get("database_url", "")
    broker_url = settings.broker_url or embedded.get("broker_url", "")
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("settings", lambda: _settings(settings, embedded)),
        ("database", lambda: _database(database_url)),
        ("broker", lambda: _broker(broker_url)),
        ("workers", lambda: _workers(database_url)),
        ("retention", lambda: _retention(settings, database_url)),
        ("OTLP", lambda: _otlp(settings)),
        ("web assets", _web_assets),
        ("disk", lambda: _disk(data_dir)),
    )
    return [_guarded(what, check) for what, check in checks]


def _guarded(what: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return Finding(what, False, lines[0])


def _settings(settings: Settings, embedded: dict[str, str]) -> Finding:
    if not settings.database_url and not embedded:
        return Finding("settings", False, "no TRIVET_DATABASE_URL, and no `trivet up` runs on this data directory")
    if not embedded and not settings.secret_key.get_secret_value():
        return Finding("settings", False, "TRIVET_SECRET_KEY is empty: set the same long random text in every process")
    return Finding("settings", True, "embedded, by `trivet up`" if embedded else "read from the environment")


def _database(url: str) -> Finding:
    if not url:
        return Finding("database", False, "not known: start `trivet up`, or set TRIVET_DATABASE_URL")
    from trivet import schema

    if schema.is_current(url):
        return Finding("database", True, "reachable, with the newest schema")
    return Finding("database", False, "reachable, with an older schema: run `trivet migrate`")


def _broker(url: str) -> Finding:
    if not url:
        return Finding("broker", False, "not known: start `trivet up`, or set TRIVET_BROKER_URL")
    from kombu.connection import Connection

    with Connection(url) as connection:  # type: ignore[no-untyped-call]  # kombu has no types
        connection.ensure_connection(max_retries=1, timeout=_BROKER_TIMEOUT_S)
    return Finding("broker", True, "reachable")


def _workers(url: str) -> Finding:
    """The canary of each queue is what proves a worker: it can answer a ping and consume nothing."""
    if not url:
        return Finding("workers", False, "not known without a database")
    from sqlalchemy import select

    from trivet import db, selfwatch
    from trivet.kit.clock import utc_now

    engine = db.make_engine(url, pool_size=1, max_overflow=0)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(selfwatch.Canary.queue, selfwatch.Canary.returned_at)).all()
    finally:
        engine.dispose()
    ages = {queue: (utc_now() - at).total_seconds() for queue, at in rows}
    late = [queue for queue in ("control", "work") if ages.get(queue, float("inf")) > selfwatch.CANARY_LATE_S]
    if late:
        return Finding("workers", False, f"no task came back from {' and '.join(late)} lately: see `trivet logs`")
    return Finding("workers", True, ", ".join(f"{queue} {age:.0f} s ago" for queue, age in sorted(ages.items())))


def _retention(settings: Settings, url: str) -> Finding:
    """The archive takes a file, and no day waits for it."""
    if settings.archive_url:
        from trivet.archive.place import Place

        place = Place(settings.archive_url)
        place.must_take()
        where = f"days are written to {place.name}, then dropped"
    else:
        where = "days are dropped and written nowhere (TRIVET_ARCHIVE_URL is empty)"
    failed = _day_that_could_not_go(url) if url else ""
    return Finding("retention", not failed, failed or where)


def _day_that_could_not_go(url: str) -> str:
    """Which, and why; empty for none, and where the database is away, which another finding says."""
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from trivet import db
    from trivet.archive.models import ArchivedDay

    engine = db.make_engine(url, pool_size=1, max_overflow=0)
    failing = select(ArchivedDay.table_name, ArchivedDay.day, ArchivedDay.failure)
    try:
        with engine.connect() as connection:
            found = connection.execute(failing.where(ArchivedDay.failed_at.is_not(None)).limit(1)).first()
    except SQLAlchemyError:
        return ""
    finally:
        engine.dispose()
    return f"{found[0]} {found[1]} could not go: {found[2]}" if found else ""


def _otlp(settings: Settings) -> Finding:
    """The two ports: both answer, or both are free for an API that is yet to start."""
    if not settings.otlp_grpc_port:
        return Finding("OTLP", True, f"HTTP on {settings.port}; gRPC is not served, TRIVET_OTLP_GRPC_PORT is 0")
    http, grpc = (_answers(settings.host, port) for port in (settings.port, settings.otlp_grpc_port))
    both = f"HTTP on {settings.port}, gRPC on {settings.otlp_grpc_port}"
    if http == grpc:
        return Finding("OTLP", True, f"{both}: {'both answer' if http else 'no API runs here'}")
    silent, other = ("gRPC", "HTTP") if http else ("HTTP", "gRPC")
    advice = "another program may hold one of the ports: see TRIVET_PORT and TRIVET_OTLP_GRPC_PORT"
    return Finding("OTLP", False, f"{both}: {other} answers and {silent} does not; {advice}")


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((ANYWHERE.get(host, host), port), _PORT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _web_assets() -> Finding:
    folder = shipped("web") / "static" / "dist"
    if folder.is_dir() and any(folder.iterdir()):
        return Finding("web assets", True, "built")
    return Finding("web assets", False, f"not in {folder}: run `make env`")


def _disk(data_dir: Path) -> Finding:
    there = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / (1 << 30):.1f} GiB free at {there}"
    return Finding("disk", free >= _FREE_BYTES_MIN, text if free >= _FREE_BYTES_MIN else f"{text}: make room")
