"""What a command changes, and what becomes of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.support.governed import at, only, register, revise, traffic
from tests.support.seeded import seeded

from trivet import db
from trivet.card import service as cards
from trivet.command import polls, service, sweep
from trivet.command.models import BackendHolding, Command, DesiredState, PolicyGeneration
from trivet.fleet.models import Backend
from trivet.guard import service as guards
from trivet.guard.models import Breach, LadderState
from trivet.identity import audit
from trivet.identity.models import Audit
from trivet.kit.errors import Conflict, Invalid
from trivet.outbox import Outbox
from trivet.tenant.models import Tenant

SEEN_S = 60


@pytest.fixture
def chat(database):
    return register("chat")


def issue(now, kind="degrade", **more):
    given = {"scenario_id": 1, "reason": "too slow", "actor": "ole@example.com"} | more
    if kind == "degrade":
        given.setdefault("level", 1)
    with db.transaction() as session:
        return service.issue(session, kind=kind, now=now, **given).id


def command(id_):
    with db.transaction() as session:
        return session.get(Command, id_)


def poll(now, backend="gw-1", etag=None):
    """One poll; its ETag, to be held from now on."""
    with db.transaction() as session:
        return polls.answer(session, backend, [etag] if etag else [], now).etag


def hold(now, backend="gw-1"):
    """A backend that takes what is served and says so."""
    poll(now, backend, poll(now, backend))


def telemetry(now, generation, backend="gw-1", level=0, scenario="chat"):
    traffic(
        now, seconds=0.1, count=1, backend=backend, generation=generation, revision=1, level=level, scenario=scenario
    )


def sweep_at(now):
    with db.transaction() as session:
        sweep.fold_seen(session)
    with db.transaction() as session:
        sweep.judge(session, now, SEEN_S)
    with db.transaction() as session:
        due, astray = sweep.due(session, now), sweep.astray(session)
    for key in due:
        with db.transaction() as session:
            sweep.end(session, key, now)
    for scenario_id in astray:
        with db.transaction() as session:
            service.follow_ladder(session, scenario_id, None, now)


def ladder():
    with db.transaction() as session:
        return only(session, LadderState)


def desired():
    with db.transaction() as session:
        return session.get(DesiredState, (1, 0, 0))


class TestGivingACommand:
    def test_changes_what_should_hold_under_the_next_generation(self, chat):
        id_ = issue(at(1), level=2)
        found = command(id_)
        assert (found.status, found.generation, found.revision, found.level) == ("pending", 1, 1, 2)
        assert (desired().level, desired().cause) == (2, "too slow")
        assert command(issue(at(2))).generation == 2

    def test_leaves_who_why_and_what_was_before_in_the_audit(self, chat):
        issue(at(1), level=2)
        with db.transaction() as session:
            row = session.scalars(select(Audit).order_by(Audit.id.desc())).first()
        assert (row.actor, row.action, row.subject) == ("ole@example.com", "command.degrade", "scenario:chat")
        assert (row.before["level"], row.after["level"], row.after["generation"]) == (0, 2, 1)
        assert row.reason == "too slow"

    @pytest.mark.parametrize(
        ("kind", "more", "field"),
        [
            ("explode", {}, "kind"),
            ("degrade", {"reason": "  "}, "reason"),
            ("degrade", {"level": 0}, "level"),
            ("degrade", {"level": 4}, "level"),
            ("restore", {"level": 1}, "level"),
            ("break", {}, "tenant"),
            ("rollback", {"tenant_id": 1}, "tenant"),
            ("restore", {"expires_in_s": 60}, "expires_in_s"),
            ("degrade", {"expires_in_s": 0.5}, "expires_in_s"),
            ("degrade", {"expires_in_s": 1e9}, "expires_in_s"),
        ],
    )
    def test_that_makes_no_sense_is_refused_by_field_and_changes_nothing(self, chat, kind, more, field):
        with pytest.raises(Invalid) as refused:
            issue(at(1), kind, **more)
        assert refused.value.field == field
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Command)) == 0
            assert session.scalar(select(func.count()).select_from(PolicyGeneration)) == 0

    def test_for_a_scenario_without_a_card_is_refused(self, database):
        from trivet.tenant.models import Scenario

        with db.transaction() as session:
            db.named_ids(session, Scenario, ["met-in-spans"])
        with pytest.raises(Conflict, match="no active card"):
            issue(at(1))

    def test_fifty_at_once_get_fifty_generations_and_leave_one_open(self, chat):
        with ThreadPoolExecutor(50) as pool:
            ids = list(pool.map(lambda n: issue(at(1), level=1 + n % 3), range(50)))
        with db.transaction() as session:
            rows = session.scalars(select(Command)).all()
            newest = max(rows, key=lambda row: row.generation)
            assert sorted(row.generation for row in rows) == list(range(1, 51))
            assert [row.id for row in rows if row.status == "pending"] == [newest.id]
            assert len(set(ids)) == 50
        assert desired().level == newest.level
        with db.transaction() as session:
            assert audit.first_broken(session) is None


class TestAPersonAndTheLadder:
    def test_a_persons_degrade_holds_the_ladder_for_a_stated_time(self, chat):
        issue(at(1), level=2)
        row = ladder()
        assert (row.level, row.held_by) == (2, "ole@example.com")
        assert row.held_until == at(1) + timedelta(seconds=service.HOLD_S)

    def test_one_that_expires_holds_it_until_then(self, chat):
        issue(at(1), level=2, expires_in_s=60)
        assert ladder().held_until == at(61)

    def test_a_persons_restore_hands_the_ladder_back(self, chat):
        issue(at(1), level=2)
        issue(at(2), "restore")
        assert (ladder().level, ladder().held_until) == (0, None)

    def test_a_tenants_or_a_backends_command_moves_no_ladder(self, chat):
        with db.transaction() as session:
            tenant = db.named_ids(session, Tenant, ["acme"])["acme"]
        issue(at(1), level=2, tenant_id=tenant)
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(LadderState)) == 0


class TestFollowingTheLadder:
    def breach(self):
        traffic(at(12), seconds=1.5)
        with db.transaction() as session:
            guards.evaluate(session, at(13))

    def follow(self, now=at(14)):
        with db.transaction() as session:
            (scenario_id, breach_id) = session.scalars(select(Outbox.args).order_by(Outbox.id.desc())).first()
            return service.follow_ladder(session, scenario_id, breach_id, now)

    def test_makes_its_level_what_should_hold_and_names_the_breach(self, chat):
        self.breach()
        found = self.follow()
        with db.transaction() as session:
            assert (found.actor, found.level, found.breach_id) == ("ladder", 1, only(session, Breach).id)
        assert found.reason == desired().cause == "P95 1.51 s over 1 s"

    def test_asked_fifty_times_at_once_gives_one_command(self, chat):
        self.breach()
        with ThreadPoolExecutor(50) as pool:
            given = [c for c in pool.map(lambda _: self.follow(), range(50)) if c is not None]
        assert len(given) == 1

    def test_a_hand_off_that_was_lost_is_made_up_by_the_sweep(self, chat):
        self.breach()
        sweep_at(at(15))
        assert desired().level == 1

    def test_does_nothing_against_a_persons_hold(self, chat):
        self.breach()
        issue(at(14), "degrade", level=3)
        assert self.follow() is None
        sweep_at(at(15))
        assert desired().level == 3


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

    def test_of_a_command_superseded_before_does_nothing(self, chat):
        issue(at(1), level=2, expires_in_s=30)
        issue(at(2), level=1)
        sweep_at(at(40))
        assert desired().level == 1


class TestBreakingATenant:
    def test_cuts_off_that_tenant_alone_and_a_restore_undoes_it(self, chat):
        with db.transaction() as session:
            tenant = db.named_ids(session, Tenant, ["acme"])["acme"]
        issue(at(1), "break", tenant_id=tenant, message="Paused.")
        assert tenants() == {"acme": "reject"}
        issue(at(2), "restore", tenant_id=tenant)
        assert tenants() == {}

    def test_has_a_limit_since_every_backend_carries_every_one(self, chat, monkeypatch):
        monkeypatch.setattr(service, "OVERRIDES_MAX", 1)
        with db.transaction() as session:
            ids = db.named_ids(session, Tenant, ["acme", "bolt"])
        issue(at(1), "break", tenant_id=ids["acme"])
        with pytest.raises(Conflict, match="restore some first"):
            issue(at(2), "break", tenant_id=ids["bolt"])


def tenants():
    with db.transaction() as session:
        overrides = polls.answer(session, "gw-1", [], at(9)).lasting["chat"]["tenants"]
        return {name: override["flags"]["admission"] for name, override in overrides.items()}


class TestAnAutomaticRollback:
    @pytest.fixture
    def breach_id(self, chat):
        with db.transaction() as session:
            revise(session, chat, 2, at(1))
            row = Breach(
                scenario_id=chat, guard="floor", revision=2, value=0.4, worst_value=0.4, threshold=0.8, sample=10,
                reason="quality 0.4 under 0.8", opened_at=at(5),
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def roll_back(self, breach_id):
        with db.transaction() as session:
            return service.auto_rollback(session, 1, 2, breach_id, at(6))

    def test_goes_to_the_revision_before_and_says_why(self, chat, breach_id):
        found = self.roll_back(breach_id)
        assert (found.kind, found.actor, found.revision) == ("rollback", "ladder", 1)
        assert found.reason == "quality 0.4 under 0.8 under revision 2"
        with db.transaction() as session:
            assert cards.active(session)[chat].number == 1

    def test_asked_again_or_fifty_times_at_once_happens_once(self, chat, breach_id):
        with ThreadPoolExecutor(50) as pool:
            given = [c for c in pool.map(lambda _: self.roll_back(breach_id), range(50)) if c is not None]
        assert len(given) == 1
        with db.transaction() as session:
            assert cards.active(session)[chat].number == 1


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
