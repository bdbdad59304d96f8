"""The way back on real rows: probes as commands that backends get, ways back that wait, ladders that freeze and thaw."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from tests.support.commanding import sweep_at
from tests.support.governed import START, at, only, register, short_card, traffic

from trivet import db
from trivet.command import polls, service
from trivet.command.models import Command, DesiredState
from trivet.guard import service as guards
from trivet.guard.models import LadderMove, LadderState, Regression
from trivet.identity.models import Audit
from trivet.outbox import Outbox

PROBE = {"shares": [0.2, 0.5], "step_s": 10}


def probed(**changes):
    """The short card with a probe of 20 and 50 %, ten seconds each."""
    return [level | {"probe": PROBE} | changes for level in short_card()["ladder"]]


@pytest.fixture
def chat(database):
    return register("chat", ladder=probed())


def evaluate(now):
    with db.transaction() as session:
        return guards.evaluate(session, now)


def follow(now, scenario_id=1):
    with db.transaction() as session:
        return service.follow_ladder(session, scenario_id, None, now)


def put(level, now=START, **more):
    with db.transaction() as session:
        row = session.scalars(select(LadderState)).one()
        row.level, row.since, row.raised_at, row.direction = level, now, now, 1
        for name, value in more.items():
            setattr(row, name, value)


def ladder():
    with db.transaction() as session:
        return only(session, LadderState)


def rows(model):
    with db.transaction() as session:
        return session.scalars(select(model).order_by(model.id)).all()


def desired():
    with db.transaction() as session:
        return session.get(DesiredState, (1, 0, 0))


def document(now, scenario="chat"):
    with db.transaction() as session:
        return polls.everything(session, "").document(now)["scenarios"][scenario]


def run(first, last, *, back=0.3, here=0.3):
    """Each four seconds: traffic at the ladder's level and at the one below where some are back."""
    for second in range(first, last, 4):
        now, row = at(second), ladder()
        traffic(now, seconds=here, count=5, revision=1, level=row.level)
        if row.probe_share:
            traffic(now, seconds=back, count=5, revision=1, level=row.level - 1)
        evaluate(now)
        follow(now)


@pytest.fixture
def raised(chat):
    """Level 1, calm for longer than its time."""
    evaluate(at(0))
    put(1)
    follow(at(0))
    put(1, calm_since=START, since=START)
    traffic(at(61), seconds=0.3, revision=1, level=1)
    return chat


