"""The double-entry ledger. It only grows: triggers refuse update and delete, and a posting that does not balance."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

# Supply is credited (negative), the rest debited (positive). A line of the rest that names a tenant or a cost centre is
# borne by it; one that names none is kept apart.
SUPPLY = ("supply.metered", "supply.capacity", "supply.shared", "supply.bill")
BORNE = (
    "cost_centre",  # standard cost of what a tenant used
    "unattributed",  # the same, of tenants without a cost centre
    "variance",  # actual minus standard cost of a pool's hour
    "idle",  # capacity in which nothing ran
    "headroom",  # capacity awake and not filled
    "down",  # capacity that could not serve
    "hidden",  # idle or headroom that its pool hides from reports
    "shared",  # costs entered for many, by stated rules
    "bill_variance",  # what an invoice says beyond what was measured
)
ACCOUNTS = (*SUPPLY, *BORNE)


class Posting(Base):
    """One balanced set of entries for one source in one hour. A correction is the next `sequence` of the same hour."""

    __tablename__ = "posting"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]  # metered | pool | units | shared | bill
    source: Mapped[str]  # "metered", the pool's name, the bill's …
    hour: Mapped[datetime]
    sequence: Mapped[int]
    period: Mapped[str]  # the finance month it is booked in, 2026-11
    adjusts: Mapped[str] = mapped_column(
        server_default=""
    )  # the closed month that its hour belongs to, where it is one
    method: Mapped[str]
    reason: Mapped[str]
    booked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("kind", "source", "hour", "sequence"), Index(None, "hour"))


class Entry(Base):
    """One line of a posting. Ids are 0 where a line has no such dimension."""

    __tablename__ = "entry"

    posting_id: Mapped[int] = mapped_column(ForeignKey("posting.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str]
    cost_centre_id: Mapped[int]
    tenant_id: Mapped[int]
    scenario_id: Mapped[int]
    model_id: Mapped[int]
    pool_id: Mapped[int]
    currency: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    purchase: Mapped[str] = mapped_column(server_default="")  # how a pool's capacity was bought; "" for metered supply
    __table_args__ = (CheckConstraint("amount <> 0", name="not_zero"),)


class BalanceDay(Base):
    """Sums of entries by UTC day of their hour and by the period they are booked in. Moved with each posting."""

    __tablename__ = "balance_day"

    day: Mapped[datetime] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    cost_centre_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    scenario_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pool_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    purchase: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))


class PostedHour(Base):
    """How far the ledger is: hours up to `hour` have been posted at least once."""

    __tablename__ = "posted_hour"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    posted_until: Mapped[datetime]


class HourDue(Base):
    """An hour whose usage changed since it was last posted. Written by the fold, taken by the posting task."""

    __tablename__ = "hour_due"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
