"""Trade-off cards: immutable revisions, and which one was active when."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

STATUSES = ("draft", "in_review", "active", "retired")


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
    __table_args__ = (UniqueConstraint("scenario_id", "number"),)


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
