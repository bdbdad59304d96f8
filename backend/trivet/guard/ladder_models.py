"""Where each ladder stands and stood, what the ways back rest on, and which shared things are short."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Identity, Index, Integer, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

SHORTAGES = ("pool", "budget")


class LadderState(Base):
    """Where a scenario stands on its ladder, since when and why; and how far it is on its way back."""

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
    probe_share: Mapped[float | None]  # of conversations that are back at the level below, by way of trial
    probe_since: Mapped[datetime | None]  # how long so many
    failed: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # probes in a row: the next waits longer
    retry_at: Mapped[datetime | None]  # no probe before
    raised_at: Mapped[datetime | None]  # when it last went up: what a way back must be newer than
    direction: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # of its last move: 1 up, -1 down, 0 none
    turned_at: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default="{}")
    frozen_since: Mapped[datetime | None]  # it turned too often: it does not come back until a person says so
    frozen_reason: Mapped[str | None]
    yields: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # gives way down to here for others
    yields_reason: Mapped[str | None]
    deferred_since: Mapped[datetime | None]  # it would go up, and others give way first
    budget_zone: Mapped[str | None]  # whose midnight begins its budget day, where a budget of its own says; else UTC


class LadderMove(Base):
    """One move of a ladder: a level, or a share of conversations on the way back. Only grows."""

    __tablename__ = "ladder_move"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    at: Mapped[datetime]
    level_from: Mapped[int] = mapped_column(SmallInteger)
    level_to: Mapped[int] = mapped_column(SmallInteger)
    share_from: Mapped[float | None]  # of conversations that were at the level below; null: none
    share_to: Mapped[float | None]
    direction: Mapped[int] = mapped_column(SmallInteger)  # 1: does more for safety; -1: on the way back
    actor: Mapped[str]
    reason: Mapped[str]
    guard: Mapped[str | None]
    breach_id: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (Index(None, "scenario_id", "id"),)


class Regression(Base):
    """A regression test of a scenario that passed or failed, as somebody's pipeline says. Only grows."""

    __tablename__ = "regression"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    revision: Mapped[int | None]  # of the card it was run under, where it says one
    passed: Mapped[bool]
    source: Mapped[str]  # who wrote it
    reference: Mapped[str]  # where to read on: a run, a comparison
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    __table_args__ = (Index(None, "scenario_id", "id"),)


class Shortage(Base):
    """A shared thing that is short, or was a moment ago, and which scenarios give way for it. One open for each."""

    __tablename__ = "shortage"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]  # one of SHORTAGES
    subject: Mapped[str]  # the pool or the budget, by name
    since: Mapped[datetime]
    seen_at: Mapped[datetime]  # when somebody last said so
    calm_since: Mapped[datetime | None]  # no longer short since then; null while it is
    stepped_at: Mapped[datetime | None]  # when somebody last gave way or came back
    scenario_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")  # who shares it
    yields: Mapped[dict[str, int]] = mapped_column(JSONB, server_default="{}")  # {scenario id: level it gives way to}
    reason: Mapped[str]
    ended_at: Mapped[datetime | None]
    __table_args__ = (Index("uq_shortage_open", "kind", "subject", unique=True, postgresql_where="ended_at IS NULL"),)
