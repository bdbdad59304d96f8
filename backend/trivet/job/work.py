"""Doing a job: `perform` takes it up, `Running` is what the work tells of itself, and every way out is an end with words."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from trivet import db
from trivet.job import service
from trivet.job.models import FAILED, STOPPED
from trivet.job.service import Came, Claim, Lost
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError
from trivet.settings import get_settings

LONGEST_S = 3_300  # what one job may take; the process is ended some time later
ENDED_S = LONGEST_S + 120
TOLD_EVERY_S = 0.5
TOO_LONG = f"It took longer than {LONGEST_S // 60} minutes, so it was ended. Ask for less at once."
BROKE = "This is a fault of ours; it is in the worker's log. Nothing of it was kept."
_log = logging.getLogger(__name__)


class Stopped(Exception):  # no error: somebody asked for it
    """Somebody asked to stop it."""


class Running:
    """A job while it is done. `advance` as often as there is something to tell: it is written twice a second at most."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.ended = False
        self._told_at = 0.0

    def advance(self, done: int, total: int | None = None, note: str = "") -> None:
        """How far it is, in a transaction of its own. `Stopped` where somebody asked to stop."""
        now_s = time.monotonic()
        if now_s - self._told_at < TOLD_EVERY_S:
            return
        self._told_at = now_s
        with db.bound_to(None), db.transaction() as session:
            go_on = service.advance(session, self.claim, utc_now(), done=done, total=total, note=note)
        if not go_on:
            raise Stopped

    def finish(self, session: Session, came: Came) -> None:
        """It is done, in the transaction of the work."""
        service.finish(session, self.claim, came, utc_now(), get_settings().job_file_limit_bytes)
        self.ended = True

    @contextmanager
    def finishing(self) -> Iterator[Session]:
        """A transaction for the last word, where the work has none of its own to say it in."""
        with db.bound_to(None), db.transaction() as session:
            yield session


Work = Callable[[Running], None]


def perform(job_id: int, work: Work) -> bool:
    """Do a job where it waits and there is room; whether it was done. Then the next one is handed on."""
    at_once = get_settings().jobs_at_once
    with db.transaction() as session:
        claim = service.claim(session, job_id, utc_now(), at_once)
    if claim is None:
        return False
    done = _do(claim, work)
    with db.transaction() as session:
        service.hand_on(session, at_once)
    return done


def _do(claim: Claim, work: Work) -> bool:
    running = Running(claim)
    try:
        work(running)
    except Lost:
        _log.warning("Job %d was taken up by another process.", claim.id)
        return False
    except Stopped:
        return _give_up(claim, STOPPED, "Stopped while it ran. Nothing of it was kept.")
    except TrivetError as refused:
        return _give_up(claim, FAILED, refused.detail)
    except SoftTimeLimitExceeded:
        return _give_up(claim, FAILED, TOO_LONG)
    except OperationalError:
        _log.exception("Job %d lost the database; it is taken up again.", claim.id)
        return False
    except Exception:
        _log.exception("Job %d broke.", claim.id)
        return _give_up(claim, FAILED, BROKE)
    return running.ended or _give_up(claim, FAILED, BROKE)


def _give_up(claim: Claim, state: str, problem: str) -> bool:
    try:
        with db.transaction() as session:
            service.give_up(session, claim, state, problem, utc_now())
    except Lost:
        _log.warning("Job %d was taken up by another process.", claim.id)
    return False
