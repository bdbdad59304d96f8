"""What guards on a share of requests rest on: counts second by second, and which limits are counted."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class GuardLimit(Base):
    """What makes a request of a scenario bad, for the guards of its card: counted from `since` on.

    `kind` is one of `tallies.KINDS`; a request whose time is over `over_us` is bad, 0 where the outcome alone says it.
    """

    __tablename__ = "guard_limit"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    kind: Mapped[str]
    over_us: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("scenario_id", "kind", "over_us"),)


class GuardTally(Base):
    """What one ingest transaction adds to the seconds of guarded scenarios: one row, `tallies.RECORD`s one after the other.

    `xid` is that transaction, so that a reader can go on where it stopped and miss none that committed out of order.
    """

    __tablename__ = "guard_tally"

    xid: Mapped[int] = mapped_column(
        BigInteger,
        primary_key=True,
        autoincrement=False,
        server_default=text("(pg_current_xact_id()::text)::bigint"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    records: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (Index(None, "received_at"),)
