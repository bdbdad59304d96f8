"""The embedded PostgreSQL: really started, stopped, killed and recovered."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from trivet.embed.child import EmbedError, runs
from trivet.embed.postgres import EmbeddedPostgres


def connect(postgres: EmbeddedPostgres, dbname: str = "trivet") -> psycopg.Connection:
    return psycopg.connect(postgres.url(dbname).replace("+psycopg", ""), autocommit=True)


def value(postgres: EmbeddedPostgres, statement: str) -> object:
    with connect(postgres) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


@pytest.fixture(scope="class")
def running() -> Iterator[EmbeddedPostgres]:
    """One server for the tests that leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="trivet-test-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
        postgres.ensure_database()
        yield postgres


@pytest.fixture(scope="module")
def kept() -> Iterator[Path]:
    """A folder whose cluster is made and stopped, for the tests that only need one to be there; each has a table of its own."""
    with tempfile.TemporaryDirectory(prefix="trivet-test-") as folder:
        with EmbeddedPostgres(Path(folder)) as postgres:
            postgres.ensure_database()
        yield Path(folder)


class TestStart:
    def test_it_is_postgresql_18_in_utc_on_a_socket_without_tcp(self, running: EmbeddedPostgres) -> None:
        assert str(value(running, "SHOW server_version")).startswith("18.")
        assert value(running, "SHOW timezone") == "UTC"
        assert value(running, "SHOW listen_addresses") == ""
        assert value(running, "SHOW fsync") == "on"

    def test_it_never_runs_as_root(self, running: EmbeddedPostgres) -> None:
        assert running.process is not None
        assert Path(f"/proc/{running.process.pid}").stat().st_uid != 0

    def test_making_a_database_again_keeps_it(self, running: EmbeddedPostgres) -> None:
        with connect(running) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        running.ensure_database()
        assert value(running, "SELECT count(*) FROM kept") == 0

    def test_a_second_start_of_the_same_data_says_who_has_it(self, running: EmbeddedPostgres) -> None:
        with pytest.raises(EmbedError, match=rf"in use by another Trivet \(process {os.getpid()}\)"):
            EmbeddedPostgres(running.data_dir).start()

    def test_the_server_and_its_log_are_closed_to_others(self, running: EmbeddedPostgres) -> None:
        assert (running.data_dir / "postgres").stat().st_mode & 0o077 == 0
        assert running.log.stat().st_mode & 0o007 == 0

    def test_a_failure_shows_the_end_of_the_log(self, kept: Path) -> None:
        settings = kept / "postgres" / "cluster" / "postgresql.conf"
        good = settings.read_text()
        settings.write_text("no_such_setting_anywhere = 1\n")
        with pytest.raises(EmbedError, match="no_such_setting_anywhere"):
            EmbeddedPostgres(kept).start()
        settings.write_text(good)

    def test_a_path_too_long_for_a_socket_is_fine(self, data_dir: Path) -> None:
        with EmbeddedPostgres(data_dir / ("long-" * 20), durable=False) as postgres:
            postgres.ensure_database()
            assert value(postgres, "SELECT 1") == 1

    def test_an_interrupted_first_start_leaves_nothing_half_made(self, data_dir: Path) -> None:
        half = data_dir / "postgres" / "cluster.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n")
        with EmbeddedPostgres(data_dir, durable=False) as postgres:
            postgres.ensure_database()
            assert value(postgres, "SELECT 1") == 1


class TestStop:
    def test_data_is_there_after_stop_and_start(self, kept: Path) -> None:
        with EmbeddedPostgres(kept) as postgres, connect(postgres) as connection:
            connection.execute("CREATE TABLE stopped AS SELECT generate_series(1, 1000) n")
        with EmbeddedPostgres(kept) as postgres:
            assert value(postgres, "SELECT count(*) FROM stopped") == 1000

    def test_an_open_connection_does_not_hold_it_up(self, kept: Path) -> None:
        postgres = EmbeddedPostgres(kept)
        postgres.start()
        connection = connect(postgres, "postgres")
        began = time.monotonic()
        postgres.stop()
        connection.close()
        assert time.monotonic() - began < 5

    def test_stopping_twice_is_harmless(self, kept: Path) -> None:
        postgres = EmbeddedPostgres(kept)
        postgres.start()
        postgres.stop()
        postgres.stop()


class TestKill:
    def test_every_committed_row_is_there_after_kill_9(self, kept: Path) -> None:
        postgres = EmbeddedPostgres(kept)
        postgres.start()
        with connect(postgres) as connection:
            connection.execute("CREATE TABLE killed (n int)")
            for n in range(200):
                connection.execute("INSERT INTO killed VALUES (%s)", [n])
            assert postgres.process is not None
            os.kill(postgres.process.pid, signal.SIGKILL)
        postgres.process.wait()
        postgres.stop()
        with EmbeddedPostgres(kept) as again:
            assert value(again, "SELECT count(*) FROM killed") == 200

    def test_a_pid_file_that_names_another_process_is_no_obstacle(self, kept: Path) -> None:
        with EmbeddedPostgres(kept):
            pass
        pid_file = kept / "postgres" / "cluster" / "postmaster.pid"
        pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")
        with EmbeddedPostgres(kept) as postgres:
            assert postgres.process is not None

    def test_the_server_dies_with_its_killed_parent_and_the_data_is_free(self, kept: Path) -> None:
        script = (
            "import sys, time, pathlib; from trivet.embed.postgres import EmbeddedPostgres\n"
            "p = EmbeddedPostgres(pathlib.Path(sys.argv[1])); p.start(); print(p.process.pid, flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", script, str(kept)], stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            server = int(parent.stdout.readline())
            parent.kill()
        with EmbeddedPostgres(kept) as postgres:
            assert postgres.process is not None
            assert postgres.process.pid != server
            assert not runs(server, "postgres")


def test_the_programs_run_from_a_copy_where_the_account_may_not_walk_to_the_wheel(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivet.embed.postgres.can_enter", lambda _, folder: folder.name != "bin")
    monkeypatch.setattr("trivet.embed.postgres._SYSTEM_HOME", data_dir / "system")
    data_dir.chmod(0o711)
    for _ in range(2):
        with EmbeddedPostgres(data_dir / "data", durable=False) as postgres:
            assert postgres.process is not None
            assert (data_dir / "system") in Path(f"/proc/{postgres.process.pid}/exe").readlink().parents
    assert len(list((data_dir / "system").iterdir())) == 1


@pytest.mark.parametrize("durable", [True, False])
def test_the_data_may_lie_under_a_folder_closed_to_the_servers_account(
    data_dir: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivet.embed.postgres._SYSTEM_HOME", data_dir / "system")
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    data_dir.chmod(0o711)
    with EmbeddedPostgres(closed / "data", durable=durable) as postgres:
        postgres.ensure_database()
        assert value(postgres, "SELECT 1") == 1
    assert closed.stat().st_mode & 0o077 == 0
    with EmbeddedPostgres(closed / "data", durable=durable) as postgres:
        databases = value(postgres, "SELECT count(*) FROM pg_database") if durable else 4
        assert databases == 4
    link = closed / "data" / "postgres"
    assert link.is_symlink() == (durable and os.geteuid() == 0)
