"""Many at once, from several processes, and a process that is killed."""

import asyncio
import os
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.budget.reserve.support import budget, held, hold, windows
from tests.collectors.ofrep_server import eventually

from trivet import db
from trivet.budget.reserve import commit, endings, names
from trivet.budget.reserve.refusals import BudgetExceeded
from trivet.budget.reserve.work import work
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
from decimal import Decimal
from trivet.budget.reserve.ask import Caller, Costs, Hold

def hold(text):
    return Hold(Caller("key:test", 1), Costs(amount=Decimal(text), currency="USD"), "acme")
"""
ASK = f"""{HOLD}
import asyncio, sys
from trivet.budget.reserve import commit
from trivet.kit.errors import TrivetError

async def all_at_once(n):
    came = await asyncio.gather(*(commit.submit([hold("1")]) for _ in range(n)))
    return sum(not isinstance(each, TrivetError) for [each] in came)

print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(all_at_once(67)), flush=True)
"""
DIE = f"""{HOLD}
import os, signal
from trivet import db
from trivet.budget.reserve import commit, names
from trivet.budget.reserve.work import work
from trivet.kit.clock import utc_now

commit.run([[hold("1")]])
with db.transaction() as session:
    work(session, names.named([hold("2")]), utc_now())
    os.kill(os.getpid(), signal.SIGKILL)
"""


def process(program):
    """Another process of ours on the test's database."""
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ,
    )  # fmt: skip


def waiting():
    """How many transactions of this database wait for another's lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with db.transaction() as session:
        return session.scalar(text(query))


@pytest.mark.usefixtures("database")
class TestTwoHundredAtOnce:
    def test_of_which_fifty_fit_are_fifty_in_one_process(self) -> None:
        budget("all", "50")

        async def ask():
            return await asyncio.gather(*(commit.submit([hold("1")]) for _ in range(200)))

        came = [each for [each] in asyncio.run(ask())]
        assert sum(isinstance(each, BudgetExceeded) for each in came) == 150
        assert windows() == [("all", 0, 50)]

    def test_of_which_fifty_fit_are_fifty_in_three_processes(self) -> None:
        """Two others and this one."""
        budget("all", "50")

        async def ask():
            return await asyncio.gather(*(commit.submit([hold("1")]) for _ in range(66)))

        others = [process(ASK), process(ASK)]
        try:
            for each in others:
                assert each.stdout.readline() == "ready\n"
            for each in others:
                each.stdin.write("\n")
                each.stdin.flush()
            mine = sum(not isinstance(each, TrivetError) for [each] in asyncio.run(ask()))
            theirs = [int(each.stdout.readline()) for each in others]
        finally:
            for each in others:
                each.communicate()
        assert mine + sum(theirs) == 50
        assert windows() == [("all", 0, 50)]

    def test_wait_for_one_who_has_not_committed_yet_and_then_see_what_it_holds(self) -> None:
        budget("all", "50")
        commit.run([[hold("1")]])  # the window is there
        came = []
        other = threading.Thread(target=lambda: came.extend(commit.run([[hold("30")]])))
        with db.transaction() as session:
            [first] = work(session, names.named([hold("30")]), utc_now())
            other.start()
            eventually(lambda: waiting() == 1)
        other.join()
        assert first.standing.held.money == 30
        assert isinstance(came[0][0], BudgetExceeded)
        assert windows() == [("all", 0, 31)]

    def test_are_committed_in_groups_and_each_hears_its_own(self) -> None:
        budget("all", "10")

        async def ask():
            return await asyncio.gather(*(commit.submit([hold(str(n))]) for n in (1, 20, 2, 30, 3)))

        came = [each for [each] in asyncio.run(ask())]
        assert [None if isinstance(each, TrivetError) else each.standing.held.money for each in came] == [
            1, None, 2, None, 3,
        ]  # fmt: skip

    def test_of_which_one_cannot_be_stored_are_tried_one_by_one_and_it_fails_alone(self) -> None:
        budget("all", "10")

        async def ask():
            asked = (hold("1"), hold("2", tenant="no\0body"), hold("3"))
            return await asyncio.gather(*(commit.submit([each]) for each in asked), return_exceptions=True)

        first, bad, last = asyncio.run(ask())
        assert isinstance(bad, Exception)
        assert [each[0].standing.held.money for each in (first, last)] == [1, 3]
        assert windows() == [("all", 0, 4)]


@pytest.mark.usefixtures("database")
class TestAProcessThatIsKilled:
    def test_leaves_what_it_was_granted_to_expire_and_nothing_of_what_it_had_not_committed(self) -> None:
        budget("all", "50")
        killed = process(DIE)
        killed.communicate()
        assert killed.returncode == -9
        assert held() == Decimal(1)
        late = utc_now() + timedelta(hours=1)
        with db.transaction() as session:
            assert endings.expire(session, late) == 1
        with db.transaction() as session:
            assert endings.give_up(session, late + timedelta(seconds=900), 900) == 1
        assert held() == 0
