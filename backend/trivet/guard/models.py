"""Verdicts as they stand, breaches as they happened, and where each scenario's ladder is."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, SmallInteger, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.guard.ladder_models import LadderMove, LadderState, Regression, Shortage
from trivet.guard.normal_model import GuardNormal

__all__ = ["Breach", "GuardNormal", "GuardRun", "GuardState", "LadderMove", "LadderState", "Regression", "Shortage"]
VERDICTS = ("ok", "breach", "stall", "no_data")


class GuardState(Base):
    """The newest verdict of one guard of one scenario, with its reason and the numbers it saw."""

    __tablename__ = "guard_state"

    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"), primary_key=True)
    guard: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    reason: Mapped[str]
    value: Mapped[float | None]
    threshold: Mapped[float]
    sample: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[datetime]
    evaluated_at: Mapped[datetime]
    revision: Mapped[int]
    over_since: Mapped[datetime | None]  # past `enter` without a gap since then; a breach once that is `for_s` old
    clear_since: Mapped[datetime | None]  # past `leave` on the safe side without a gap since then
    numbers: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # what the verdict saw: see `numbers.seen`
    shadow: Mapped[bool] = mapped_column(server_default=false())  # it is judged and moves nothing


class Breach(Base):
    """One stretch of time in which a guard was broken. Open while `closed_at` is null; one open per guard."""

    __tablename__ = "breach"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    guard: Mapped[str]
    revision: Mapped[int]
    value: Mapped[float | None]
    worst_value: Mapped[float | None]
    threshold: Mapped[float]
    sample: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_reason: Mapped[str | None]
    numbers: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # what the verdict saw that opened it
    shadow: Mapped[bool] = mapped_column(server_default=false())  # of a guard in shadow: it moved nothing
    __table_args__ = (
        Index("uq_breach_open", "scenario_id", "guard", unique=True, postgresql_where="closed_at IS NULL"),
        Index(None, "opened_at"),
    )


class GuardRun(Base):
    """One row: when guards were last judged, and how often a scenario could not be."""

    __tablename__ = "guard_run"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    evaluated_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(BigInteger)
