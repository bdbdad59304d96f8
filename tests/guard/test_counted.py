"""What guards read of what was counted: each row once, in whatever order it was committed, and what wakes them."""

import random
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, text
from tests.support.calls import call, ingest
from tests.support.governed import register, short_card

from trivet import db
from trivet.guard import counted, service
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.guard.tally import Series, Tally, first_second
from trivet.ingest import wake
from trivet.ingest.request.fact import ERROR, REJECTED
from trivet.ingest.store import tallies
from trivet.ingest.store.tallies import Limit
from trivet.ingest.store.tally_model import GuardLimit, GuardTally
from trivet.kit.clock import utc_now
from trivet.kit.locks import Lock
from trivet.outbox import Outbox

LATENCY = {"metric": "p95_latency_ms", "window_s": 30, "minimum_sample": 20}
BURST = 12
GUARDS = [
    {**LATENCY, "name": "p95", "enter": 1000, "leave": 800, "raises_to": 1},
    {"name": "errors", "metric": "error_rate", "enter": 0.5, "leave": 0.2, "window_s": 30, "minimum_sample": 20},
]
SLOW, FIRST = Limit("latency", 1_000_000, 7), Limit("ttft", 200_000, 8)


@pytest.fixture
def chat(database):
    """A scenario whose limits have been counted for a while."""
    ladder = [level | {"probe": {"shares": [0.1, 0.5]}} for level in short_card()["ladder"]]
    id_ = register("chat", guards=GUARDS, ladder=ladder, rollback={"automatic": False})
    for _ in range(2):  # the first look says what is to be counted, the next finds it said
        evaluate()
    with db.transaction() as session:
        session.execute(text("UPDATE guard_limit SET since = since - interval '1 hour'"))
    counted.reader.forget()
    service._known.clear()
    evaluate()
    return id_


def evaluate():
    with db.transaction() as session:
        return service.evaluate(session, utc_now())


def woken():
    with db.transaction() as session:
        return service.wake(session, utc_now())


def calls(count, *, seconds=0.2, **more):
    now = utc_now()
    ingest(*(call(now, seconds=seconds, tenant=f"t{n % 10}", **more) for n in range(count)), now=now)


def read():
    with db.transaction() as session:
        return counted.reader.read(session)


def served(id_):
    series = counted.reader.series.get(id_)
    return sum(each.served for each in series.since((0, 0), utc_now() - timedelta(minutes=1))) if series else 0


class TestASecondOfATally:
    def test_adds_up_what_transactions_brought(self):
        tally = Tally(1_800_000_000)
        for what, tenant, n, squares in ((0, 1, 5, 0), (7, 1, 2, 4), (0, 2, 3, 0), (7, 2, 1, 1), (0, 1, 1, 0)):
            tally.add(what, tenant, n, squares)
        found = tally.counts(SLOW)
        assert (found.n, found.bad, found.by_trace) == (9, 3, 5)
        assert (found.by_tenant, found.served_by_tenant) == (2 * 2 + 1, 6 * 6 + 3 * 3)

    def test_counts_first_tokens_of_those_that_had_one(self):
        tally = Tally(0)
        tally.add(tallies.SERVED, 1, 10, 0)
        tally.add(tallies.WITH_FIRST_TOKEN, 1, 4, 0)
        tally.add(FIRST.id, 1, 1, 1)
        assert (tally.counts(FIRST).n, tally.counts(FIRST).bad) == (4, 1)

    def test_that_was_taken_back_is_nothing(self):
        tally = Tally(0)
        for sign in (1, -1):
            tally.add(tallies.SERVED, 1, sign * 3, 0)
            tally.add(SLOW.id, 1, sign * 3, sign * 3)
        assert (tally.counts(SLOW).n, tally.counts(SLOW).bad, tally.served) == (0, 0, 0)

    def test_begins_whole(self):
        at = utc_now().replace(microsecond=0)
        assert first_second(at) == int(at.timestamp())
        assert first_second(at + timedelta(microseconds=1)) == int(at.timestamp()) + 1

    def test_is_forgotten_when_no_window_reaches_it(self):
        series, now = Series(), utc_now()
        for ago in (0, 100):
            series.add((1, int(now.timestamp()) - ago, 1, 0, 0, tallies.SERVED, 1, 0))
        assert series.forget(now - timedelta(seconds=50)) and len(series.since((0, 0), now - timedelta(hours=1))) == 1
        assert not series.forget(now + timedelta(hours=1))


