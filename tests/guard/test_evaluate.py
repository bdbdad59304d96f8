"""Guards on real rows: what opens, what moves, what is handed on, and that fifty at once come to one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select, text
from tests.support.calls import call, ingest
from tests.support.governed import at, only, register, revise, traffic

from trivet import db
from trivet.card.models import CardRevision
from trivet.guard import judgement, service
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.ingest.score import scores
from trivet.kit.clock import utc_now
from trivet.kit.locks import Lock
from trivet.outbox import Outbox

SLOW = "P95 1.51 s over 1 s: 10 of 10 took over 1 s where 0.5 may; chance of this by luck under 1 in a billion"


@pytest.fixture
def chat(database):
    return register("chat")


def evaluate(now):
    with db.transaction() as session:
        return service.evaluate(session, now)


def ladder():
    with db.transaction() as session:
        row = only(session, LadderState)
        return row.level, row.reason


def state(guard="p95"):
    with db.transaction() as session:
        return session.scalars(select(GuardState).where(GuardState.guard == guard)).one()


def breaches(guard="p95"):
    with db.transaction() as session:
        return session.scalars(select(Breach).where(Breach.guard == guard).order_by(Breach.id)).all()


def handed_on():
    with db.transaction() as session:
        rows = session.scalars(select(Outbox).order_by(Outbox.id))
        return [(row.task, row.args) for row in rows if row.task.startswith("command.")]


def score(now, value, count=60, **more):
    with db.transaction() as session:
        given = [
            scores.NewScore("chat", "score", value, now, external_id=f"{now}{value}{n}{more}", **more)
            for n in range(count)
        ]
        scores.add(session, given, source="test", tenant_id=None)


class TestABreach:
    def test_is_opened_with_its_numbers_moves_the_ladder_and_is_handed_on(self, chat):
        traffic(at(12), seconds=1.5)
        assert evaluate(at(13)) == 1
        (breach,) = breaches()
        assert (breach.guard, breach.revision, breach.threshold, breach.sample) == ("p95", 1, 1000, 10)
        assert breach.reason == SLOW
        assert ladder() == (1, SLOW)
        assert handed_on() == [("command.from_ladder", [chat, breach.id])]

    def test_sees_rows_before_they_are_folded_and_after(self, chat):
        traffic(at(12), seconds=1.5, count=3)
        evaluate(at(13))
        assert state().verdict == "no_data"
        from trivet.rollup import service as rollup

        with db.transaction() as session:
            assert rollup.fold_usage(session, 1000) > 0
        traffic(at(13), seconds=1.5, count=3)
        evaluate(at(14))
        assert (state().verdict, state().sample) == ("breach", 6)

    def test_is_open_once_however_long_it_lasts_and_remembers_the_worst(self, chat):
        traffic(at(12), seconds=1.5)
        evaluate(at(13))
        traffic(at(31), seconds=3.0, revision=1, level=1)
        for second in range(32, 40):
            evaluate(at(second))
        (breach,) = breaches()
        assert breach.closed_at is None and breach.value < 1600 < breach.worst_value

    def test_is_closed_at_the_leave_threshold_and_not_before(self, chat):
        traffic(at(12), seconds=1.5)
        evaluate(at(13))
        traffic(at(22), seconds=0.9, revision=1, level=1)
        evaluate(at(23))
        assert breaches()[0].closed_at is None
        traffic(at(65), seconds=0.5, revision=1, level=1)
        evaluate(at(66))
        (breach,) = breaches()
        assert breach.closed_at == at(66) and "back within" in breach.closed_reason

    def test_of_one_scenario_leaves_the_others_alone(self, chat):
        register("search")
        traffic(at(12), seconds=1.5)
        evaluate(at(13))
        with db.transaction() as session:
            assert dict(session.execute(select(LadderState.scenario_id, LadderState.level)).all()) == {
                chat: 1, chat + 1: 0,
            }  # fmt: skip


class TestWhatIsMeasured:
    def test_only_after_the_last_change(self, chat):
        traffic(at(12), seconds=1.5)
        evaluate(at(13))
        evaluate(at(14))
        assert state().verdict == "no_data" and "stays open" in state().reason

    def test_only_under_the_present_level(self, chat):
        traffic(at(12), seconds=1.5)
        evaluate(at(13))
        traffic(at(22), seconds=9.0, revision=1, level=0)  # was in flight when the level changed
        evaluate(at(23))
        assert state("p95-high").verdict == "no_data"

    def test_only_under_the_present_revision(self, chat):
        with db.transaction() as session:
            revise(session, chat, 2, at(60))
        traffic(at(72), seconds=9.0, revision=1)
        traffic(at(72), seconds=0.2, revision=2)
        evaluate(at(73))
        assert (state().verdict, state().sample) == ("ok", 10)

    def test_not_what_a_limit_of_ours_turned_away(self, chat):
        from trivet.ingest.request.fact import REJECTED

        ingest(*(call(at(12), outcome=REJECTED) for _ in range(50)), now=at(12))
        evaluate(at(13))
        assert (state().verdict, state().sample) == ("no_data", 0)

    @pytest.mark.parametrize("window_s", [10, 60, 3600])
    def test_in_a_window_of_its_own_length(self, database, window_s):
        guard = {"name": "p95", "metric": "p95_latency_ms", "enter": 1000, "leave": 800, "minimum_sample": 5}
        register("chat", guards=[guard | {"window_s": window_s}], rollback={"automatic": False})
        now = at(4000)
        traffic(at(4000 - window_s), seconds=1.5)
        traffic(at(4000 - window_s - 10), seconds=1.5)
        evaluate(now)
        assert (state().verdict, state().sample) == ("breach", 10)

    def test_too_little_of_it_neither_degrades_nor_restores(self, chat):
        traffic(at(12), seconds=9.0, count=4)
        evaluate(at(13))
        assert (state().verdict, ladder()[0]) == ("no_data", 0)


class TestTheWayUpAndDown:
    def test_up_by_one_then_two_and_back_by_steps_each_after_its_calm(self, chat):
        levels, looked_at = {}, range(1, 200, 2)
        for second in looked_at:
            slow = 10 <= second < 60
            level = ladder()[0] if second > 1 else 0
            traffic(at(second), seconds=2.5 if slow else 0.3, count=6, revision=1, level=level)
            evaluate(at(second))
            levels.setdefault(ladder()[0], []).append(second)
        changes = [later for now, later in pairwise(looked_at) if level_at(levels, now) != level_at(levels, later)]
        path = [level_at(levels, second) for second in changes]
        assert path == [1, 2, 1, 0]
        assert changes[1] - changes[0] >= 20  # the stay of level 1
        assert changes[2] > 60 + 30 and changes[3] - changes[2] >= 30  # the calm of each
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Breach).where(Breach.closed_at.is_(None))) == 0


def level_at(levels, second):
    return next(level for level, seconds in levels.items() if second in seconds)


class TestAPersonsHold:
    def test_keeps_the_ladder_where_it_is(self, chat):
        evaluate(at(1))
        with db.transaction() as session:
            row = only(session, LadderState)
            row.level, row.held_until, row.held_by = 2, at(60), "ole@example.com"
        traffic(at(12), seconds=9.0, revision=1, level=2)
        assert evaluate(at(13)) == 0
        assert ladder() == (2, "ole@example.com holds level 2 until 08:01:00 UTC")
        assert len(breaches()) == 1  # the breach is told all the same


class TestTheQualityFloor:
    def bad_revision(self, chat, **rollback):
        evaluate(at(1))
        with db.transaction() as session:
            changes = {"rollback": {"automatic": True, "within_s": 600} | rollback}
            revise(session, chat, 2, at(60), **changes)

    def test_broken_under_a_fresh_revision_asks_for_the_one_before(self, chat):
        self.bad_revision(chat)
        score(at(71), 0.4, revision=2)
        evaluate(at(72))
        (breach,) = breaches("floor")
        assert breach.reason == (
            "quality 0.4 under 0.8: 60 scores lost 36 points where 12 may be lost;"
            " chance of this by luck under 1 in a billion"
        )
        assert handed_on() == [("command.auto_rollback", [chat, 2, breach.id])]

    def test_is_not_judged_by_scores_of_the_revision_before(self, chat):
        self.bad_revision(chat)
        score(at(71), 0.4, revision=1)
        evaluate(at(72))
        assert state("floor").verdict == "no_data"

    def test_rolls_back_only_where_the_card_says_so(self, chat):
        self.bad_revision(chat, automatic=False)
        score(at(71), 0.4, revision=2)
        evaluate(at(72))
        assert len(breaches("floor")) == 1 and handed_on() == []

    def test_rolls_back_only_soon_after_the_activation(self, chat):
        self.bad_revision(chat, within_s=10)
        score(at(71), 0.4, revision=2)
        evaluate(at(72))
        assert handed_on() == []

    def test_broken_under_the_first_revision_has_nowhere_to_go(self, chat):
        score(at(12), 0.4, revision=1)
        evaluate(at(13))
        assert len(breaches("floor")) == 1 and handed_on() == []

    def test_broken_after_a_degrade_does_not_blame_the_revision(self, chat):
        self.bad_revision(chat)
        with db.transaction() as session:
            row = only(session, LadderState)
            row.level, row.since = 2, at(80)
        score(at(91), 0.4, revision=2, level=2)
        evaluate(at(92))
        assert len(breaches("floor")) == 1 and handed_on() == []

    def test_breach_of_a_revision_that_governs_no_more_is_closed(self, chat):
        self.bad_revision(chat)
        score(at(71), 0.4, revision=2)
        evaluate(at(72))
        with db.transaction() as session:
            revise(session, chat, 3, at(80))
        evaluate(at(81))
        (breach,) = breaches("floor")
        assert breach.closed_reason == "another revision governs now"
        assert state("floor").verdict == "no_data"


class TestAScenarioThatCannotBeJudged:
    @pytest.fixture
    def search(self, chat, monkeypatch):
        """Scenario `search`, whose ladder cannot be worked out."""
        real = judgement.step

        def step(state, verdicts, card, now, way):
            if card.rollback.within_s == 77:
                raise OverflowError("date value out of range")
            return real(state, verdicts, card, now, way)

        monkeypatch.setattr(judgement, "step", step)
        monkeypatch.setattr(service, "_told", set())
        return register("search", rollback={"automatic": True, "within_s": 77})

    def test_stops_no_other(self, chat, search):
        traffic(at(12), seconds=1.5)
        traffic(at(12), seconds=1.5, scenario="search")
        assert evaluate(at(13)) == 1
        with db.transaction() as session:
            assert session.get(LadderState, chat).level == 1
            assert session.get(LadderState, search).level == 0
            assert set(session.scalars(select(Breach.scenario_id))) == {chat}

    def test_says_so_in_each_of_its_guards(self, search):
        evaluate(at(13))
        with db.transaction() as session:
            said = session.scalars(select(GuardState).where(GuardState.scenario_id == search)).all()
        assert {row.guard for row in said} == {"p95", "p95-high", "floor"}
        assert {(row.verdict, row.reason) for row in said} == {
            ("no_data", "could not be judged: OverflowError: date value out of range")
        }

    def test_is_logged_once_and_counted_each_time(self, search, client, caplog):
        for second in range(13, 16):
            evaluate(at(second))
        told = [record for record in caplog.records if "could not be judged" in record.getMessage()]
        assert len(told) == 1 and "search" in told[0].getMessage() and told[0].exc_info
        assert "trivet_guard_failures_total 3.0" in client.get("/metrics").text

    def test_for_its_kept_card_says_so_and_stops_no_other(self, chat):
        search = register("search")
        evaluate(at(1))
        with db.transaction() as session:
            row = session.scalars(select(CardRevision).where(CardRevision.scenario_id == search)).one()
            row.body = row.body | {"rollback": {"automatic": True, "within_s": 10**20}}
        db.forget_rows()
        traffic(at(12), seconds=1.5)
        assert evaluate(at(13)) == 1
        with db.transaction() as session:
            assert session.get(LadderState, chat).level == 1
            said = session.scalars(select(GuardState).where(GuardState.scenario_id == search)).all()
            assert {(r.verdict, r.reason) for r in said} == {("no_data", service.UNREADABLE)}


class TestWhenGuardsWereLastJudged:
    def test_is_nowhere_before_the_first_time(self, client):
        with db.transaction() as session:
            assert service.last_evaluated(session) is None
        assert "trivet_guard_evaluated_age_seconds" not in client.get("/metrics").text

    def test_is_known_with_and_without_a_scenario(self, database):
        for second in (1, 2):
            evaluate(at(second))
            with db.transaction() as session:
                assert service.last_evaluated(session) == at(second)

    def test_is_an_age_for_prometheus(self, chat, client):
        evaluate(utc_now() - timedelta(seconds=100))
        (line,) = [x for x in client.get("/metrics").text.splitlines() if x.startswith("trivet_guard_evaluated_age")]
        assert 100 <= float(line.split()[1]) < 160


class TestManyAtOnce:
    def test_fifty_evaluations_come_to_one_breach_and_one_step(self, chat):
        traffic(at(12), seconds=1.5)
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(lambda _: evaluate(at(13)), range(50)))
        assert len(breaches()) == 1 and ladder()[0] == 1
        assert len(handed_on()) == 1

    def test_one_that_finds_another_running_leaves_it_to_that_one(self, chat):
        with db.transaction() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.GUARD})
            assert evaluate(at(13)) is None


class TestOverTheApi:
    def test_open_breaches_and_guards_have_their_shape(self, chat, client, admin):
        traffic(at(12), seconds=1.5)
        evaluate(at(13))
        (found,) = client.get("/api/v1/breaches?state=open", headers=admin).json()["items"]
        assert (found["scenario"], found["guard"], found["threshold"]) == ("chat", "p95", 1000)
        assert found["reason"] == SLOW
        assert (found["opened_at"], found["closed_at"]) == ("2026-11-21T08:00:13Z", None)
        assert client.get("/api/v1/breaches?state=closed", headers=admin).json()["items"] == []
        guards = {g["guard"]: g for g in client.get("/api/v1/guards", headers=admin).json()["items"]}
        assert guards["p95"]["verdict"] == "breach"
        assert guards["p95"]["runbook"] == "alerts/runbooks/p95_latency_ms.md"
        (rung,) = client.get("/api/v1/ladders", headers=admin).json()["items"]
        assert (rung["scenario"], rung["level"]) == ("chat", 1)

    def test_guards_come_in_pages(self, chat, client, admin):
        evaluate(at(1))
        first = client.get("/api/v1/guards?limit=2", headers=admin).json()
        rest = client.get(f"/api/v1/guards?limit=2&cursor={first['next_cursor']}", headers=admin).json()
        assert [g["guard"] for g in first["items"] + rest["items"]] == ["floor", "p95", "p95-high"]

    def test_a_key_bound_to_a_tenant_sees_none_of_it(self, chat, client, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        assert client.get("/api/v1/breaches", headers=bound).status_code == 403
