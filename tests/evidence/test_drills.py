"""Drills on real rows: one backend is commanded, polls and tells; the others never notice."""

from datetime import time, timedelta

import pytest
from sqlalchemy import select
from tests.support import commanding
from tests.support.governed import at, only, register

from trivet import db
from trivet.command.models import Command, DesiredState
from trivet.evidence import drill_schedules, drill_start, drill_state, drills
from trivet.evidence.drill_start import Wish
from trivet.evidence.models import Drill, DrillStep
from trivet.fleet.models import Backend
from trivet.guard.models import LadderState
from trivet.identity.models import Audit
from trivet.kit.errors import Conflict, Invalid
from trivet.notify.alert_models import Alert

WISH = Wish("chat", levels=(1, 2), hold_s=0, patience_s=5, reason="quarterly")


@pytest.fixture
def backend(database):
    """A scenario, a gateway that serves people and a drill backend, both of which polled."""
    register("chat")
    commanding.hold(at(0), "gw-1")
    commanding.hold(at(0), "drill-1")


def start(now, wish=WISH):
    with db.transaction() as session:
        return drill_start.start(session, wish, actor="ole@example.com", now=now).id


def advance(now, drill_id):
    with db.transaction() as session:
        return drills.advance(session, drill_id, now)


class Obedient:
    """A drill backend: each second it takes what is served, and tells of it."""

    def __init__(self, *, tells=True):
        self.tag, self.tells = None, tells

    def second(self, now):
        commanding.poll(now, "gw-1")
        self.tag = commanding.poll(now, "drill-1", self.tag)
        commanding.poll(now, "drill-1", self.tag)
        with db.transaction() as session:
            command = session.scalars(select(Command).order_by(Command.id.desc())).first()
            level = session.scalars(select(DesiredState.level).where(DesiredState.backend_id != 0)).first() or 0
        if command is not None and self.tells:
            commanding.telemetry(now, command.generation, backend="drill-1", level=level)
        commanding.sweep_at(now)


def play(drill_id, backend, first, last):
    """Advance each second until the drill is over; when that was."""
    for second in range(first, last):
        if advance(at(second), drill_id) is None:
            return second
        backend.second(at(second))
    return last


def drill(id_):
    with db.transaction() as session:
        return session.get(Drill, id_), drill_state.steps_of(session, id_)


class TestADrill:
    @pytest.fixture
    def over(self, backend):
        id_ = start(at(1))
        self.ended = play(id_, Obedient(), 2, 40)
        return drill(id_)

    def test_goes_up_and_down_and_back_with_real_commands(self, over):
        found, steps = over
        assert [(s.kind, s.level, s.ok) for s in steps] == [
            ("trigger", 1, True), ("trigger", 2, True), ("raise", 1, True), ("raise", 2, True), ("lower", 1, True),
            ("roll_back", 0, True), ("side_effects", 0, True),
        ]  # fmt: skip
        assert [s.simulated for s in steps] == [True, True, False, False, False, False, False]
        assert steps[0].reason.startswith("simulated: p95 breaks")
        assert found.state == "passed" and set(found.record.values()) == {True}
        with db.transaction() as session:
            commands = session.scalars(select(Command).order_by(Command.id)).all()
            assert [(c.kind, c.level) for c in commands] == [
                ("degrade", 1), ("degrade", 2), ("degrade", 1), ("restore", 0)
            ]  # fmt: skip
            assert session.scalars(select(DesiredState)).all() == []

    def test_commands_its_backend_alone_each_with_a_time_limit_and_is_in_the_audit(self, over):
        with db.transaction() as session:
            actions = session.scalars(select(Audit.action).where(Audit.action.like("drill.%")).order_by(Audit.id)).all()
            assert actions == ["drill.start", "drill.end"]
            own = session.scalars(select(Backend.id).where(Backend.name == "drill-1")).one()
            commands = session.scalars(select(Command)).all()
            assert {c.backend_id for c in commands} == {own}
            assert all(c.expires_at for c in commands if c.kind == "degrade")
            assert session.scalars(select(LadderState)).all() == []  # the ladder of the scenario was never touched

    def test_one_at_a_time_of_a_scenario(self, backend):
        start(at(1))
        with pytest.raises(Conflict, match="is running"):
            start(at(2))


class TestABackendForDrills:
    def test_is_waited_for_by_no_command_for_all_and_proves_none(self, backend):
        id_ = commanding.issue(at(1))
        commanding.poll(at(2), "drill-1", commanding.poll(at(2), "drill-1"))
        commanding.telemetry(at(2), 1, backend="drill-1", level=1)
        commanding.sweep_at(at(3))
        assert commanding.command(id_).status == "pending"
        commanding.poll(at(3), "gw-1", commanding.poll(at(3), "gw-1"))
        commanding.sweep_at(at(4))
        found = commanding.command(id_)
        assert (found.status, found.outcome) == ("observed", "Held by gw-1; no telemetry carries it yet.")


