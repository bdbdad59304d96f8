"""What follows from the guards, and the sweep over commands and time limits. Each change is a transaction of its own."""

import logging
from collections.abc import Callable
from functools import partial

from celery import shared_task
from sqlalchemy.orm import Session

from trivet import db, outbox
from trivet.card import schedules
from trivet.card import trials as rows
from trivet.command import card_changes, service, sweep, trials, webhooks
from trivet.command.calling import call
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError
from trivet.settings import get_settings

CALL_S = 20  # of one call in all: within its claim
ROUNDS = 100  # batches of open commands in one sweep
_log = logging.getLogger(__name__)
SCHEDULE = {
    "command.sweep": (1.0, "control"),
    "command.judge_trials": (2.0, "control"),
    "command.activate_scheduled": (1.0, "control"),
    "command.call_webhooks": (5.0, "control"),
}


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


@shared_task(name="command.call_webhooks")
def call_webhooks() -> int:
    """Hand off whom to tell; how many. Calling takes seconds where nobody answers, so that is the other workers' to do."""
    with db.transaction() as session:
        found = webhooks.due(session, utc_now())
        for backend_id in found:
            outbox.send(session, "command.call_webhook", backend_id)
    return len(found)


@shared_task(name="command.call_webhook", soft_time_limit=CALL_S, time_limit=CALL_S + 5)
def call_webhook(backend_id: int) -> str | None:
    """Tell one backend what should hold, unless that was done or is being done; the state it came to."""
    with db.transaction() as session:
        message = webhooks.claim(session, backend_id, utc_now())
    if message is None:
        return None
    came = call(message)
    with db.transaction() as session:
        return webhooks.settle(session, message, came, utc_now())


@shared_task(name="command.sweep")
def sweep_all() -> None:
    """Fold what telemetry proved, judge open commands, end what is over, follow a ladder whose message was lost."""
    with db.transaction() as session:
        sweep.fold_seen(session)
    _judge_all()
    with db.transaction() as session:
        over, astray = sweep.due(session, utc_now()), sweep.astray(session)
    for key in over:
        _alone(partial(sweep.end, key=key, now=utc_now()), key[0])
    for scenario_id in astray:
        _alone(partial(service.follow_ladder, scenario_id=scenario_id, breach_id=None, now=utc_now()), scenario_id)


@shared_task(name="command.judge_trials")
def judge_trials() -> None:
    """Each revision on trial grows, waits or goes back by what both arms did. Run twice at once, one has an effect."""
    with db.transaction() as session:
        scenario_ids = rows.due(session)
    for scenario_id in scenario_ids:
        with db.transaction() as session:
            decided = trials.decide(session, scenario_id, utc_now())
        if decided is not None:
            _alone(partial(trials.act, scenario_id=scenario_id, decided=decided, now=utc_now()), scenario_id)


@shared_task(name="command.activate_scheduled")
def activate_scheduled() -> None:
    """Activations whose time has come. What refuses is ended and says why."""
    with db.transaction() as session:
        due = schedules.due(session, utc_now())
    for scenario_id in due:
        _alone(partial(card_changes.activate_due, scenario_id=scenario_id, now=utc_now()), scenario_id)


def _alone(change: Callable[[Session], object], scenario_id: int) -> None:
    """What one scenario refuses (its card cannot be read, say) is logged, tried again, and stops no other."""
    try:
        with db.transaction() as session:
            change(session)
    except TrivetError as refused:
        _log.warning("Scenario %d could not be brought to what should hold: %s", scenario_id, refused.detail)


def _judge_all() -> None:
    after: int | None = 0
    for _ in range(ROUNDS):
        if after is None:
            return
        with db.transaction() as session:
            after = sweep.judge(session, utc_now(), get_settings().backend_seen_s, after)
