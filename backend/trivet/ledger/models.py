"""The double-entry ledger. It only grows: triggers refuse update and delete, and a posting that does not balance."""

from datetime import datetime
from decimal import Decimal
from typing import Any

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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.ledger.pool_models import InterruptedRequest, PoolHourSplit  # noqa: F401  # tables of this context

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
    __table_args__ = (
        UniqueConstraint("kind", "source", "hour", "sequence"),
        Index(None, "hour"),
        Index(None, "adjusts", postgresql_where="adjusts <> ''"),
    )


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


class BalanceCentre(Base):
    """Sums of `BalanceDay` without who used it: what a month by cost centre is told from, however many tenants there are.

    `nobodys`: the line names neither tenant nor cost centre. Moved with each posting.
    """

    __tablename__ = "balance_centre"

    day: Mapped[datetime] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    cost_centre_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    nobodys: Mapped[bool] = mapped_column(primary_key=True)
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


class Period(Base):
    """A finance month (UTC, `2026-10`) that somebody asked to close. One without a row is open, unless a later one is
    closed: closing a month shuts every month before it. A trigger refuses any change of a closed row.
    """

    __tablename__ = "period"

    month: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]  # open (a request was taken back) | closing | closed
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    reason: Mapped[str]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    last_posting_id: Mapped[int | None] = mapped_column(BigInteger)  # the newest there was at the close
    totals: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")  # by currency, what it closed at
    balances_hash: Mapped[str | None]  # SHA-256 over its balances and over the hash of the close before
    __table_args__ = (
        CheckConstraint("state IN ('open', 'closing', 'closed')", name="state"),
        CheckConstraint("(state = 'closed') = (closed_by IS NOT NULL AND closed_at IS NOT NULL)", name="closed_by"),
    )


class BalancePeriod(Base):
    """Sums of entries by the period they are booked in and the closed month they adjust. Moved with each posting.

    `borne_by` is cost_centre, tenant (who has none: unattributed) or nobody (kept apart, and supply).
    """

    __tablename__ = "balance_period"

    period: Mapped[str] = mapped_column(primary_key=True)
    adjusts: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    borne_by: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))


class SharedCost(Base):
    """A cost for many: a support contract, the network, staff."""

    __tablename__ = "shared_cost"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    recurs: Mapped[str]  # once: the amount for one stretch of time | monthly: the amount for each UTC month
    note: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SharedCostTerm(Base):
    """What a shared cost amounts to from `effective_from` on, until the next row; a one-off's ends at `ends_at`.

    Of rows from the same instant the newest holds; of a one-off, the newest of all.
    """

    __tablename__ = "shared_cost_term"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    shared_cost_id: Mapped[int] = mapped_column(ForeignKey("shared_cost.id"), index=True)
    effective_from: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SharedCostRule(Base):
    """How a shared cost is split from a UTC day on, until the next row; of rows from the same day the newest holds."""

    __tablename__ = "shared_cost_rule"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    shared_cost_id: Mapped[int] = mapped_column(ForeignKey("shared_cost.id"), index=True)
    effective_from: Mapped[datetime]
    kind: Mapped[str]  # fixed | proportional | even
    window: Mapped[str] = mapped_column("usage_of", server_default="")  # hour | day | month, where proportional
    shares: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB
    )  # [{"cost_centre_id": 7, "tenant_id": 0, "percent": "60"}]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