class TestWhatGoesWrong:
    def test_a_backend_that_tells_nothing_fails_the_step_and_is_brought_back(self, backend):
        id_ = start(at(1))
        play(id_, Obedient(tells=False), 2, 60)
        found, steps = drill(id_)
        assert found.state == "failed" and "no telemetry carries it" in found.outcome
        with db.transaction() as session:
            (alert,) = session.scalars(select(Alert))
        assert (alert.labels["alertname"], alert.labels["drill"], alert.severity) == (
            "TrivetDrillFailed",
            "true",
            "ticket",
        )
        assert [s.kind for s in steps][-2:] == ["roll_back", "side_effects"]
        with db.transaction() as session:
            assert session.scalars(select(DesiredState)).all() == []

    def test_an_abort_brings_it_back_at_once(self, backend):
        id_, obedient = start(at(1)), Obedient()
        play(id_, obedient, 2, 4)
        with db.transaction() as session:
            drills.abort(session, id_, reason="wrong hour", actor="mika@example.com", now=at(4))
        play(id_, obedient, 5, 20)
        found, _ = drill(id_)
        assert found.state == "aborted" and found.outcome.startswith("aborted by mika@example.com: wrong hour")
        assert found.record["rolled_back"] is True

    def test_a_real_incident_ends_it(self, backend):
        id_, obedient = start(at(1)), Obedient()
        play(id_, obedient, 2, 4)
        commanding.issue(at(4), "degrade", level=2)
        play(id_, obedient, 5, 30)
        found, _ = drill(id_)
        assert found.state == "aborted" and "the scenario itself is at level 2" in found.outcome
        assert found.record["no_side_effects"] is False

    def test_a_worker_killed_in_between_changes_nothing(self, backend):
        id_ = start(at(1))

        class Killed(Exception):
            pass

        def killed(now):
            with db.transaction() as session:
                drills.advance(session, id_, now)
                raise Killed

        with pytest.raises(Killed):
            killed(at(2))
        with db.transaction() as session:
            assert session.scalars(select(DrillStep)).all() == [] and session.scalars(select(Command)).all() == []
        advance(at(3), id_)
        advance(at(3), id_)
        with db.transaction() as session:
            assert len(session.scalars(select(Command)).all()) == 1

    def test_with_no_worker_at_all_the_level_ends_by_itself(self, backend):
        id_ = start(at(1))
        advance(at(2), id_)
        with db.transaction() as session:
            state = only(session, DesiredState)
            assert state.level == 1
        commanding.sweep_at(state.until + timedelta(seconds=1))
        with db.transaction() as session:
            assert session.scalars(select(DesiredState)).all() == []


class TestWhatIsRefused:
    def refused(self, error, match, **changes):
        from dataclasses import replace

        with pytest.raises(error, match=match):
            start(at(1), replace(WISH, **changes))

    def test_a_backend_that_serves_people(self, backend):
        self.refused(Invalid, "never one that serves people", backend="gw-1")

    def test_one_that_is_not_there_and_how_to_start_it(self, backend):
        self.refused(Conflict, "trivet drill-backend --name drill-9", backend="drill-9")

    def test_levels_that_the_card_has_not(self, backend):
        self.refused(Invalid, "levels 1 to 3", levels=(4,))
        self.refused(Invalid, "levels 1 to 3", levels=(2, 1))

    def test_no_reason(self, backend):
        self.refused(Invalid, "needs a reason", reason=" ")

    def test_a_scenario_in_trouble(self, backend):
        commanding.issue(at(0), "degrade", level=1)
        self.refused(Conflict, "not calm: the scenario itself is at level 1")


class TestSchedules:
    def make(self, now, wish=Wish("chat", "drill-1", (1,), 2, 20, "weekly")):
        with db.transaction() as session:
            return drill_schedules.make(session, wish, every_days=7, at=time(8, 0), actor="ole@example.com", now=now).id

    def run(self, id_, now):
        with db.transaction() as session:
            return drill_schedules.run(session, id_, now)

    def said(self):
        with db.transaction() as session:
            return only(session, drill_schedules.DrillSchedule)

    def test_starts_at_its_time_and_once(self, backend):
        id_ = self.make(at(-60))
        assert self.run(id_, at(-1)) is None
        assert self.run(id_, at(1)) is not None and self.run(id_, at(2)) is None
        row = self.said()
        assert row.next_at == at(0) + timedelta(days=7) and row.said.startswith("drill 1 began")

    def test_a_refusal_is_said_and_the_next_time_stands(self, backend):
        id_ = self.make(at(-60))
        assert self.run(id_, at(300)) is None  # the backend has not asked for minutes
        assert "refused" in self.said().said and "trivet drill-backend" in self.said().said
        assert self.said().next_at > at(300)

    def test_a_time_missed_for_long_is_left_out(self, backend):
        id_ = self.make(at(-60))
        assert self.run(id_, at(3_700)) is None and self.said().said.startswith("left out")

    def test_one_stands_for_a_scenario_and_backend_until_it_is_ended(self, backend):
        id_ = self.make(at(-60))
        with pytest.raises(Conflict, match="end that one first"):
            self.make(at(-50))
        with db.transaction() as session:
            drill_schedules.end(session, id_, actor="ole@example.com", now=at(-40))
        assert self.make(at(-30)) != id_