class TestAProbe:
    def test_is_a_command_for_its_share_with_its_reason_and_an_audit_row(self, raised, client, admin):
        evaluate(at(62))
        follow(at(62))
        (_, command) = rows(Command)
        assert (command.kind, command.level, command.share, command.actor) == ("restore", 0, 0.2, "ladder")
        assert command.reason == (
            "probe, 20 % back to level 0: calm for 62 s; no engine says how full it is, so only the two arms count"
        )
        told = client.get("/api/v1/commands", headers=admin).json()["items"]
        assert [(each["kind"], each["level"], each["share"]) for each in told] == [
            ("restore", 0, 0.2),
            ("degrade", 1, None),
        ]
        row = desired()
        assert (row.level, row.arm_level, row.arm_share) == (1, 0, 0.2)
        with db.transaction() as session:
            last = session.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one()
        assert (last.action, last.after["share"], last.after["generation"]) == ("command.restore", 0.2, 2)

    def test_reaches_backends_as_an_arm_whose_conversations_stay_the_same(self, raised):
        run(62, 63)
        (arm,) = document(at(63))["arms"]
        assert (arm["share"], arm["level"], arm["revision"], arm["salt"]) == (0.2, 0, 1, "chat:probe")
        assert document(at(63))["level"] == 1

    def test_grows_to_everyone_while_both_arms_are_well_and_leaves_its_history(self, raised, client, admin):
        run(62, 100)
        assert (ladder().level, ladder().probe_share) == (0, None)
        assert [(c.kind, c.level, c.share) for c in rows(Command)] == [
            ("degrade", 1, None), ("restore", 0, 0.2), ("restore", 0, 0.5), ("restore", 0, None),
        ]  # fmt: skip
        assert [c.generation for c in rows(Command)] == [1, 2, 3, 4]
        assert document(at(100))["arms"] == []
        found = [(m.level_from, m.level_to, m.share_from, m.share_to, m.direction) for m in rows(LadderMove)]
        assert found == [(1, 1, None, 0.2, -1), (1, 1, 0.2, 0.5, -1), (1, 0, 0.5, None, -1)]
        first = client.get("/api/v1/scenarios/chat/ladder?limit=2", headers=admin).json()
        rest = client.get(f"/api/v1/scenarios/chat/ladder?cursor={first['next_cursor']}", headers=admin).json()
        assert [m["level_to"] for m in first["items"] + rest["items"]] == [0, 1, 1]

    def test_that_fails_halves_and_then_brings_everyone_back_up(self, raised):
        run(62, 78)
        run(78, 112, back=1.5)
        with db.transaction() as session:
            shares = session.scalars(select(Command.share).order_by(Command.id)).all()
        assert shares[:4] == [None, 0.2, 0.5, 0.25] and None in shares[4:]
        assert (ladder().level, ladder().probe_share, ladder().failed) == (1, None, 2)
        assert any("those at level 0: P95 1.5" in move.reason for move in rows(LadderMove))
        assert (desired().level, desired().arm_share) == (1, None)

    def test_is_judged_by_the_arms_own_data_alone(self, raised):
        run(62, 64)
        traffic(at(63), seconds=9.0, count=30, revision=1, level=2)  # neither arm's
        run(64, 74)
        assert ladder().probe_share == 0.5

    def test_whose_message_was_lost_is_made_up_for_by_the_sweep(self, raised):
        evaluate(at(62))
        sweep_at(at(63))
        sweep_at(at(64))
        assert desired().arm_share == 0.2
        assert len(rows(Command)) == 2

    def test_ends_with_a_persons_word(self, raised):
        run(62, 64)
        with db.transaction() as session:
            service.issue(session, kind="degrade", scenario_id=1, level=2, reason="no", actor="ole@x.org", now=at(64))
        assert (ladder().level, ladder().probe_share, ladder().held_by) == (2, None, "ole@x.org")
        assert (desired().level, desired().arm_share, document(at(64))["arms"]) == (2, None, [])
        last = rows(LadderMove)[-1]
        assert (last.level_from, last.level_to, last.actor) == (1, 2, "ole@x.org")


class TestAWayBackThatWaits:
    def raised_by(self, way_back):
        register("chat", ladder=probed(way_back=way_back, probe={"shares": []}))
        evaluate(at(0))
        put(1, calm_since=START)
        traffic(at(61), seconds=0.3, revision=1, level=1)

    def test_for_a_regression_says_so_and_opens_with_one_that_passed_later(self, database, client, admin):
        self.raised_by("regression_passed")
        with db.transaction() as session:
            session.add(
                Regression(scenario_id=1, passed=True, source="ci", reference="", details={}, created_at=at(-1))
            )
        evaluate(at(62))
        assert ladder().reason == "calm for 62 s; waits for a regression that passes after 08:00:00 UTC"
        path = "/api/v1/scenarios/chat/regressions"
        assert client.post(path, headers=admin, json={"passed": False, "reference": "run 7"}).status_code == 201
        evaluate(at(63))
        assert ladder().level == 1
        given = client.post(path, headers=admin, json={"passed": True, "reference": "run 8", "revision": 1}).json()
        assert (given["passed"], given["source"], given["revision"]) == (True, "key:test", 1)
        with db.transaction() as session:
            session.execute(update(Regression).where(Regression.id == given["id"]).values(created_at=at(63)))
        evaluate(at(64))
        assert ladder().level == 0
        listed = client.get(path, headers=admin).json()["items"]
        assert [item["reference"] for item in listed] == ["run 8", "run 7", ""]

    def test_for_a_person_never_opens_by_itself(self, database):
        self.raised_by("manual")
        evaluate(at(62))
        assert ladder().reason == "calm for 62 s; waits for a person: restore it by a command"
        assert ladder().level == 1


