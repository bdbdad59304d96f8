"""A revision serves a share of conversations first: it grows, goes back or governs by itself, each step one command."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.support.calls import call, ingest
from tests.support.commanding import issue
from tests.support.governed import at, register, short_card

from trivet import db
from trivet.card import schedules
from trivet.card import service as cards
from trivet.card.models import CardSchedule, CardTrial
from trivet.command import card_changes, polls, tasks, trials
from trivet.command.models import Command
from trivet.identity.auth import person
from trivet.identity.models import Audit
from trivet.kit.clock import floor, utc_now
from trivet.kit.errors import Conflict, Invalid
from trivet_collectors.policy.evaluate import resolve

PAT, OLE = person("pat@example.com", "product_owner"), person("ole@example.com", "sre")


@pytest.fixture
def chat(database):
    return register("chat")


def in_review(*, approved=True, **changes):
    with db.transaction() as session:
        body = short_card(flags={"tools.mode": "local"}, **changes)
        number = cards.draft(session, scenario="chat", body=body, actor=PAT.actor, now=at(0)).number
        cards.submit(session, scenario="chat", number=number, actor=PAT.actor, now=at(0))
        for who in (PAT, OLE) if approved else ():
            cards.approve(session, scenario="chat", number=number, side=None, principal=who)
        return number


def start(now, number=2, **more):
    given = {"shares": (0.05, 0.5), "step_s": 30, "minimum_sample": 100, "reason": "try it", "actor": OLE.actor} | more
    with db.transaction() as session:
        return trials.start(session, scenario="chat", number=number, now=now, **given).generation


def served(since, *, revision, count, buckets=4, **more):
    """Requests of one revision in the ten-second buckets after an instant."""
    times = [floor(since, 10) + timedelta(seconds=10 * k + 5) for k in range(1, buckets + 1)]
    given = {"seconds": 0.2, "revision": revision, "generation": 1} | more
    ingest(*(call(ended, **given) for ended in times for _ in range(count)), now=times[-1])


def look(now):
    with db.transaction() as session:
        return trials.decide(session, 1, now)


def act(decided, now):
    with db.transaction() as session:
        command = trials.act(session, 1, decided, now)
        return command.generation if command else None


def newest(model):
    with db.transaction() as session:
        return session.scalars(select(model).order_by(model.id.desc())).first()


def document(now):
    with db.transaction() as session:
        return polls.everything(session, "").document(now)


class TestBeginningATrial:
    def test_gives_a_share_of_conversations_the_revision_under_a_new_generation(self, chat):
        in_review()
        before = document(at(1))
        assert start(at(1)) == 1
        said = document(at(2))
        assert before["scenarios"]["chat"]["arms"] == []
        (arm,) = said["scenarios"]["chat"]["arms"]
        assert (arm["revision"], arm["share"], arm["flags"]) == (2, 0.05, {"tools.mode": "local"})
        asked = [resolve(said, {"scenario": "chat", "session": f"s{k}"}, at(2)).revision for k in range(2000)]
        assert 0.02 < asked.count(2) / 2000 < 0.09 and asked.count(1) + asked.count(2) == 2000
        command = newest(Command)
        assert (command.kind, command.revision, command.share, command.reason) == ("trial", 2, 0.05, "try it")

    def test_leaves_the_card_that_governs_as_it_is(self, chat):
        in_review()
        start(at(1))
        with db.transaction() as session:
            assert cards.active(session)[1].number == 1
            assert cards.revision_named(session, "chat", 2).status == "in_review"

    def test_takes_both_approvals(self, chat):
        in_review(approved=False)
        with pytest.raises(Conflict, match="still needs the approval of product and operations"):
            start(at(1))

    def test_is_for_one_revision_at_a_time(self, chat):
        in_review()
        in_review()
        start(at(1))
        with pytest.raises(Conflict, match="Revision 2 is on trial"):
            start(at(2), 3)

    def test_that_makes_no_sense_is_refused_by_field_and_changes_nothing(self, chat):
        in_review()
        for more, field in (
            ({"shares": ()}, "shares"),
            ({"shares": (0.5, 0.2)}, "shares"),
            ({"shares": (0.5, 1.0)}, "shares"),
            ({"step_s": 1}, "step_s"),
            ({"minimum_sample": 0}, "minimum_sample"),
            ({"reason": " "}, "reason"),
        ):
            with pytest.raises(Invalid) as refused:
                start(at(1), **more)
            assert refused.value.field == field
        assert newest(Command) is None and newest(CardTrial) is None


class TestATrialThatGoesWell:
    def test_grows_and_then_governs(self, chat):
        in_review()
        start(at(0))
        served(at(0), revision=1, count=300)
        served(at(0), revision=2, count=200)
        assert act(look(at(60)), at(60)) == 2
        assert newest(Command).share == 0.5
        assert document(at(61))["scenarios"]["chat"]["arms"][0]["share"] == 0.5
        served(at(60), revision=1, count=300)
        served(at(60), revision=2, count=300)
        assert act(look(at(120)), at(120)) == 3
        found, row = newest(Command), newest(CardTrial)
        assert (found.kind, found.actor, found.revision) == ("activate", "trial", 2)
        assert (row.state, [s["action"] for s in row.steps]) == ("activated", ["grow", "activate"])
        assert "nothing is worse" in found.reason and row.steps[0]["numbers"][0]["measure"] == "errors"
        after = document(at(121))["scenarios"]["chat"]
        assert (after["revision"], after["arms"]) == (2, [])

    def test_waits_and_says_why(self, chat):
        in_review()
        start(at(0))
        decided = look(at(10))
        assert act(decided, at(10)) is None
        assert newest(CardTrial).said.startswith("Nothing is worse so far")
        assert newest(Command).generation == 1

    def test_looks_at_the_present_step_only(self, chat):
        in_review()
        start(at(0))
        served(at(0), revision=1, count=300)
        served(at(0), revision=2, count=200)
        act(look(at(60)), at(60))
        assert look(at(100)).verdict.words == "0 of 100 requests under revision 2 so far."

    def test_waits_while_the_ladder_stands_above_0(self, chat):
        in_review()
        start(at(0))
        served(at(0), revision=1, count=300)
        served(at(0), revision=2, count=200)
        issue(at(50), level=1)
        assert look(at(60)).verdict.words == "Waits: 2 is tried at level 0 only, and level 1 holds."


class TestATrialThatGoesBadly:
    def test_goes_back_by_itself_and_stays_in_review(self, chat):
        in_review()
        start(at(0))
        served(at(0), revision=1, count=100, buckets=3)
        served(at(0), revision=2, count=40, buckets=3, outcome=1)
        assert act(look(at(40)), at(40)) == 2
        row, command = newest(CardTrial), newest(Command)
        assert (row.state, row.steps[-1]["action"]) == ("stopped", "back")
        assert (command.kind, command.share) == ("trial", 0.0)
        assert "errors 100.0 % against 0.0 %" in command.reason
        assert document(at(41))["scenarios"]["chat"]["arms"] == []
        with db.transaction() as session:
            assert cards.revision_named(session, "chat", 2).status == "in_review"
        assert look(at(42)) is None

    def test_is_ended_by_a_person_with_a_reason(self, chat):
        in_review()
        start(at(0))
        with db.transaction() as session:
            trials.stop(session, scenario="chat", number=2, reason="users complain", actor=OLE.actor, now=at(5))
        assert newest(CardTrial).said == "Ended by ole@example.com: users complain"
        with db.transaction() as session, pytest.raises(Conflict, match="not on trial"):
            trials.stop(session, scenario="chat", number=2, reason="again", actor=OLE.actor, now=at(6))

    def test_is_over_when_the_card_changes_under_it(self, chat):
        in_review()
        start(at(0))
        revise_by_activation(at(5))
        assert (newest(CardTrial).state, newest(CardTrial).said) == ("stopped", "Over: revision 3 was activated.")


def revise_by_activation(now):
    number = in_review()
    issue(now, "activate", revision=number)


class TestTwoWorkersAtOnce:
    def test_have_one_effect(self, chat):
        in_review()
        start(at(0))
        served(at(0), revision=1, count=300)
        served(at(0), revision=2, count=200)
        decided = [look(at(60)) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda d: act(d, at(60)), decided))
        assert sorted(done, key=bool) == [None, None, None, 2]
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Command)) == 2
            assert session.scalar(select(func.count()).where(Audit.action == "command.trial")) == 2

    def test_a_decision_of_before_a_change_does_nothing(self, chat):
        in_review()
        start(at(0))
        served(at(0), revision=1, count=300)
        served(at(0), revision=2, count=200)
        late = look(at(60))
        with db.transaction() as session:
            trials.stop(session, scenario="chat", number=2, reason="enough", actor=OLE.actor, now=at(61))
        assert act(late, at(62)) is None

    def test_the_task_does_it_all(self, chat):
        in_review()
        start(utc_now())
        tasks.judge_trials()
        assert newest(CardTrial).said.startswith("Nothing is worse so far")


def plan(number, now, when, reason="at night"):
    with db.transaction() as session:
        schedules.plan(session, scenario="chat", number=number, at=when, actor=OLE.actor, reason=reason, now=now)


def activate_due(now):
    with db.transaction() as session:
        command = card_changes.activate_due(session, 1, now)
        return command.generation if command else None


class TestAnActivationAtAnInstant:
    def test_is_made_when_its_time_has_come_and_once(self, chat):
        in_review()
        plan(2, at(0), at(100))
        assert activate_due(at(99)) is None
        assert (activate_due(at(100)), activate_due(at(101))) == (1, None)
        found = newest(Command)
        assert (found.kind, found.actor, found.reason) == ("activate", OLE.actor, "at night (scheduled for this time)")
        assert (newest(CardSchedule).state, newest(CardSchedule).outcome) == ("activated", "It governs.")

    def test_needs_both_approvals_by_then(self, chat):
        in_review(approved=False)
        plan(2, at(0), at(100))
        assert activate_due(at(100)) is None
        row = newest(CardSchedule)
        assert (row.state, row.outcome) == ("failed", "Revision 2 still needs the approval of product and operations.")
        assert activate_due(at(101)) is None and newest(Command) is None

    def test_is_cancelled_when_another_revision_is_activated(self, chat):
        in_review()
        plan(2, at(0), at(100))
        revise_by_activation(at(50))
        assert newest(CardSchedule).outcome == "Over: revision 3 was activated."
        assert activate_due(at(100)) is None

    def test_is_called_off_by_a_person(self, chat):
        in_review()
        plan(2, at(0), at(100))
        with db.transaction() as session:
            schedules.cancel(session, scenario="chat", number=2, actor=PAT.actor, reason="the fair is over", now=at(10))
        assert newest(CardSchedule).outcome == "Called off by pat@example.com: the fair is over"
        assert activate_due(at(100)) is None

    def test_by_two_workers_is_one(self, chat):
        in_review()
        plan(2, at(0), at(100))
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda _: activate_due(at(100)), range(3)))
        assert sorted(done, key=bool) == [None, None, 1]

    def test_lies_ahead_and_is_one_at_a_time(self, chat):
        in_review()
        in_review()
        for when in (at(0), at(0) + timedelta(days=400)):
            with pytest.raises(Invalid) as refused:
                plan(2, at(0), when)
            assert refused.value.field == "at"
        plan(2, at(0), at(100))
        with pytest.raises(Conflict, match="Revision 2 is scheduled"):
            plan(3, at(0), at(100))

    def test_the_task_does_it(self, chat):
        in_review()
        plan(2, utc_now() - timedelta(seconds=20), utc_now() - timedelta(seconds=10))
        tasks.activate_scheduled()
        assert newest(CardSchedule).state == "activated"


class TestOverTheApi:
    def test_a_trial_is_begun_listed_and_ended(self, client, admin, chat):
        in_review()
        at_ = "/api/v1/cards/chat/revisions/2"
        made = client.post(f"{at_}/trial", json={"reason": "try it", "shares": [0.1]}, headers=admin)
        assert made.status_code == 201 and made.json()["generation"] == 1
        (listed,) = client.get("/api/v1/cards/chat/trials", headers=admin).json()["items"]
        assert (listed["revision"], listed["against"], listed["state"], listed["share"]) == (2, 1, "running", 0.1)
        assert client.post(f"{at_}/trial/end", json={"reason": "enough"}, headers=admin).status_code == 201
        (listed,) = client.get("/api/v1/cards/chat/trials", headers=admin).json()["items"]
        assert (listed["state"], listed["steps"][0]["action"]) == ("stopped", "back")

    def test_an_activation_is_scheduled_and_called_off(self, client, admin, chat):
        in_review()
        at_ = "/api/v1/cards/chat/revisions/2/schedule"
        when = (utc_now() + timedelta(hours=1)).isoformat()
        made = client.post(at_, json={"at": when, "reason": "at night"}, headers=admin)
        assert made.status_code == 201 and made.json()["state"] == "waiting"
        off = client.post(f"{at_}/cancel", json={"reason": "no"}, headers=admin)
        assert off.status_code == 200 and off.json()["state"] == "cancelled"

    def test_takes_more_than_a_key_that_reads(self, client, make_key, chat):
        reader = {"Authorization": f"Bearer {make_key(['read'])}"}
        for path in ("revisions/1/trial", "revisions/1/break-glass", "rollback"):
            assert client.post(f"/api/v1/cards/chat/{path}", json={"reason": "x"}, headers=reader).status_code == 403
