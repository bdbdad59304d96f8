"""Trade-off cards: immutable revisions, which one was active when, and those on trial, scheduled or owed a review."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Float, ForeignKey, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

STATUSES = ("draft", "in_review", "active", "retired")
TRIAL_STATES = ("running", "activated", "stopped")
SCHEDULE_STATES = ("waiting", "activated", "cancelled", "failed")


class CardRevision(Base):
    """One revision of a scenario's card. `body` is `card.content.Card`; it never changes after `submit`."""

    __tablename__ = "card_revision"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    number: Mapped[int]
    status: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    submitted_at: Mapped[datetime | None]
    approved_product_by: Mapped[str | None]
    approved_operations_by: Mapped[str | None]
    retired_reason: Mapped[str | None]
    solo: Mapped[bool] = mapped_column(server_default=text("false"))  # one person gave both approvals, in solo mode
    glass_broken_by: Mapped[str | None]  # activated at once, without approvals: a review is owed
    glass_broken_at: Mapped[datetime | None]
    glass_reason: Mapped[str | None]
    reviewed_by: Mapped[str | None]
    reviewed_at: Mapped[datetime | None]
    review_words: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("scenario_id", "number"),
        Index(
            "ix_card_revision_owed",
            "glass_broken_at",
            postgresql_where=text("glass_broken_at IS NOT NULL AND reviewed_at IS NULL"),
        ),
    )


class Activation(Base):
    """From `active_from` on, until the next row, this revision governs its scenario. Rows are only added."""

    __tablename__ = "activation"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("card_revision.id"))
    number: Mapped[int]
    active_from: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]
    rolled_back_from: Mapped[int | None]
    __table_args__ = (Index(None, "scenario_id", "id"),)


class SoloMode(Base):
    """Whether one person may give both approvals, from this row on. Rows are only added."""

    __tablename__ = "solo_mode"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    on: Mapped[bool]
    actor: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class CardTrial(Base):
    """A revision that serves a share of conversations beside the one that governs, and how it fares. One runs at a time.

    `step` is an index into `shares`; `steps` says what was decided when, with the numbers it rested on.
    """

    __tablename__ = "card_trial"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    number: Mapped[int]
    against: Mapped[int]  # the revision that governs meanwhile
    state: Mapped[str]
    shares: Mapped[list[float]] = mapped_column(ARRAY(Float))
    step: Mapped[int]
    step_s: Mapped[float]
    minimum_sample: Mapped[int]
    actor: Mapped[str]
    reason: Mapped[str]
    said: Mapped[str]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    started_at: Mapped[datetime]
    step_since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_card_trial_running", "scenario_id", unique=True, postgresql_where=text("state = 'running'")),
        Index(None, "scenario_id", "id"),
    )


class CardSchedule(Base):
    """A revision that is to be activated at an instant. One waits at a time."""

    __tablename__ = "card_schedule"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    number: Mapped[int]
    at: Mapped[datetime]
    state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str]
    outcome: Mapped[str | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_card_schedule_waiting", "scenario_id", unique=True, postgresql_where=text("state = 'waiting'")),
        Index("ix_card_schedule_due", "at", postgresql_where=text("state = 'waiting'")),
        Index(None, "scenario_id", "id"),
    )
