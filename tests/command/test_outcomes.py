"""What becomes of a command: what proves it, what ends it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from tests.support.calls import call
from tests.support.commanding import command, desired, hold, issue, poll, sweep_at, telemetry
from tests.support.governed import at, only, register, revise
from tests.support.seeded import seeded

from trivet import db
from trivet.card.models import CardRevision
from trivet.command import polls, tasks
from trivet.command.models import BackendHolding, Command, DesiredState, PolicyGeneration
from trivet.fleet.models import Backend
from trivet.guard.models import LadderState
from trivet.ingest.store.persist import store
from trivet.tenant.models import Tenant


@pytest.fixture
def chat(database):
    return register("chat")


class TestWhatBecomesOfACommand:
    def test_without_a_backend_it_stays_pending_and_says_so(self, chat):
        id_ = issue(at(1))
        sweep_at(at(2))
        assert (command(id_).status, command(id_).outcome) == ("pending", "No backend has asked lately.")

    def test_it_is_observed_when_every_backend_seen_lately_holds_it(self, chat):
        hold(at(0), "gw-1")
        hold(at(0), "gw-2")
        id_ = issue(at(1))
        hold(at(2), "gw-1")
        sweep_at(at(3))
        assert command(id_).status == "pending"
        assert command(id_).outcome == "Waiting for gw-2: 1 of 2 hold it."
        hold(at(3), "gw-2")
        sweep_at(at(4))
        assert (command(id_).status, command(id_).observed_at) == ("observed", at(4))

    def test_it_does_not_wait_for_a_backend_not_seen_for_a_minute(self, chat):
        hold(at(0), "gone")
        id_ = issue(at(1))
        hold(at(62), "gw-1")
        sweep_at(at(63))
        assert command(id_).status == "observed"

    def test_being_sent_is_not_yet_holding(self, chat):
        hold(at(0))
        id_ = issue(at(1))
        poll(at(2))
        sweep_at(at(3))
        assert command(id_).status == "pending"

    def test_it_is_effective_when_telemetry_carries_its_generation(self, chat):
        id_ = issue(at(1))
        hold(at(2))
        sweep_at(at(3))
        telemetry(at(4), generation=0)
        sweep_at(at(5))
        assert command(id_).status == "observed"
        telemetry(at(6), generation=1, level=1)
        sweep_at(at(7))
        found = command(id_)
        assert (found.status, found.observed_at, found.effective_at) == ("effective", at(3), at(7))
        assert found.outcome == "Telemetry of gw-1 runs under it."

    def test_telemetry_proves_what_no_poll_has_said_yet(self, chat):
        hold(at(0))
        id_ = issue(at(1))
        telemetry(at(2), generation=1)
        sweep_at(at(3))
        assert (command(id_).status, command(id_).observed_at) == ("effective", at(3))

    def test_telemetry_of_a_generation_that_never_was_proves_nothing(self, chat):
        hold(at(0))
        id_ = issue(at(1))
        telemetry(at(2), generation=999)
        sweep_at(at(3))
        assert command(id_).status == "pending"

    def test_late_telemetry_of_an_older_generation_takes_nothing_back(self, chat):
        issue(at(1))
        telemetry(at(2), generation=1)
        sweep_at(at(3))
        telemetry(at(4), generation=0)
        sweep_at(at(5))
        with db.transaction() as session:
            assert only(session, BackendHolding).effective_generation == 1

    def test_a_degrade_and_a_rollback_before_the_next_poll_only_the_newest_counts(self, chat):
        hold(at(0))
        with db.transaction() as session:
            revise(session, chat, 2, at(0.5))
        degraded = issue(at(1))
        rolled_back = issue(at(2), "rollback")
        sweep_at(at(2))
        assert command(degraded).status == "superseded"
        assert command(degraded).outcome.endswith("Superseded by generation 2.")
        hold(at(3))
        telemetry(at(4), generation=2, level=1)
        sweep_at(at(5))
        assert command(rolled_back).status == "effective"
        assert command(degraded).status == "superseded"
        assert desired().level == 1  # the level stays what it was asked to be

    def test_one_that_was_effective_stays_so_when_the_next_comes(self, chat):
        first = issue(at(1))
        hold(at(2))
        telemetry(at(2), generation=1)
        sweep_at(at(3))
        issue(at(4), "restore")
        assert (command(first).status, command(first).ended_at) == ("effective", at(4))

    def test_commands_of_another_scope_are_not_superseded(self, chat):
        with db.transaction() as session:
            tenant = db.named_ids(session, Tenant, ["acme"])["acme"]
        broken = issue(at(1), "break", tenant_id=tenant)
        issue(at(2))
        assert command(broken).status == "pending"
        hold(at(3))
        sweep_at(at(4))
        assert command(broken).status == "observed"  # a later generation proves it too

    def test_of_one_backend_only_that_one_counts(self, chat):
        hold(at(0), "gw-1")
        hold(at(0), "gw-2")
        with db.transaction() as session:
            second = session.scalars(select(Backend.id).where(Backend.name == "gw-2")).one()
        id_ = issue(at(1), backend_id=second)
        hold(at(2), "gw-2")
        sweep_at(at(3))
        assert command(id_).status == "observed"
        assert level_for("gw-1") == 0 and level_for("gw-2") == 1

    def test_of_a_scenario_that_the_backend_does_not_serve_it_is_not_asked(self, chat):
        register("search")
        hold(at(0), "gw-1")
        with db.transaction() as session:
            session.scalars(select(Backend)).one().scenario_ids = [2]
        id_ = issue(at(1))
        sweep_at(at(2))
        assert command(id_).outcome == "No backend has asked lately."


class TestABackendThatIsNotRegistered:
    def test_and_only_polls_is_waited_for_by_nobody(self, chat):
        hold(at(0), "gw-1")
        for n in range(30):
            poll(at(0), f"made-up-{n}")
        id_ = issue(at(1))
        hold(at(2), "gw-1")
        sweep_at(at(3))
        assert (command(id_).status, command(id_).outcome) == (
            "observed", "Held by gw-1; no telemetry carries it yet.",
        )  # fmt: skip

    def test_and_only_polls_proves_nothing_and_is_named(self, chat):
        id_ = issue(at(1))
        poll(at(3), "new", poll(at(2), "new"))
        sweep_at(at(4))
        assert (command(id_).status, command(id_).outcome) == (
            "pending", "No backend known to serve it has asked lately; new asked: register it, or send its telemetry.",
        )  # fmt: skip

    def test_counts_for_the_scenarios_that_its_telemetry_is_of(self, chat):
        register("search")
        telemetry(at(0), generation=0, backend="new")
        sweep_at(at(0))
        poll(at(1), "new")
        here, there = issue(at(1)), issue(at(1), scenario_id=2)
        sweep_at(at(2))
        assert command(here).outcome == "Waiting for new: 0 of 1 hold it."
        assert command(there).outcome.startswith("No backend known to serve it has asked lately")

    def test_counts_for_a_command_that_is_for_it_alone(self, chat):
        etag = poll(at(0), "new")
        with db.transaction() as session:
            id_ = session.scalars(select(Backend.id)).one()
        given = issue(at(1), backend_id=id_)
        poll(at(3), "new", poll(at(2), "new", etag))
        sweep_at(at(4))
        assert command(given).status == "observed"


class TestTelemetryOfATenantsOwnKey:
    @pytest.fixture
    def tenants(self, chat):
        with db.transaction() as session:
            return db.named_ids(session, Tenant, ["acme", "bolt"])

    def forge(self, now, tenant_id, generation, backend="gw-1"):
        facts = [call(now, backend=backend, generation=generation, revision=1, level=1)]
        store(facts, [], tenant_id=tenant_id, key_id=1, now=now)

    def test_proves_nothing_of_a_command_for_all(self, tenants):
        id_ = issue(at(1))
        hold(at(2))
        self.forge(at(3), tenants["acme"], 1)
        sweep_at(at(4))
        assert command(id_).status == "observed"
        telemetry(at(5), generation=1)
        sweep_at(at(6))
        assert command(id_).status == "effective"

    def test_proves_nothing_of_another_tenants_command(self, tenants):
        id_ = issue(at(1), "break", tenant_id=tenants["bolt"])
        hold(at(2))
        self.forge(at(3), tenants["acme"], 1)
        sweep_at(at(4))
        assert command(id_).status == "observed"

    def test_proves_its_own_tenants_command(self, tenants):
        id_ = issue(at(1), "degrade", tenant_id=tenants["acme"])
        hold(at(2))
        self.forge(at(3), tenants["acme"], 1)
        self.forge(at(3), tenants["acme"], 0)  # an older one that came late takes nothing back
        sweep_at(at(4))
        assert (command(id_).status, command(id_).outcome) == ("effective", "Telemetry of gw-1 runs under it.")

    def test_of_a_generation_that_never_was_proves_nothing(self, tenants):
        id_ = issue(at(1), "degrade", tenant_id=tenants["acme"])
        hold(at(2))
        self.forge(at(3), tenants["acme"], 999)
        sweep_at(at(4))
        assert command(id_).status == "observed"

    def test_brings_no_backend_into_sight(self, tenants):
        hold(at(0))
        id_ = issue(at(1))
        self.forge(at(2), tenants["acme"], 0, backend="made-up")
        hold(at(2))
        sweep_at(at(3))
        assert command(id_).status == "observed"


def level_for(backend):
    with db.transaction() as session:
        answer = polls.answer(session, backend, [], at(9))
        return answer.lasting["chat"]["level"]


class TestATimeLimit:
    def test_ends_what_should_hold_under_a_new_generation(self, chat):
        id_ = issue(at(1), level=2, expires_in_s=30)
        hold(at(2))
        sweep_at(at(3))
        sweep_at(at(30.9))
        assert desired().level == 2
        sweep_at(at(31))
        assert desired().level == 0
        found = command(id_)
        assert (found.status, found.ended_at) == ("observed", at(31))
        assert found.outcome.endswith("Ended after 30 s as asked.")
        with db.transaction() as session:
            last = session.scalars(select(Command).order_by(Command.id.desc())).first()
            assert (last.kind, last.actor, last.generation) == ("restore", "expiry", 2)
            assert only(session, LadderState).held_until is None

    def test_reached_unobserved_is_expired(self, chat):
        id_ = issue(at(1), level=2, expires_in_s=30)
        sweep_at(at(32))
        assert command(id_).status == "expired"
        assert command(id_).outcome == "Ended before any backend was seen to hold it."

    def test_is_in_the_document_so_that_a_backend_needs_no_poll_to_obey_it(self, chat):
        from trivet_collectors.policy.evaluate import evaluate

        issue(at(1), level=2, expires_in_s=30)
        with db.transaction() as session:
            document = polls.answer(session, "gw-1", [], at(2)).document(at(2))
        context = {"scenario": "chat"}
        assert evaluate(document, context, at(30))["degrade.level"] == 2
        assert evaluate(document, context, at(31))["degrade.level"] == 0

    def test_swept_by_two_at_once_ends_once(self, chat):
        issue(at(1), level=2, expires_in_s=30)
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: sweep_at(at(32)), range(10)))
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Command)) == 2

    def test_of_a_scenario_whose_card_cannot_be_read_keeps_no_others_waiting(self, chat):
        search = register("search")
        for scenario_id in (chat, search):
            issue(at(1), level=2, expires_in_s=30, scenario_id=scenario_id)
        with db.transaction() as session:
            row = session.scalars(select(CardRevision).where(CardRevision.scenario_id == chat)).one()
            row.body = row.body | {"rollback": {"automatic": True, "within_s": 10**20}}
        db.forget_rows()
        tasks.sweep_all()
        with db.transaction() as session:
            levels = dict(session.execute(select(DesiredState.scenario_id, DesiredState.level)).all())
        assert levels == {chat: 2, search: 0}

    def test_of_a_command_superseded_before_does_nothing(self, chat):
        issue(at(1), level=2, expires_in_s=30)
        issue(at(2), level=1)
        sweep_at(at(40))
        assert desired().level == 1


class TestWhateverComes:
    """Commands, polls, telemetry, time limits and sweeps in any order. Run again with the seed it prints."""

    def test_no_status_goes_back_and_nothing_is_claimed_that_was_not_seen(self, chat):
        random, held, best = seeded(), {}, {}
        rank = {"pending": 0, "observed": 1, "effective": 2, "superseded": 3, "expired": 3}
        with db.transaction() as session:
            tenants_ = [None, *db.named_ids(session, Tenant, ["acme", "bolt"]).values()]
        for second in range(1, 81):
            self.one_thing(random, at(second), held, tenants_)
            sweep_at(at(second))
            with db.transaction() as session:
                newest = only(session, PolicyGeneration).generation if best or self.commands(session) else 0
                commands = self.commands(session)
                assert [c.generation for c in commands] == list(range(1, newest + 1))
                scopes_open = [(c.tenant_id, c.backend_id) for c in commands if c.ended_at is None]
                assert len(scopes_open) == len(set(scopes_open))
                proven = {h.backend_id: h for h in session.scalars(select(BackendHolding))}
                assert all(max(h.observed_generation, h.effective_generation) <= newest for h in proven.values())
                for c in commands:
                    assert rank[c.status] >= best.get(c.id, 0)
                    best[c.id] = rank[c.status]
                    assert (c.status == "effective") <= (c.observed_at is not None)
                    if c.status == "effective":
                        assert any(h.effective_generation >= c.generation for h in proven.values())

    def commands(self, session):
        return session.scalars(select(Command).order_by(Command.generation)).all()

    def one_thing(self, random, now, held, tenants_):
        backend = random.choice(["gw-1", "gw-2"])
        match random.choice(["degrade", "restore", "break", "poll", "poll", "poll", "telemetry", "telemetry"]):
            case "degrade":
                limit = random.choice([None, None, 5])
                issue(now, level=random.randint(1, 3), tenant_id=random.choice(tenants_), expires_in_s=limit)
            case "restore":
                issue(now, "restore", tenant_id=random.choice(tenants_))
            case "break":
                issue(now, "break", tenant_id=tenants_[1])
            case "poll":
                held[backend] = poll(now, backend, random.choice([held.get(backend), None]))
            case "telemetry":
                telemetry(now, generation=random.randint(0, 40), backend=backend)
