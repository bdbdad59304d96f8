"""A night's replay on stored requests: what it keeps, and that the guards use it."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support.calls import call, ingest
from tests.support.governed import at, register

from trivet import db
from trivet.guard import normals, service
from trivet.guard.calibrate import DUE_AFTER, calibrate
from trivet.guard.models import GuardNormal, GuardState

WATCH = {"name": "errors", "metric": "error_rate", "enter": 0.1, "leave": 0.05, "window_s": 60, "minimum_sample": 5}
SLOW = WATCH | {"name": "p95", "metric": "p95_latency_ms", "enter": 1000, "leave": 800}
SPENT = WATCH | {"name": "spent", "metric": "cost_per_hour", "enter": 5, "leave": 4}
NIGHT = at(3600)


@pytest.fixture
def chat(database):
    chat = register("chat", guards=[WATCH, SLOW, SPENT], rollback={"automatic": False})
    with db.transaction() as session:
        service.evaluate(session, at(1))  # ingest is told what to count
    return chat


def hour(fails=20, calls=1000):
    """An hour of calls, of which one in `fails` fails and all are quick."""
    outcomes = ["error" if number % fails == 0 else "ok" for number in range(calls)]
    made = [
        call(at(number * 3), seconds=0.2, outcome=("ok", "error").index(outcome))
        for number, outcome in enumerate(outcomes)
    ]
    ingest(*made, now=at(1800))


def replay(now=NIGHT):
    with db.transaction() as session:
        return calibrate(session, now)


def kept():
    with db.transaction() as session:
        return {row.guard: row for row in session.scalars(select(GuardNormal))}


@pytest.fixture
def received(database):
    """Requests came when they ended: rows say when they were stored, which a test cannot wait for."""

    def move():
        from sqlalchemy import text

        with db.transaction() as session:
            session.execute(text("UPDATE request SET received_at = ended_at"))

    return move


class TestANight:
    def test_keeps_what_is_usual_of_each_guard_on_a_share(self, chat, received):
        hour()
        received()
        assert replay() == 2
        found = kept()
        assert found.keys() == {"errors", "p95"}
        assert found["errors"].usual == pytest.approx(0.064, abs=0.01)  # 50 of 1,000, and two errors of that
        assert (found["errors"].requests, found["errors"].widening, found["errors"].replayed_at) == (1000, 1.0, NIGHT)
        assert found["p95"].usual == pytest.approx(0.05 * 0.1)

    def test_is_used_by_the_guards_while_the_limit_stays(self, chat, received):
        hour()
        received()
        replay()
        ingest(*(call(at(3605), seconds=0.2, outcome=int(number < 2)) for number in range(20)), now=at(3605))
        with db.transaction() as session:
            service.evaluate(session, at(3606))
            seen = session.scalars(select(GuardState).where(GuardState.guard == "errors")).one()
            assert seen.numbers["usual"] == pytest.approx(kept()["errors"].usual)

    def test_without_a_history_says_so_and_waits_a_day(self, chat):
        assert replay() == 2
        assert {row.usual for row in kept().values()} == {None}
        assert replay(NIGHT + timedelta(hours=1)) == 0
        assert replay(NIGHT + DUE_AFTER) == 2

    def test_twice_is_once(self, chat, received):
        hour()
        received()
        replay()
        assert replay() == 0 and len(kept()) == 2


class TestWhatIsNormal:
    def test_of_another_limit_is_unknown(self, chat, received):
        hour()
        received()
        replay()
        from trivet.card.content import Guard

        same, other = Guard(**WATCH), Guard(**WATCH | {"enter": 0.2})
        with db.transaction() as session:
            normals.refresh(session, NIGHT)
        assert normals.of(chat, [same]).keys() == {"errors"} and normals.of(chat, [other]) == {}
