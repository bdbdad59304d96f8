"""Files that go out by themselves: when, what, to whom, what came of each time; and what statements of closed months keep."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ForeignKey, Identity, Index, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

EVERY = ("day", "week", "month")


class ReportSchedule(Base):
    """A file every day, week or month, at a time of a zone. `recipients` empty: the owners of each cost centre, each theirs."""

    __tablename__ = "report_schedule"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    form: Mapped[str]
    group_by: Mapped[str]
    cost_centre: Mapped[str]  # whose statement, where it is one's
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    every: Mapped[str]
    at: Mapped[str]  # HH:MM
    zone: Mapped[str]
    recipients: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class StatementKept(Base):
    """What a cost centre's statement says beside the ledger, as it was when its month was closed: the ledger stands still
    by itself, and tokens that come late are counted with those of the month they belong to.

    `counted` is {"tokens": [[tenant, model, count]], "budgets": {currency: amount}, "why": {currency: {factor: amount}}}.
    """

    __tablename__ = "statement_kept"

    month: Mapped[str] = mapped_column(primary_key=True)
    cost_centre: Mapped[str] = mapped_column(primary_key=True)
    counted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    kept_at: Mapped[datetime]


class ReportRun(Base):
    """One due time of a schedule, for all or for one cost centre's owners: done once. `detail` says what came of it."""

    __tablename__ = "report_run"

    schedule_id: Mapped[int] = mapped_column(ForeignKey("report_schedule.id"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    cost_centre: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]  # mailed | failed
    detail: Mapped[str]
    message_key: Mapped[str]
    made_at: Mapped[datetime]
    __table_args__ = (Index(None, "made_at"),)
