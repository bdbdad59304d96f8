"""What each breach took and cost, and drills: when they run, how far they are and what each step proved."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, Numeric, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

STATES = ("running", "restoring", "passed", "failed", "aborted")
RUNNING = ("running", "restoring")
Money = Numeric(38, 12)


class BreachTimes(Base):
    """One breach from the first bad bucket to level 0, and what was saved and lost meanwhile; null is not known (yet).

    Computed again at `again_at` for what came late; null: no more.
    """

    __tablename__ = "breach_times"

    breach_id: Mapped[int] = mapped_column(ForeignKey("breach.id"), primary_key=True, autoincrement=False)
    scenario_id: Mapped[int]
    guard: Mapped[str]
    shadow: Mapped[bool]
    began_at: Mapped[datetime | None]
    detected_at: Mapped[datetime]
    command_id: Mapped[int | None] = mapped_column(BigInteger)  # the first that it caused
    acted_at: Mapped[datetime | None]
    observed_at: Mapped[datetime | None]
    effective_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    recovered_at: Mapped[datetime | None]
    requests_under: Mapped[int] = mapped_column(BigInteger)  # served while degraded for it
    saved: Mapped[Decimal | None] = mapped_column(Money)
    saved_low: Mapped[Decimal | None] = mapped_column(Money)
    saved_high: Mapped[Decimal | None] = mapped_column(Money)
    currency: Mapped[str]
    saved_words: Mapped[str]  # on what terms, or why it cannot be told
    lost: Mapped[float | None]  # of the mean score, in points: before less under
    lost_low: Mapped[float | None]
    lost_high: Mapped[float | None]
    lost_words: Mapped[str]
    computed_at: Mapped[datetime]
    again_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "detected_at"), Index("ix_breach_times_due", "again_at", postgresql_where=text("again_at IS NOT NULL")))  # fmt: skip


class Drill(Base):
    """A card's ladder run on purpose on one backend. One at a time for each scenario."""

    __tablename__ = "drill"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    backend_id: Mapped[int] = mapped_column(ForeignKey("backend.id"))
    revision: Mapped[int]
    ladder: Mapped[str]  # hash of the card's ladder and of the guards that move it: what was drilled
    levels: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    hold_s: Mapped[float]
    patience_s: Mapped[float]  # how long a step waits for its proof
    state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str]
    outcome: Mapped[str]
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)  # how the others stood: what side effects are told by
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)  # triggered, acted, recovered, rolled_back, no_side_effects
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    schedule_id: Mapped[int | None]
    __table_args__ = (
        Index("uq_drill_running", "scenario_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index(None, "scenario_id", "id"),
    )


class DrillStep(Base):
    """One step of a drill: what it did, what proved it, and when."""

    __tablename__ = "drill_step"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    drill_id: Mapped[int] = mapped_column(ForeignKey("drill.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]  # one of `drill_plan.KINDS`
    level: Mapped[int] = mapped_column(SmallInteger)
    command_id: Mapped[int | None] = mapped_column(BigInteger)
    ok: Mapped[bool | None]  # null while it is under way
    simulated: Mapped[bool]
    reason: Mapped[str]
    started_at: Mapped[datetime]
    observed_at: Mapped[datetime | None]
    effective_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("drill_id", "position"),)


class DrillSchedule(Base):
    """A drill that comes back every so many days at a time of day in UTC, until somebody ends it."""

    __tablename__ = "drill_schedule"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    backend_id: Mapped[int] = mapped_column(ForeignKey("backend.id"))
    levels: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    hold_s: Mapped[float]
    patience_s: Mapped[float]
    every_days: Mapped[int]
    at: Mapped[time]
    next_at: Mapped[datetime]
    reason: Mapped[str]
    actor: Mapped[str]
    said: Mapped[str]  # what came of the last time
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        Index("uq_drill_schedule_standing", "scenario_id", "backend_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_drill_schedule_due", "next_at", postgresql_where=text("ended_at IS NULL")),
    )  # fmt: skip