class TestALadderThatTurnsTooOften:
    def test_freezes_higher_calls_a_person_and_goes_on_when_thawed(self, raised, client, admin):
        put(0, turned_at=[at(50), at(52), at(54), at(56)], direction=-1)
        traffic(at(72), seconds=1.5, revision=1, level=0)
        evaluate(at(73))
        row = ladder()
        assert (row.level, row.frozen_since) == (1, at(73))
        assert "it would change direction 5 times in 3600 s, 4 are allowed" in row.frozen_reason
        with db.transaction() as session:
            sent = session.execute(select(Outbox.task, Outbox.args)).all()
        assert ("notify.ladder_frozen", [raised]) in [tuple(each) for each in sent]
        run(80, 140)
        assert ladder().level == 1 and ladder().reason.startswith("frozen at level 1")
        path = "/api/v1/scenarios/chat/ladder/thaw"
        assert client.post(path, headers=admin, json={"reason": " "}).status_code == 422
        thawed = client.post(path, headers=admin, json={"reason": "the load test is over"}).json()
        assert (thawed["frozen_since"], thawed["reason"]) == (None, "key:test thawed it: the load test is over")
        assert client.post(path, headers=admin, json={"reason": "again"}).status_code == 409

    def test_is_thawed_by_a_command_too(self, raised):
        put(2, frozen_since=at(60), frozen_reason="x", turned_at=[at(50)])
        with db.transaction() as session:
            service.issue(session, kind="restore", scenario_id=1, reason="go on", actor="ole@x.org", now=at(61))
        row = ladder()
        assert (row.level, row.frozen_since, row.turned_at) == (0, None, [])


class TestOverTheApi:
    def test_a_ladder_says_where_it_stands_and_stood(self, raised, client, admin):
        run(62, 63)
        found = client.get("/api/v1/scenarios/chat/ladder", headers=admin).json()
        assert (found["level"], found["probe"]["share"], found["probe"]["level"]) == (1, 0.2, 0)
        (move,) = found["items"]
        assert (move["at"], move["share_to"], move["actor"]) == ("2026-11-21T08:01:02Z", 0.2, "ladder")

    def test_a_key_bound_to_a_tenant_sees_none_of_it(self, raised, client, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        assert client.get("/api/v1/scenarios/chat/ladder", headers=bound).status_code == 403
        assert client.get("/api/v1/ladder/order", headers=bound).status_code == 403


class TestAudiences:
    def test_a_tier_is_told_from_another_end_to_end(self, database, client, make_key):
        vip = [{"tiers": ["vip"], "flags": {"admission": "admit"}}]
        flags = {"admission": "limit", "admission.limit_rps": 1.0, "admission.retry_after_s": 60,
                 "admission.message": "Back in a minute."}  # fmt: skip
        levels = short_card()["ladder"]
        levels[2] |= {"flags": levels[2]["flags"] | flags, "audiences": vip}
        register("chat", ladder=levels)
        with db.transaction() as session:
            service.issue(session, kind="degrade", scenario_id=1, level=3, reason="x", actor="o", now=datetime.now(UTC))
        key = {"Authorization": f"Bearer {make_key(['policy'])}"}

        def told(**context):
            body = {"context": {"scenario": "chat", "targetingKey": "acme", **context}}
            return client.post("/ofrep/v1/evaluate/flags/policy", json=body, headers=key).json()["value"]

        assert told(tier="vip")["admission"] == "admit"
        refused = told(tier="free")
        assert (refused["admission"], refused["admission.message"]) == ("limit", "Back in a minute.")
        assert 45 <= refused["admission.retry_after_s"] <= 75
        wrong = client.post("/ofrep/v1/evaluate/flags/policy", json={"context": {"tier": 7}}, headers=key)
        assert wrong.status_code == 400
