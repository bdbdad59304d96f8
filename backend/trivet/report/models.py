"""What people say a month was worth, and days on which a tenant cost otherwise than usual."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Date, Identity, Index, Numeric, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.report.files.schedule_models import ReportRun, ReportSchedule, StatementKept

__all__ = ["Anomaly", "BusinessValue", "ReportRun", "ReportSchedule", "StatementKept"]


class BusinessValue(Base):
    """What one tenant, model or scenario was worth in a month: money, or so many of something. The newest row holds.

    Never part of a cost: it is only held against one.
    """

    __tablename__ = "business_value"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[str]  # tenant | model | scenario
    subject_id: Mapped[int]
    month: Mapped[str]
    currency: Mapped[str] = mapped_column(server_default="")  # '' where it is no money
    unit: Mapped[str] = mapped_column(server_default="")  # what is counted: "tickets solved"; '' where it is money
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    note: Mapped[str] = mapped_column(server_default="")
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("(currency = '') <> (unit = '')", name="money_or_units"),
        Index(None, "month", "kind", "subject_id"),
    )


class Anomaly(Base):
    """One UTC day on which one tenant's cost stood out, in one currency, as it was last judged.

    `drivers` is [{by, name, amount}], the largest part first. `withdrawn_at`: later postings made the day like others.
    """

    __tablename__ = "anomaly"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    expected: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    score: Mapped[Decimal] = mapped_column(Numeric(20, 2))  # robust deviations, with its sign
    method: Mapped[str]
    drivers: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    found_at: Mapped[datetime]
    judged_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(server_default="")
    acknowledged_reason: Mapped[str] = mapped_column(server_default="")
