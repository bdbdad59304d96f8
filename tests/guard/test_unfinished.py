"""Guards on what has not ended: a backend that stalls, and calls that are slow before they end."""

import random

import pytest
from sqlalchemy import select
from tests.support.calls import call, ingest, microseconds
from tests.support.governed import at, only, register, revise, traffic
from tests.support.signal_rows import signal as point

from trivet import db
from trivet.fleet.models import Backend
from trivet.guard import service
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.ingest.signal import running
from trivet_collectors import semconv as sc


@pytest.fixture
def chat(database):
    return register("chat", rollback={"automatic": True})


def evaluate(*seconds):
    for second in seconds:
        with db.transaction() as session:
            service.evaluate(session, at(second))


def state(guard="p95"):
    with db.transaction() as session:
        return session.scalars(select(GuardState).where(GuardState.guard == guard)).one()


def breaches():
    with db.transaction() as session:
        return {row.guard: row for row in session.scalars(select(Breach).order_by(Breach.id))}


def level():
    with db.transaction() as session:
        return only(session, LadderState).level


def backend(name="engine-1", scenario_ids=()):
    with db.transaction() as session:
        id_ = db.named_ids(session, Backend, [name])[name]
        session.get(Backend, id_).scenario_ids = list(scenario_ids)
        return id_


def signal(second, metric, value, **of):
    point(at(second), metric, value, **of)


def told(second, calls, *, scenario="chat", **given):
    """The backend says at `second` that these calls, given as (span id, second of the start), still run."""
    running.store(
        [
            running.RunningCall(
                span * 2, span, microseconds(at(start)), microseconds(at(second)), "acme", scenario, "b1", **given
            )
            for span, start in calls
        ],
        tenant_id=None, key_id=1, now=at(second),
    )  # fmt: skip


def some(count, start):
    return [(random.randbytes(8), start) for _ in range(count)]


class TestASilentScenario:
    def test_with_nothing_in_flight_has_no_data(self, chat):
        evaluate(1, 60, 120)
        assert state().verdict == "no_data" and breaches() == {}

    def test_with_calls_running_and_none_finished_is_a_stall_that_breaks_and_moves_the_ladder(self, chat):
        for second in (1, 11, 21):
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, scenario_id=chat)
            evaluate(second)
        assert state().verdict == "stall"
        assert state().reason == "nothing finished in 20 s while 5 run"
        assert set(breaches()) == {"p95", "p95-high"} and level() == 1

    def test_of_which_one_of_two_processes_is_stuck_is_a_stall_whatever_the_idle_one_says_last(self, chat):
        for second in (1, 11, 21):
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, scenario_id=chat, sender="stuck")
            signal(second + 1, sc.TRIVET_REQUESTS_RUNNING, 0, scenario_id=chat, sender="idle")
            evaluate(second + 1)
        assert (state().verdict, state().reason) == ("stall", "nothing finished in 20 s while 5 run")

    def test_whose_calls_only_just_came_in_is_not_stalled(self, chat):
        evaluate(1, 60)
        signal(61, sc.TRIVET_REQUESTS_WAITING, 5, scenario_id=chat)
        evaluate(62, 75)
        assert state().verdict == "no_data" and "a stall once that lasts 20 s" in state().reason

    def test_that_finishes_something_is_not_stalled(self, chat):
        for second in (1, 11, 21, 31):
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, scenario_id=chat)
            traffic(at(second), seconds=0.1, count=1)
            evaluate(second)
        assert state().verdict == "no_data" and breaches() == {}

    def test_is_whole_again_when_requests_finish(self, chat):
        for second in (1, 11, 21):
            signal(second, sc.TRIVET_REQUESTS_ADMITTED, 7, scenario_id=chat)
            evaluate(second)
        traffic(at(32), seconds=0.1, revision=1, level=1)
        evaluate(33)
        assert breaches()["p95"].closed_at == at(33)
        assert breaches()["p95"].closed_reason.startswith("requests finish again")

    def test_is_not_judged_again_before_the_new_level_had_a_window_of_its_own(self, chat):
        for second in (1, 11, 21):
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, scenario_id=chat)
            evaluate(second)
        signal(31, sc.TRIVET_REQUESTS_RUNNING, 5, scenario_id=chat)
        evaluate(32)
        assert (state().verdict, level()) == ("no_data", 1)
        evaluate(41)
        assert (state().verdict, level()) == ("stall", 2)

    def test_never_rolls_a_revision_back(self, chat):
        with db.transaction() as session:
            revise(session, chat, 2, at(0), rollback={"automatic": True})
        for second in (1, 31, 61, 91):
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, scenario_id=chat)
            evaluate(second)
        assert state("floor").verdict == "no_data" and "floor" not in breaches()


