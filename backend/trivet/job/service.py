"""Jobs begun, taken up, advanced, ended. Who does the work holds a claim; what it did counts only while the claim stands.

One that is silent for longer than the lease is taken up by another process, or given up after some attempts. Its last word,
`finish`, is said in the transaction of the work itself, so that whatever was done was done once.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

from prometheus_client import Counter
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.job import parts
from trivet.job.models import DONE, FAILED, OPEN, RUNNING, STOPPED, WAITING, Job
from trivet.kit.errors import Conflict, Forbidden, NotFound
from trivet.kit.locks import Lock

LEASE = timedelta(seconds=120)  # longer than any statement may take
ATTEMPTS_MAX = 3
OWN_MAX = 10  # that one person or key has open at once
PRUNED_MAX = 200  # in one run
refused = Counter("trivet_jobs_refused", "Jobs that were not begun, by reason.", ["reason"])


class AlreadyAsked(Conflict):
    """The same is waiting or running."""


class TooManyJobs(Conflict):
    """As many wait as may."""


class JobEnded(Conflict):
    """It is not open any more."""


class Lost(Exception):  # no error: another process has taken it up, and this one lets go
    """The claim does not stand any more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for. `title` says it in plain words; `given` are files by name, which `params` must tell apart."""

    kind: str
    title: str
    task: str
    params: Mapping[str, Any]
    tenant_id: int | None = None
    unit: str = ""
    given: Mapping[str, IO[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is this process's, until it ends or is silent for longer than the lease."""

    id: int
    attempt: int
    params: Mapping[str, Any]
    actor: str
    tenant_id: int | None


@dataclass(frozen=True, slots=True)
class Came:
    """What came of it: in words, where to look at it, and the file it made."""

    note: str = ""
    url: str = ""
    file_name: str = ""
    media_type: str = ""
    content: IO[bytes] | None = None


def begin(session: Session, wanted: Wanted, *, actor: str, now: datetime, waiting_max: int, file_max: int) -> Job:
    """Ask for a job. `AlreadyAsked` names the one that is open; `TooManyJobs` where as many wait as may."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.JOB})
    asked = fingerprint(wanted)
    same = session.scalar(select(Job).where(Job.fingerprint == asked, Job.state.in_(OPEN)))
    if same is not None:
        refused.labels("already_asked").inc()
        raise AlreadyAsked(f"The same is {same.state} as job {same.id}, for {same.actor}: look there.")
    _must_have_room(session, actor, waiting_max)
    job = Job(
        kind=wanted.kind, title=wanted.title, task=wanted.task, params=dict(wanted.params), fingerprint=asked,
        actor=actor, tenant_id=wanted.tenant_id, unit=wanted.unit, created_at=now, state=WAITING, done=0, attempt=0,
        note="", problem="", url="", file_name="", media_type="", stop_asked_by="",
    )  # fmt: skip
    session.add(job)
    session.flush()
    for name, content in wanted.given.items():
        parts.keep(session, job.id, name, content, file_max)
    outbox.send(session, "job.take", job.id)
    after = {"kind": job.kind, "title": job.title, "params": job.params}
    audit.record(session, actor=actor, action="job.begin", subject=f"job:{job.id}", after=after)
    return job


def fingerprint(wanted: Wanted) -> bytes:
    """What was asked, whoever asks."""
    asked = [wanted.kind, wanted.params, wanted.tenant_id]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).digest()


def _must_have_room(session: Session, actor: str, waiting_max: int) -> None:
    of = select(func.count(), func.count().filter(Job.actor == actor)).where(Job.state.in_(OPEN))
    every, own = session.execute(of).one()
    if own >= OWN_MAX:
        refused.labels("own").inc()
        raise TooManyJobs(f"{actor} has {own} jobs open: let one end, or stop one.", retry_after_s=30)
    if every >= waiting_max:
        refused.labels("all").inc()
        raise TooManyJobs(f"{every} jobs are open, as many as there may be (jobs_waiting_limit).", retry_after_s=30)


def claim(session: Session, job_id: int, now: datetime, at_once: int) -> Claim | None:
    """Take a waiting job up; None where it is not to be done now, because others run or it is no longer wanted."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.JOB_TAKEN})
    job = session.get(Job, job_id, with_for_update=True)
    if job is None or job.state != WAITING:
        return None
    running = session.scalar(select(func.count()).select_from(Job).where(Job.state == RUNNING)) or 0
    if running >= at_once:
        return None
    job.state, job.attempt, job.started_at, job.advanced_at, job.done = RUNNING, job.attempt + 1, now, now, 0
    return Claim(job.id, job.attempt, job.params, job.actor, job.tenant_id)


