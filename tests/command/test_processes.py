"""The loop as it runs: a control worker and beat of their own, a real Redis between them, and nothing called by hand."""

import os
import subprocess
import sys
import time

import pytest
from sqlalchemy import select
from tests.support.governed import traffic

from trivet import db
from trivet.command.models import BackendHolding, Command
from trivet.kit.clock import utc_now


@pytest.fixture
def processes(database, broker_url, tmp_path):
    """`trivet worker --queue control` and `trivet beat`."""
    environment = os.environ | {"TRIVET_DATABASE_URL": database, "TRIVET_BROKER_URL": broker_url}
    commands = (["worker", "--queue", "control"], ["beat"])
    with (tmp_path / "processes.log").open("wb") as log:
        running = [
            subprocess.Popen([sys.executable, "-m", "trivet.cli", *c], env=environment, stdout=log, stderr=log)
            for c in commands
        ]
    yield tmp_path / "processes.log"
    for process in running:
        process.terminate()
    for process in running:
        process.wait(30)


def test_slow_rows_become_a_command_by_the_ladder_and_its_telemetry_makes_it_effective(chat, processes):
    def newest(status=None):
        with db.transaction() as session:
            found = session.scalars(select(Command).order_by(Command.id.desc())).first()
            return found if found and status in (None, found.status) else None

    traffic(utc_now(), seconds=1.7, count=40)
    given = until(newest, processes)
    assert (given.actor, given.kind, given.level, given.generation) == ("ladder", "degrade", 1, 1)
    assert "over 1.5 s" in given.reason and given.breach_id is not None
    traffic(utc_now(), seconds=0.1, count=1, revision=1, generation=1, level=1, backend="gw-1")
    assert until(lambda: newest("effective"), processes).outcome == "Telemetry of gw-1 runs under it."
    with db.transaction() as session:
        assert session.scalars(select(BackendHolding.level)).one() == 1


def until(found, log, limit_s=40.0):
    deadline = time.monotonic() + limit_s
    while (value := found()) is None:
        assert time.monotonic() < deadline, log.read_text("utf-8")[-3000:]
        time.sleep(0.05)
    return value