class TestABackendThatNamesNoScenario:
    def stuck(self, backend_id, seconds):
        for second in seconds:
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, backend_id=backend_id)
            evaluate(second)

    def test_and_finishes_nothing_stalls_those_it_is_registered_for(self, chat):
        self.stuck(backend(scenario_ids=[chat]), (1, 11, 21))
        assert state().verdict == "stall"

    def test_and_finishes_nothing_stalls_those_it_served_lately(self, chat):
        engine = backend("b1")
        traffic(at(1), seconds=0.1)
        self.stuck(engine, (1, 41, 51, 61))
        assert state().verdict == "stall"

    def test_stalls_no_other(self, chat):
        self.stuck(backend("elsewhere"), (1, 11, 21, 31))
        assert state().verdict == "no_data" and breaches() == {}

    def test_and_works_for_another_scenario_says_nothing_of_one_that_is_idle(self, chat):
        search = register("search")
        engine = backend("b1", scenario_ids=[chat, search])
        for second in (1, 11, 21, 31):
            traffic(at(second), seconds=0.1, scenario="search")
            signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, backend_id=engine)
            evaluate(second)
        with db.transaction() as session:
            said = set(session.scalars(select(GuardState.verdict).where(GuardState.scenario_id == chat)))
        assert said == {"no_data"}


class TestABusyBackendThatHangs:
    """Its gauges name no scenario, and it may tell less often than it is judged."""

    def hangs(self, chat, *others):
        evaluate(1, 2)  # the first look says what is to be counted, the next finds it said
        engine = backend("b1", scenario_ids=[chat, *others])
        for second in range(30, 61):
            traffic(at(second), seconds=0.1, count=2)
        return engine

    def looks(self, chat, engine, until):
        """The first second in which it is a stall, None where there is none."""
        for second in range(56, until):
            if second % 5 == 0:
                signal(second, sc.TRIVET_REQUESTS_RUNNING, 5, backend_id=engine)
            evaluate(second)
            with db.transaction() as session:
                said = select(GuardState.verdict).where(GuardState.guard == "p95", GuardState.scenario_id == chat)
                verdict = session.scalar(said)
            if verdict == "stall":
                return second
        return None

    def test_is_found_in_under_ten_seconds(self, chat):
        assert self.looks(chat, self.hangs(chat), 75) in range(64, 70)

    def test_is_not_thought_to_while_it_works_for_a_slow_scenario(self, chat):
        search = register("search")
        engine = self.hangs(chat, search)
        for second in (25, 40, 55):
            traffic(at(second), seconds=0.1, scenario="search", count=1)
        assert self.looks(chat, engine, 72) is None


