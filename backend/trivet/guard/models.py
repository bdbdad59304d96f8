"""Verdicts as they stand, breaches as they happened, and where each scenario's ladder is."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

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
    __table_args__ = (
        Index("uq_breach_open", "scenario_id", "guard", unique=True, postgresql_where="closed_at IS NULL"),
        Index(None, "opened_at"),
    )


class LadderState(Base):
    """Where a scenario stands on its ladder, since when and why."""

    __tablename__ = "ladder_state"

    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"), primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    since: Mapped[datetime]
    reason: Mapped[str]
    calm_since: Mapped[datetime | None]
    held_until: Mapped[datetime | None]  # a person's hold: the automaton keeps off until then
    held_by: Mapped[str | None]
    in_flight_since: Mapped[
        datetime | None
    ]  # work has been in flight without a gap since then; null while there is none


class GuardRun(Base):
    """One row: when guards were last judged, and how often a scenario could not be."""

    __tablename__ = "guard_run"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    evaluated_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(BigInteger)