class TestReading:
    def test_goes_on_where_it_stopped_and_counts_each_row_once(self, chat):
        for _ in range(3):
            calls(5)
            read()
            read()
        assert served(chat) == 15

    def test_misses_none_that_was_committed_out_of_order(self, chat):
        held = db.engine().connect()
        try:
            begun = held.begin()
            record = (chat, int(utc_now().timestamp()), 1, 0, 0, tallies.SERVED, 4, 0)
            packed = tallies.np.array([record], dtype=tallies.RECORD).tobytes()
            held.execute(text("INSERT INTO guard_tally (records) VALUES (:records)"), {"records": packed})
            calls(5)  # a later transaction, committed first
            read()
            assert served(chat) == 5
            begun.commit()
            read()
            assert served(chat) == 9
        finally:
            held.close()

    def test_begins_anew_after_another_database_took_its_place(self, chat):
        calls(5)
        counted.reader.horizon = 2**62
        read()
        assert served(chat) == 5

    def test_forgets_rows_that_no_window_reaches(self, chat):
        calls(5)
        with db.transaction() as session:
            session.execute(text("UPDATE guard_tally SET received_at = received_at - interval '1 hour'"))
        calls(5)
        with db.transaction() as session:
            assert counted.forget_old(session) == 1
            assert session.scalar(select(func.count()).select_from(GuardTally)) == 1


class TestWhatIngestCounts:
    def test_is_what_the_guards_of_active_cards_ask_for(self, chat):
        with db.transaction() as session:
            rows = session.execute(select(GuardLimit.kind, GuardLimit.over_us).order_by(GuardLimit.kind)).all()
        assert [tuple(row) for row in rows] == [("errors", 0), ("latency", 1_000_000)]

    def test_follows_the_card(self, chat):
        from tests.support.governed import revise

        with db.transaction() as session:
            revise(session, chat, 2, utc_now(), guards=GUARDS[:1], rollback={"automatic": False})
        evaluate()
        with db.transaction() as session:
            assert session.scalars(select(GuardLimit.kind)).all() == ["latency"]


class TestAWokenEvaluation:
    def test_finds_what_broke_and_moves_the_ladder(self, chat):
        calls(60, seconds=2.0)
        assert woken() == 1
        with db.transaction() as session:
            breach = session.scalars(select(Breach)).one()
            assert (breach.guard, session.scalars(select(LadderState.level)).one()) == ("p95", 1)
            assert breach.numbers["bad"] == 60 and breach.numbers["n"] == 60

    def test_judges_nobody_where_too_little_was_bad(self, chat):
        calls(100)
        calls(3, seconds=2.0)
        with db.transaction() as session:
            before = session.scalars(select(GuardState.evaluated_at)).all()
        assert woken() == 0
        with db.transaction() as session:
            assert session.scalars(select(GuardState.evaluated_at)).all() == before

    def test_opens_a_breach_once_however_often_it_is_woken(self, chat):
        for _ in range(3):
            calls(60, seconds=2.0)
            woken()
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Breach)) == 1

    def test_waits_for_the_one_that_runs_and_then_sees_what_came_meanwhile(self, chat):
        held, came = threading.Event(), []
        with db.transaction() as running:
            running.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.GUARD})
            calls(60, seconds=2.0)
            other = threading.Thread(target=lambda: (held.set(), came.append(woken())))
            other.start()
            held.wait(10)
        other.join(20)
        assert came == [1]


class TestTheClock:
    def test_judges_in_parts_what_one_evaluation_would(self, chat, monkeypatch):
        monkeypatch.setattr(service, "PART", 1)
        other = register("search", guards=GUARDS, rollback={"automatic": False})
        for _ in range(2):
            calls(40, seconds=2.0, scenario="search")
            calls(40, outcome=ERROR)
        assert service.evaluate_by_parts(utc_now()) == 1
        with db.transaction() as session:
            found = session.execute(select(Breach.scenario_id, Breach.guard).order_by(Breach.scenario_id)).all()
        assert [tuple(row) for row in found] == [(chat, "errors"), (other, "p95")]

    def test_runs_once_at_a_time(self, chat):
        with db.transaction() as running:
            running.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.GUARD_CLOCK})
            assert service.evaluate_by_parts(utc_now()) is None


class TestABurst:
    @pytest.mark.parametrize(("tenants", "word"), [(10, "breach"), (1, "ok")])
    def test_of_one_tenant_says_less_than_the_same_of_many(self, chat, tenants, word):
        now = utc_now()
        drawn = random.Random(7)
        usual = [
            call(now - timedelta(seconds=s), seconds=0.2, tenant=f"t{drawn.randrange(10)}")
            for s in range(20)
            for _ in range(10)
        ]
        slow = [call(now - timedelta(seconds=3), seconds=2.0, tenant=f"t{n % tenants}") for n in range(30)]
        ingest(*usual, *slow, now=now)
        evaluate()
        with db.transaction() as session:
            state = session.scalars(select(GuardState).where(GuardState.guard == "p95")).one()
        assert (state.verdict, state.sample) == (word, 230)
        assert state.numbers["clump"] > 3 if tenants == 1 else state.numbers["clump"] < 1.5


