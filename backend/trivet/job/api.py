"""Jobs over REST: how far they are, their files, and stopping one. Other contexts begin them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, requires
from trivet.job import answers, parts, service
from trivet.job.models import Job
from trivet.kit.answer import answers as shaped
from trivet.kit.body import Asked
from trivet.kit.clock import utc_now
from trivet.kit.errors import NotFound
from trivet.kit.interval import Interval
from trivet.kit.page import INT8, from_cursor, page
from trivet.settings import get_settings

router = APIRouter(tags=["job"])
Read = Annotated[Principal, Depends(requires("read"))]
JobId = Annotated[int, Path(ge=1, lt=INT8.stop)]
State = Literal["waiting", "running", "done", "failed", "stopped"]


@router.get("/jobs", response_model=None, responses=shaped(answers.Jobs))
def list_jobs(
    principal: Read,
    state: State | None = None,
    kind: Asked | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Newest first; a key of one tenant sees that tenant's."""
    after = from_cursor(cursor, int)[0] if cursor else None
    with db.transaction() as session:
        rows = listed(session, principal.tenant_id, state=state or "", kind=kind or "", after=after, count=limit + 1)
        items = said(session, rows)
    return page(items, limit, lambda item: [item["id"]])


@router.get("/jobs/{job_id}", response_model=None, responses=shaped(answers.JobAnswer))
def get_job(job_id: JobId, principal: Read) -> dict[str, Any]:
    """How far it is, and what came of it."""
    with db.transaction() as session:
        return said(session, [service.find(session, job_id, principal.tenant_id)])[0]


@router.post("/jobs/{job_id}/stop", response_model=None, responses=shaped(answers.JobAnswer))
def stop_job(job_id: JobId, principal: Read) -> dict[str, Any]:
    """Stop it: whoever asked for it, or an admin. What runs ends at its next step, and nothing of it is kept."""
    with db.transaction() as session:
        job = service.find(session, job_id, principal.tenant_id)
        service.ask_stop(session, job, actor=principal.actor, is_admin=principal.may("admin"), now=utc_now())
        return said(session, [job])[0]


@router.get(
    "/jobs/{job_id}/file", response_class=StreamingResponse, responses={200: {"description": "The file it made."}}
)
def get_file(job_id: JobId, principal: Read) -> StreamingResponse:
    """The file that a job made, while it is kept."""
    with db.transaction() as session:
        return file_of(service.find(session, job_id, principal.tenant_id))


def file_of(job: Job) -> StreamingResponse:
    """A job's file as an answer; its name is plain letters, so the header needs no encoding."""
    if job.file_bytes is None:
        raise NotFound(f"Job {job.id} has no file.")
    headers = {
        "Content-Disposition": f'attachment; filename="{job.file_name}"', "Content-Length": str(job.file_bytes),
        "Cache-Control": "no-store",
    }  # fmt: skip
    return StreamingResponse(parts.read(job.id, parts.RESULT), media_type=job.media_type, headers=headers)


def listed(
    session: Session,
    tenant_id: int | None,
    *,
    state: str = "",
    kind: str = "",
    interval: Interval | None = None,
    after: int | None = None,
    count: int,
) -> list[Job]:
    """Jobs asked for in an interval, newest first, from before the one named `after`."""
    query = select(Job).order_by(Job.id.desc()).limit(count)
    if interval is not None:
        query = query.where(Job.created_at >= interval.start, Job.created_at < interval.end)
    if tenant_id is not None:
        query = query.where(Job.tenant_id == tenant_id)
    for column, value in ((Job.state, state), (Job.kind, kind)):
        query = query.where(column == value) if value else query
    return list(session.scalars(query.where(Job.id < after) if after is not None else query))


def said(session: Session, rows: list[Job]) -> list[dict[str, Any]]:
    """Jobs as JSON."""
    names, kept = answers.tenants(session, rows), get_settings().jobs_kept_days
    return [answers.told(row, names.get(row.tenant_id or 0), kept) for row in rows]


def begun(session: Session, wanted: service.Wanted, actor: str) -> Job:
    """Begin a job within the limits that settings name."""
    settings = get_settings()
    return service.begin(
        session, wanted, actor=actor, now=utc_now(), waiting_max=settings.jobs_waiting_limit,
        file_max=settings.job_file_limit_bytes,
    )  # fmt: skip
