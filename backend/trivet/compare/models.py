"""Baselines as rows. They only grow: the database refuses changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class Baseline(Base):
    """How a scenario stood from `start` until `end`, as it was known when somebody froze it.

    `measured` is `measured.Measured` as JSON values; `terms` names the version of the terms it was taken on.
    """

    __tablename__ = "baseline"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    name: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    start: Mapped[datetime]
    end: Mapped[datetime]
    terms: Mapped[str]
    measured: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("scenario_id", "name"), Index(None, "scenario_id", "id"))
