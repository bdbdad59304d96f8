"""A job as JSON."""

from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.job.models import Job
from trivet.kit.answer import Answer, Page
from trivet.kit.clock import rfc3339, when


class JobFile(Answer):
    """A file that a job made, and until when it is kept."""

    name: str
    media_type: str
    bytes: int
    url: str
    until: str


class JobAnswer(Answer):
    """One job: `done` of `total` (null: not known) in `unit`; `problem` says why it failed; `url` is where to look."""

    id: int
    kind: str
    title: str
    params: dict[str, Any]
    actor: str
    tenant: str | None
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    done: int
    total: int | None
    unit: str
    note: str
    problem: str
    url: str | None
    file: JobFile | None
    attempt: int
    created_at: str
    started_at: str | None
    advanced_at: str | None
    ended_at: str | None
    stop_asked_at: str | None
    stop_asked_by: str | None


class Jobs(Page):
    """Newest first."""

    items: list[JobAnswer]


def tenants(session: Session, rows: list[Job]) -> dict[int, str]:
    """Names of the tenants that jobs are about, by id."""
    ids = {row.tenant_id for row in rows if row.tenant_id is not None}
    if not ids:
        return {}
    return dict(session.execute(text("SELECT id, name FROM tenant WHERE id = ANY(:ids)"), {"ids": sorted(ids)}).all())


def told(row: Job, tenant: str | None, kept_days: int) -> dict[str, Any]:
    """A job as JSON."""
    return {
        "id": row.id, "kind": row.kind, "title": row.title, "params": row.params, "actor": row.actor, "tenant": tenant,
        "state": row.state, "done": row.done, "total": row.total, "unit": row.unit, "note": row.note,
        "problem": row.problem, "url": row.url or None, "file": _file(row, kept_days), "attempt": row.attempt,
        "created_at": rfc3339(row.created_at), "started_at": when(row.started_at), "advanced_at": when(row.advanced_at),
        "ended_at": when(row.ended_at), "stop_asked_at": when(row.stop_asked_at),
        "stop_asked_by": row.stop_asked_by or None,
    }  # fmt: skip


def _file(row: Job, kept_days: int) -> dict[str, Any] | None:
    if row.file_bytes is None or row.ended_at is None:
        return None
    return {
        "name": row.file_name, "media_type": row.media_type, "bytes": row.file_bytes, "url": f"/api/v1/jobs/{row.id}/file",
        "until": rfc3339(row.ended_at + timedelta(days=kept_days)),
    }  # fmt: skip