class TestACallThatRunsPastItsLimit:
    def test_is_slow_before_it_ends(self, chat):
        traffic(at(1), seconds=0.1, count=5)
        told(3, some(10, start=0))
        evaluate(3)
        assert (state().verdict, state().sample) == ("breach", 15)
        assert state().reason.startswith("P95 2.99 s with 10 still running over 1 s: 10 of ")

    def test_within_its_limit_says_nothing(self, chat):
        traffic(at(2), seconds=0.1, count=10)
        told(2, some(5, start=1.5))
        evaluate(2)
        assert (state().verdict, state().sample) == ("ok", 10)

    def test_is_counted_once_when_it_has_ended(self, database):
        watch = {
            "name": "p95",
            "metric": "p95_latency_ms",
            "enter": 1000,
            "leave": 800,
            "window_s": 20,
            "minimum_sample": 5,
        }
        register("chat", guards=[watch], rollback={"automatic": False})
        traffic(at(1), seconds=0.1, count=5)
        calls = some(5, start=0)
        told(3, calls)
        evaluate(3)
        ingest(*(call(at(4), seconds=4, span=span, trace_id=span * 2) for span, _ in calls), now=at(4))
        told(4, calls)  # told late: the log was on its way while the span came
        evaluate(12)  # a row whose word stays the same is written again after some seconds
        assert state().sample == 10 and "still running" not in state().reason

    def test_under_another_level_judges_nothing(self, chat):
        told(3, some(9, start=0), revision=1, level=2)
        evaluate(3)
        assert state().sample == 0

    def test_and_past_the_cards_timeout_is_a_timeout(self, database):
        guard = {
            "name": "late",
            "metric": "timeout_rate",
            "enter": 0.1,
            "leave": 0.05,
            "window_s": 60,
            "minimum_sample": 5,
        }
        register("chat", guards=[guard], rollback={"automatic": False})
        traffic(at(39), seconds=0.1, count=4)
        told(40, [*some(12, start=5), *some(3, start=20)])  # the card's timeout is 30 s
        evaluate(40)
        assert (state("late").verdict, state("late").sample) == ("breach", 16)
        assert state("late").value == pytest.approx(12 / 16)

    def test_without_a_first_token_is_late_with_that_too(self, database):
        guard = {
            "name": "ttft",
            "metric": "p95_ttft_ms",
            "enter": 400,
            "leave": 300,
            "window_s": 60,
            "minimum_sample": 3,
        }
        register("chat", guards=[guard], rollback={"automatic": False})
        told(3, some(6, start=1), streamed=True)
        told(3, some(6, start=1), streamed=True, answering=True)
        told(3, some(6, start=1), streamed=False)
        evaluate(3)
        assert (state("ttft").verdict, state("ttft").sample) == ("breach", 6)


class TestHealth:
    def guarded(self, metric, enter):
        guard = {"name": "g", "metric": metric, "enter": enter, "leave": 0, "window_s": 60, "minimum_sample": 1}
        return register("chat", guards=[guard], rollback={"automatic": False})

    def test_events_that_break_serving_are_counted_without_any_request(self, database):
        chat = self.guarded("health_events", 1)
        engine = backend(scenario_ids=[chat])
        signal(5, sc.TRIVET_HEALTH, 1, backend_id=engine, detail="out_of_memory/cuda")
        evaluate(6)
        assert state("g").verdict == "ok"
        signal(7, sc.TRIVET_HEALTH, 1, scenario_id=chat, detail="model_load")
        signal(7, sc.TRIVET_HEALTH, 9, scenario_id=chat, detail="rate_limit")
        evaluate(8)
        assert (state("g").verdict, state("g").reason) == ("breach", "health events 2 over 1")

    def test_a_lost_gpu_counts_for_those_its_pool_serves(self, database):
        self.guarded("health_events", 0.5)
        ingest(call(at(1), pool="h100"), now=at(1))
        with db.transaction() as session:
            from trivet.fleet.models import Pool

            pool = db.named_ids(session, Pool, ["h100"])["h100"]
        signal(5, sc.TRIVET_HEALTH, 1, pool_id=pool, detail="gpu_lost")
        evaluate(6)
        assert state("g").verdict == "breach"

    @pytest.mark.parametrize(
        ("guard", "metric", "detail"),
        [
            ("rate_limit_rate", sc.TRIVET_HEALTH, "rate_limit"),
            ("rate_limit_rate", sc.TRIVET_HEALTH, "concurrency_limit"),
            ("cold_start_rate", sc.TRIVET_COLD_STARTS, ""),
        ],
    )
    def test_limits_and_cold_starts_are_shares_of_what_was_served(self, database, guard, metric, detail):
        chat = self.guarded(guard, 0.2)
        signal(5, metric, 18, scenario_id=chat, detail=detail)
        evaluate(6)
        assert state("g").verdict == "no_data"
        traffic(at(6), seconds=0.1, count=20)
        evaluate(7)
        assert (state("g").verdict, state("g").value) == ("breach", pytest.approx(0.9))

    def test_events_of_before_a_change_say_nothing_of_after_it(self, database):
        chat = self.guarded("health_events", 1)
        signal(5, sc.TRIVET_HEALTH, 5, scenario_id=chat, detail="model_load")
        evaluate(6)
        assert level() == 0 and state("g").verdict == "breach"
        with db.transaction() as session:
            guard = {
                "name": "g",
                "metric": "health_events",
                "enter": 1,
                "leave": 0,
                "window_s": 60,
                "minimum_sample": 1,
            }
            revise(session, chat, 2, at(8), guards=[guard], rollback={"automatic": False})
        evaluate(9)
        assert state("g").verdict == "no_data"