class TestThoseThatAreBackByAProbe:
    @pytest.mark.parametrize(("traces", "share"), [(1, 0.5), (BURST, 0.25)])
    def test_are_judged_by_their_own_seconds(self, chat, traces, share):
        """Twelve of thirty are slow, which halves the share; a dozen of one trace does not: that is one, many times."""
        now = utc_now()
        with db.transaction() as session:
            row = session.scalars(select(LadderState)).one()
            row.level, row.since, row.raised_at, row.direction = 1, now - timedelta(minutes=5), now, 1
            row.probe_share, row.probe_since = 0.5, now - timedelta(seconds=25)
        quick = [call(now - timedelta(seconds=s), seconds=0.2, revision=1, tenant=f"t{s % 10}") for s in range(20)]
        slow = [
            call(
                now - timedelta(seconds=3),
                seconds=2.0,
                revision=1,
                tenant=f"t{n % traces}",
                trace_id=bytes([n % traces] * 16),
            )
            for n in range(BURST)
        ]
        others = [call(now - timedelta(seconds=2), seconds=0.2, revision=1, level=1) for _ in range(30)]
        ingest(*quick, *slow, *others, now=now)
        evaluate()
        with db.transaction() as session:
            row = session.scalars(select(LadderState)).one()
        assert row.probe_share == share, row.reason


class TestWhatIsSentTwice:
    def test_is_counted_once_and_what_trivet_turned_away_never(self, chat):
        now = utc_now()
        facts = [call(now, seconds=2.0), call(now, seconds=0.2), call(now, seconds=0.2, outcome=REJECTED)]
        for _ in range(3):
            ingest(*facts, now=now)
        read()
        assert served(chat) == 2


class TestAGuardInShadow:
    def test_says_what_it_would_have_done_and_moves_nothing(self, database, client, admin):
        now = utc_now()
        shadow = [{**GUARDS[0], "shadow": True}, GUARDS[1]]
        register("chat", guards=shadow, rollback={"automatic": False})
        calls(60, seconds=2.0)
        assert evaluate() == 0
        with db.transaction() as session:
            assert session.scalars(select(LadderState.level)).one() == 0
        plain = client.get("/api/v1/breaches", headers=admin).json()["items"]
        (breach,) = client.get("/api/v1/breaches?shadow=true", headers=admin).json()["items"]
        assert plain == [] and breach["shadow"] and breach["opened_at"] >= now.isoformat()[:19]
        assert breach["reason"].endswith("in shadow: would have raised chat to level 1")
        assert breach["numbers"]["enter"] == 1000


class TestABreach:
    def test_is_handed_to_alerts_when_it_opens_and_when_it_closes(self, chat):
        calls(60, seconds=2.0)
        woken()
        with db.transaction() as session:
            id_ = session.scalars(select(Breach.id)).one()
            session.execute(text("UPDATE breach SET revision = 99"))  # it belongs to a revision that is gone
        evaluate()
        with db.transaction() as session:
            told = session.scalars(select(Outbox.args).where(Outbox.task == "notify.breach")).all()
        assert told[0] == [id_] and told.count([id_]) == 2


class TestWaking:
    def test_sends_one_hint_at_once_and_the_last_one_always(self, monkeypatch):
        first, rest, twice, sent = threading.Event(), threading.Event(), threading.Event(), []

        def take(app):
            sent.append(app)
            first.set()
            rest.wait(20)
            if len(sent) == 2:
                twice.set()
            return True

        monkeypatch.setattr(wake, "send", take)
        monkeypatch.setattr(wake, "IDLE_S", 0.01)
        monkeypatch.setattr(wake, "get_settings", lambda: SimpleNamespace(broker_url="redis://127.0.0.1:1/0"))
        wake.tell()
        assert first.wait(20)  # at once
        for _ in range(50):
            wake.tell()  # while the first is on its way
        rest.set()
        assert twice.wait(20)
        while wake._bell.alive:
            threading.Event().wait(0.01)
        assert len(sent) == 2

    def test_with_the_broker_away_drops_the_hint_and_says_so(self):
        before = wake.counters.wakes.labels("dropped")._value.get()
        assert wake.send(wake.sender("redis://127.0.0.1:1/0")) is False
        assert wake.counters.wakes.labels("dropped")._value.get() == before + 1

    def test_leaves_a_message_for_the_guards(self, broker_url):
        app = wake.sender(broker_url)
        with app.connection() as connection:
            queue = connection.default_channel.client
            queue.delete("control")
            assert wake.send(app) is True
            assert queue.llen("control") == 1 and b"guard.wake" in queue.lindex("control", 0)
            queue.delete("control")