def advance(session: Session, of: Claim, now: datetime, *, done: int, total: int | None, note: str) -> bool:
    """How far it is; whether it is to go on. `Lost` where it is no longer this process's."""
    changed: dict[str, Any] = {"done": done, "advanced_at": now} | ({"note": note} if note else {})
    changed |= {"total": total} if total is not None else {}
    mine = update(Job).where(Job.id == of.id, Job.attempt == of.attempt, Job.state == RUNNING)
    row = session.execute(mine.values(changed).returning(Job.stop_asked_at)).first()
    if row is None:
        raise Lost
    return row.stop_asked_at is None


def finish(session: Session, of: Claim, came: Came, now: datetime, file_max: int) -> None:
    """It is done: in the transaction of the work, which must not be kept where this raises `Lost`."""
    size = parts.keep(session, of.id, parts.RESULT, came.content, file_max) if came.content is not None else None
    changed = {
        "state": DONE, "ended_at": now, "advanced_at": now, "note": came.note, "url": came.url, "file_bytes": size,
        "file_name": came.file_name, "media_type": came.media_type, "done": func.coalesce(Job.total, Job.done),
    }  # fmt: skip
    _end(session, of, changed)


def give_up(session: Session, of: Claim, state: str, problem: str, now: datetime) -> None:
    """It failed or was stopped, and nothing of it was kept."""
    _end(session, of, {"state": state, "problem": problem, "ended_at": now, "advanced_at": now})


def _end(session: Session, of: Claim, changed: Mapping[str, Any]) -> None:
    mine = update(Job).where(Job.id == of.id, Job.attempt == of.attempt, Job.state == RUNNING)
    if session.execute(mine.values(changed).returning(Job.id)).first() is None:
        raise Lost
    parts.forget_given(session, of.id)


def ask_stop(session: Session, job: Job, *, actor: str, is_admin: bool, now: datetime) -> None:
    """Stop it: at once where it waits, at its next step where it runs. Whoever asked for it may, and an admin."""
    session.refresh(job, with_for_update=True)
    if actor != job.actor and not is_admin:
        raise Forbidden(f"Job {job.id} is {job.actor}'s: they or an admin stop it.")
    if job.state not in OPEN:
        raise JobEnded(f"Job {job.id} is {job.state} already.")
    if job.stop_asked_at is not None:
        return
    job.stop_asked_at, job.stop_asked_by = now, actor
    if job.state == WAITING:
        job.state, job.ended_at, job.problem = STOPPED, now, f"Stopped by {actor} before it began."
        parts.forget_given(session, job.id)
    audit.record(session, actor=actor, action="job.stop", subject=f"job:{job.id}", after={"state": job.state})


def find(session: Session, job_id: int, tenant_id: int | None) -> Job:
    """The job; `NotFound` also where it is not of the tenant whose jobs alone the reader sees."""
    job = session.get(Job, job_id)
    if job is None or (tenant_id is not None and job.tenant_id != tenant_id):
        raise NotFound(f"There is no job {job_id}.")
    return job


def sweep(session: Session, now: datetime, at_once: int) -> int:
    """Take up again what a process left lying, give up what was left too often, and hand on what waits; how many of it."""
    silent = select(Job).where(Job.state == RUNNING, Job.advanced_at < now - LEASE).with_for_update(skip_locked=True)
    for job in session.scalars(silent):
        if job.attempt < ATTEMPTS_MAX and job.stop_asked_at is None:
            job.state, job.note = WAITING, f"Whoever did it fell silent; attempt {job.attempt + 1} begins."
        else:
            stopped = job.stop_asked_at is not None
            job.state, job.ended_at = STOPPED if stopped else FAILED, now
            job.problem = f"Whoever did it fell silent {job.attempt} times, so it is given up. Nothing of it was kept."
            parts.forget_given(session, job.id)
    session.flush()
    return hand_on(session, at_once)


def hand_on(session: Session, at_once: int) -> int:
    """Send the oldest that wait to whoever is free; sent twice, they are done once."""
    running = session.scalar(select(func.count()).select_from(Job).where(Job.state == RUNNING)) or 0
    free = max(at_once - running, 0)
    oldest = session.scalars(select(Job.id).where(Job.state == WAITING).order_by(Job.id).limit(free)).all()
    for job_id in oldest:
        outbox.send(session, "job.take", job_id)
    return len(oldest)


def prune(session: Session, before: datetime) -> int:
    """Forget jobs that ended before an instant, with their files; how many."""
    old = select(Job.id).where(Job.ended_at < before).order_by(Job.ended_at).limit(PRUNED_MAX)
    return len(session.scalars(delete(Job).where(Job.id.in_(old.scalar_subquery())).returning(Job.id)).all())
