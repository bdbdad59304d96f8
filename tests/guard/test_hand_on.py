"""What an evaluation hands on has one effect or none, wherever the worker is killed."""

import pytest
from sqlalchemy import func, select
from tests.support.governed import at, register, traffic

from trivet import db, worker
from trivet.command.models import Command
from trivet.guard import service, tasks
from trivet.guard.models import Breach, LadderState
from trivet.identity.models import Audit
from trivet.outbox import Outbox

ASKED = Outbox.task == "command.from_ladder"


class Killed(BaseException):
    """The worker is gone at this point."""


@pytest.fixture
def broken(database, monkeypatch):
    """A guard over its limit; what leaves by the broker is set down instead of sent."""
    register("chat")
    traffic(at(12), seconds=1.5)
    left = []
    monkeypatch.setattr(worker, "_publish", lambda task, args, queue: left.append(task))
    return left


def evaluated(*, killed=False):
    with db.transaction() as session:
        left = service.evaluate(session, at(13))
        if killed:
            raise Killed
        return left


def count(what):
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(what))


def waiting():
    with db.transaction() as session:
        return session.scalar(select(func.count()).where(ASKED))


class TestAWorkerThatIsKilled:
    def test_before_the_decision_is_committed_did_nothing(self, broken):
        with pytest.raises(Killed):
            evaluated(killed=True)
        assert (count(Breach), count(LadderState), count(Command), waiting()) == (0, 0, 0, 0)

    def test_after_it_leaves_a_row_that_another_does_once(self, broken):
        assert evaluated() == 1 and waiting() == 1
        worker.relay_now()
        assert "command.from_ladder" in broken and waiting() == 0

    def test_after_the_command_and_before_the_row_is_gone_does_it_again_to_no_effect(self, broken, monkeypatch):
        left = evaluated()
        monkeypatch.setattr(tasks, "delete", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            tasks._hand_on(left)
        assert (count(Command), waiting()) == (1, 1)
        monkeypatch.undo()
        monkeypatch.setattr(worker, "_publish", lambda task, args, queue: None)
        tasks._hand_on(left)
        assert (count(Command), waiting()) == (1, 0)


class TestWhatIsHandedOn:
    def test_is_done_at_once_and_leaves_nothing_for_the_broker_but_the_alert(self, broken):
        before = count(Audit)
        tasks._hand_on(evaluated())
        assert (count(Command), waiting(), count(Audit) - before) == (1, 0, 1)
        assert broken == ["notify.breach"]
