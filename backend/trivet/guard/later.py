"""Guards replayed now, by a worker: one scenario after another, each in a transaction of its own."""

from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.guard import calibrate
from trivet.job import api as jobs
from trivet.job.models import Job
from trivet.job.service import Came, Wanted
from trivet.job.work import Running
from trivet.kit.clock import utc_now

KIND, TASK = "replay", "guard.replay"


def begin(session: Session, actor: str) -> Job:
    """Ask for it."""
    return jobs.begun(session, Wanted(KIND, "Guards replayed over the last day", TASK, {}, unit="scenarios"), actor)


def run(running: Running) -> None:
    """Replay those of every scenario with an active card, whether they are due or not."""
    with db.transaction() as session:
        every = sorted(cards.active(session))
    guards = 0
    for number, scenario_id in enumerate(every):
        running.advance(number, len(every))
        with db.transaction() as session:
            guards += calibrate.replay(session, [scenario_id], utc_now())
    with running.finishing() as session:
        running.finish(session, Came(f"{guards} guards of {len(every)} scenarios.", "/breaches"))
