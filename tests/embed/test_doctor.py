"""`trivet doctor` against real stores, well and unwell."""

import socket
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from trivet import db
from trivet.archive.models import ArchivedDay
from trivet.doctor import Finding, examine
from trivet.embed import addresses
from trivet.kit.clock import utc_now
from trivet.selfwatch import Canary
from trivet.settings import Settings


def look(tmp_path: Path, **settings: str | int) -> dict[str, Finding]:
    ports = {"port": free_port(), "otlp_grpc_port": free_port()}
    given = Settings(**{"database_url": "", "broker_url": "", "secret_key": "a secret", **ports, **settings})  # type: ignore[arg-type]
    return {finding.what: finding for finding in examine(given, tmp_path)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TestDoctor:
    def test_a_well_installation_is_well_in_every_line(self, tmp_path: Path, database: str, broker_url: str) -> None:
        with db.transaction() as session:
            session.add_all(Canary(queue=queue, returned_at=utc_now()) for queue in ("control", "work"))
        found = look(tmp_path, database_url=database, broker_url=broker_url)
        assert {what: f.detail for what, f in found.items() if not f.ok} == {}
        assert list(found) == ["settings", "database", "broker", "workers", "retention", "OTLP", "web assets", "disk"]

    def test_a_silent_worker_is_found(self, tmp_path: Path, database: str) -> None:
        with db.transaction() as session:
            session.add(Canary(queue="control", returned_at=utc_now()))
        found = look(tmp_path, database_url=database)["workers"]
        assert not found.ok
        assert found.detail == "no task came back from work lately: see `trivet logs`"

    def test_a_day_that_could_not_be_written_is_found(self, tmp_path: Path, database: str) -> None:
        assert "written nowhere" in look(tmp_path, database_url=database)["retention"].detail
        archive = str(tmp_path / "archive")
        found = look(tmp_path, database_url=database, archive_url=archive)["retention"]
        assert (found.ok, found.detail) == (True, f"days are written to file://{archive}, then dropped")
        day = {
            "table_name": "request",
            "day": date(2026, 8, 1),
            "url": "",
            "files": 0,
            "rows": 0,
            "bytes": 0,
            "picos": 0,
        }
        with db.transaction() as session:
            session.add(ArchivedDay(**day, failed_at=utc_now(), failure="no space"))
        found = look(tmp_path, database_url=database, archive_url=archive)["retention"]
        assert (found.ok, found.detail) == (False, "request 2026-08-01 could not go: no space")

    def test_an_archive_that_takes_nothing_is_found(self, tmp_path: Path, database: str) -> None:
        (tmp_path / "archive").write_text("a file")
        assert not look(tmp_path, database_url=database, archive_url=str(tmp_path / "archive"))["retention"].ok

    def test_a_port_that_answers_where_the_other_does_not_is_found(self, tmp_path: Path) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            found = look(tmp_path, otlp_grpc_port=port)["OTLP"]
            assert not found.ok
            assert f"gRPC on {port}: gRPC answers and HTTP does not" in found.detail
            assert look(tmp_path, port=port, otlp_grpc_port=port)["OTLP"].ok
            assert "is not served" in look(tmp_path, otlp_grpc_port=0)["OTLP"].detail

    def test_an_older_schema_is_found_with_what_to_do(self, tmp_path: Path, database: str) -> None:
        with db.transaction() as session:
            revision = session.scalar(text("SELECT version_num FROM alembic_version"))
            session.execute(text("UPDATE alembic_version SET version_num = 'older'"))
        found = look(tmp_path, database_url=database)["database"]
        with db.transaction() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        assert (found.ok, found.detail) == (False, "reachable, with an older schema: run `trivet migrate`")

    def test_stores_that_are_away_are_findings_and_not_crashes(self, tmp_path: Path) -> None:
        found = look(
            tmp_path,
            database_url="postgresql://nobody@/none?host=/nowhere",
            broker_url="redis+socket:///nowhere/redis.sock",
        )
        assert [what for what, f in found.items() if not f.ok] == ["database", "broker", "workers"]
        assert "/nowhere" in found["database"].detail

    def test_nothing_set_and_nothing_running_says_what_to_start(self, tmp_path: Path) -> None:
        found = look(tmp_path)
        assert [found[what].ok for what in ("settings", "database", "broker", "workers")] == [False] * 4
        assert "trivet up" in found["database"].detail

    @pytest.mark.usefixtures("database")
    def test_it_finds_the_stores_of_a_running_trivet_up(self, tmp_path: Path, database: str, broker_url: str) -> None:
        addresses.publish(tmp_path, {"database_url": database, "broker_url": broker_url})
        found = look(tmp_path, secret_key="")
        assert found["database"].ok
        assert found["broker"].ok
        assert found["settings"].detail == "embedded, by `trivet up`"
        addresses.withdraw(tmp_path)
        assert not look(tmp_path)["database"].ok
