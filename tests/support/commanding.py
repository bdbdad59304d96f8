"""What tests of commands do: give one, poll, report, sweep; times are given."""

from sqlalchemy import update
from tests.support.governed import START, only, traffic

from trivet import db
from trivet.command import polls, service, sweep
from trivet.command.models import Command, DesiredState
from trivet.fleet.models import Backend
from trivet.guard.models import LadderState

SEEN_S = 60


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


def met(*backends):
    """Backends that are registered, for any scenario."""
    with db.transaction() as session:
        ids = db.named_ids(session, Backend, backends)
        session.execute(update(Backend).where(Backend.id.in_(ids.values())).values(registered_at=START))


def hold(now, backend="gw-1"):
    """A registered backend that takes what is served and says so."""
    met(backend)
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
