"""What follows from the guards, and the sweep over commands and time limits. Each change is a transaction of its own."""

from celery import shared_task

from trivet import db
from trivet.command import service, sweep
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

ROUNDS = 100  # batches of open commands in one sweep
SCHEDULE = {"command.sweep": (1.0, "control")}


@shared_task(name="command.from_ladder")
def from_ladder(scenario_id: int, breach_id: int | None = None) -> int | None:
    """The ladder moved: make it what should hold. The generation, or None where it held already."""
    with db.transaction() as session:
        command = service.follow_ladder(session, scenario_id, breach_id, utc_now())
        return command.generation if command else None


@shared_task(name="command.auto_rollback")
def auto_rollback(scenario_id: int, revision: int, breach_id: int) -> int | None:
    """Quality broke the floor under `revision`: go back, unless that was done."""
    with db.transaction() as session:
        command = service.auto_rollback(session, scenario_id, revision, breach_id, utc_now())
        return command.generation if command else None


@shared_task(name="command.sweep")
def sweep_all() -> None:
    """Fold what telemetry proved, judge open commands, end what is over, follow a ladder whose message was lost."""
    with db.transaction() as session:
        sweep.fold_seen(session)
    _judge_all()
    with db.transaction() as session:
        over, astray = sweep.due(session, utc_now()), sweep.astray(session)
    for key in over:
        with db.transaction() as session:
            sweep.end(session, key, utc_now())
    for scenario_id in astray:
        with db.transaction() as session:
            service.follow_ladder(session, scenario_id, None, utc_now())


def _judge_all() -> None:
    after: int | None = 0
    for _ in range(ROUNDS):
        if after is None:
            return
        with db.transaction() as session:
            after = sweep.judge(session, utc_now(), get_settings().backend_seen_s, after)
