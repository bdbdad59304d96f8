"""Jobs: what was asked, how far it is, what came of it; and the files they are given and make, in parts."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
STATES: Final = (WAITING, RUNNING, DONE, FAILED, STOPPED)
OPEN: Final = (WAITING, RUNNING)
_OPEN = "state IN ('waiting', 'running')"


class Job(Base):
    """One piece of long work. `task` does it; `fingerprint` is what was asked: of two alike one is open at a time.

    `done` of `total` (None: not known beforehand) counts in `unit`. `attempt` is whose it is: a process that lost it, because
    it was silent for longer than the lease, can neither advance nor finish it. `file_bytes` is None where it made no file.
    """

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    task: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    actor: Mapped[str]
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenant.id"))  # whose rows alone it is about
    state: Mapped[str] = mapped_column(server_default=WAITING)
    done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    total: Mapped[int | None] = mapped_column(BigInteger)
    unit: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")
    problem: Mapped[str] = mapped_column(server_default="")
    url: Mapped[str] = mapped_column(server_default="")
    file_name: Mapped[str] = mapped_column(server_default="")
    media_type: Mapped[str] = mapped_column(server_default="")
    file_bytes: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    advanced_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    stop_asked_at: Mapped[datetime | None]
    stop_asked_by: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", name="state"),
        Index("uq_job_open", "fingerprint", unique=True, postgresql_where=text(_OPEN)),
        Index("ix_job_open", "id", postgresql_where=text(_OPEN)),
        Index(None, "tenant_id", "id"),
        Index(None, "ended_at"),
    )


class JobPart(Base):
    """A part of a file: `name` is `result`, or what the job was given. It lies here so that any worker and any API has it."""

    __tablename__ = "job_part"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
