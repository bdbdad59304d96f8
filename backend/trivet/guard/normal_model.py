"""What replay of a scenario's own history found of its guards."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class GuardNormal(Base):
    """The usual share of bad requests of one guard and how much its evidence is widened: `sequential.Normal`.

    It holds for this metric and this limit alone. `alarms` were false with the evidence as it is, `remaining` with it widened.
    """

    __tablename__ = "guard_normal"

    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"), primary_key=True)
    guard: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str]
    enter: Mapped[float]
    usual: Mapped[float | None]  # null where the history was too short
    widening: Mapped[float]
    seconds: Mapped[int]
    requests: Mapped[int] = mapped_column(BigInteger)
    alarms: Mapped[int]
    remaining: Mapped[int]
    replayed_at: Mapped[datetime]
