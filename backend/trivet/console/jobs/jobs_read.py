"""Jobs as pages show them: the rows that the API lists, no others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.address import Address, Link, Times, number_after
from trivet.console.jobs import jobs_words as words
from trivet.console.jobs.jobs_views import JobFile, JobPage, JobRow, JobsPage
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.job import answers, service
from trivet.job import api as jobs
from trivet.job.models import DONE, FAILED, OPEN, RUNNING, WAITING, Job
from trivet.kit.page import to_cursor
from trivet.settings import get_settings

SHOWN = 50
ASKED_LENGTH_MAX = 200


class Query(Times):
    """The filters of /jobs."""

    state: Annotated[str, Field(max_length=20)] = ""
    kind: Annotated[str, Field(max_length=20)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


def page(session: Session, looking: Reader, query: Query, address: Address) -> JobsPage:
    """Jobs of the range, newest first."""
    found = listed(session, looking, query, address, SHOWN + 1)
    more = address.url(cursor=to_cursor([found[SHOWN - 1].id])) if len(found) > SHOWN else ""
    waiting, running, failed = _counts(session, looking, address)
    return JobsPage(
        reader=looking,
        sentence=words.sentence(waiting, running, failed, len(found)),
        address=address,
        states=address.choices("state", words.STATES, query.state),
        chips=_chips(query, address),
        jobs=rows(session, found[:SHOWN], looking),
        next_url=more,
        live_url=address.url(cursor=query.cursor),
    )


def listed(session: Session, looking: Reader, query: Query, address: Address, count: int) -> list[Job]:
    """The jobs that an address asks for."""
    state = query.state if query.state in words.STATES else ""
    return jobs.listed(
        session, looking.tenant_id, state=state, kind=query.kind, after=number_after(query.cursor), count=count,
        interval=address.interval,
    )  # fmt: skip


def one(session: Session, looking: Reader, job_id: int) -> JobPage:
    """One job."""
    job = service.find(session, job_id, looking.tenant_id)
    (row,) = rows(session, [job], looking)
    asked = tuple((name.replace("_", " "), str(value)[:ASKED_LENGTH_MAX]) for name, value in sorted(job.params.items()))
    return JobPage(looking, words.one(job), row, asked, f"/jobs/{job.id}")


def rows(session: Session, found: Sequence[Job], looking: Reader) -> tuple[JobRow, ...]:
    """Jobs in words."""
    names, kept = answers.tenants(session, list(found)), timedelta(days=get_settings().jobs_kept_days)
    return tuple(_row(job, names.get(job.tenant_id or 0, ""), kept, looking) for job in found)


def _row(job: Job, tenant: str, kept: timedelta, looking: Reader) -> JobRow:
    is_open = job.state in OPEN
    return JobRow(
        id=job.id, title=job.title, kind=_(words.KINDS.get(job.kind, job.kind)), state=job.state, width=words.width(job),
        far=words.far(job), came=words.came(job), by=job.actor, tenant=tenant, created_at=job.created_at,
        ended_at=job.ended_at, took=_took(job, looking.now), url=job.url if job.state == DONE else "",
        file=_file(job, kept), stopping=is_open and job.stop_asked_at is not None,
        may_stop=is_open and job.stop_asked_at is None and (job.actor == looking.email or looking.may_administer),
    )  # fmt: skip


def _took(job: Job, now: datetime) -> str:
    if job.started_at is None:
        return say.DASH
    return say.elapsed(((job.ended_at or now) - job.started_at).total_seconds())


def _file(job: Job, kept: timedelta) -> JobFile | None:
    if job.file_bytes is None or job.ended_at is None:
        return None
    return JobFile(job.file_name, words.size(job.file_bytes), f"/jobs/{job.id}/file", job.ended_at + kept)


def _counts(session: Session, looking: Reader, address: Address) -> tuple[int, int, int]:
    """How many wait and run, whenever they were asked for, and how many failed of the range."""
    of = select(Job.state, func.count()).where(Job.state.in_((*OPEN, FAILED))).group_by(Job.state)
    of = of.where((Job.state != FAILED) | (Job.created_at >= address.interval.start))
    if looking.tenant_id is not None:
        of = of.where(Job.tenant_id == looking.tenant_id)
    found: dict[str, int] = dict(session.execute(of).all())
    return found.get(WAITING, 0), found.get(RUNNING, 0), found.get(FAILED, 0)


def _chips(query: Query, address: Address) -> tuple[Link, ...]:
    if not query.kind:
        return ()
    return (Link(_(words.KINDS.get(query.kind, query.kind)), address.url(kind="", cursor="")),)
