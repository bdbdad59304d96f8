"""What a command changes, and who may not change it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.support.commanding import command, desired, issue, ladder, sweep_at
from tests.support.governed import at, only, register, revise, traffic

from trivet import db
from trivet.card import service as cards
from trivet.command import polls, service
from trivet.command.models import Command, PolicyGeneration
from trivet.guard import service as guards
from trivet.guard.models import Breach, LadderState
from trivet.identity import audit
from trivet.identity.models import Audit
from trivet.kit.errors import Conflict, Invalid
from trivet.outbox import Outbox
from trivet.tenant.models import Tenant


@pytest.fixture
def chat(database):
    return register("chat")


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
        assert found.reason == desired().cause
        assert found.reason.startswith("P95 1.51 s over 1 s: 10 of 10 took over 1 s")

    def test_says_why_the_ladder_moved_though_it_is_done_when_the_ladder_already_says_why_it_stays(self, chat):
        self.breach()
        with db.transaction() as session:
            guards.evaluate(session, at(40))  # the slow ones are out of the window by now: nobody says that it is calm
        assert ladder().reason.startswith("not yet calm")
        with db.transaction() as session:
            found = service.follow_ladder(session, chat, None, at(41))
            assert found.breach_id == only(session, Breach).id
        assert found.reason.startswith("P95 1.51 s over 1 s: 10 of 10 took over 1 s")

    def test_names_the_breach_also_where_the_sweep_was_first(self, chat):
        self.breach()
        sweep_at(at(14))
        with db.transaction() as session:
            assert only(session, Command).breach_id == only(session, Breach).id

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
