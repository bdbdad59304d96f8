"""Budgets, what was spent of them window by window, the lines that were crossed, and what was done about it.

A budget's scope, measure and window are its identity and never change. Its limit and lines are terms from an instant on;
terms are never edited, later ones follow, and an end is a row of them.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.budget.reserve.models import Reservation, ReservationHold  # noqa: F401  # tables of this context, found by who imports its models
from trivet.db import Base

SCOPES = ("request", "interaction", "tenant", "key", "scenario", "cost_centre", "end_user", "global")
MEASURES = ("money", "tokens", "requests")
WINDOWS = ("request", "interaction", "day", "week", "month")
ACTIONS = ("refuse", "degrade", "break")  # `refuse`: reservations beyond the limit are refused, and nothing else
WAYS_BACK = ("next_window", "manual")
POLICIES = ("closed", "open")


class Budget(Base):
    """Who may spend what, and over which windows of time. `subject_id` 0: all of the scope, or each of it."""

    __tablename__ = "budget"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    scope: Mapped[str]  # one of SCOPES
    subject_id: Mapped[int] = mapped_column(server_default="0")  # tenant, key, scenario, centre or end user
    tenant_id: Mapped[int] = mapped_column(server_default="0")  # whose requests, interactions or end users; 0 anyone's
    scenario_id: Mapped[int] = mapped_column(server_default="0")  # of which requests or interactions; 0 of any
    measure: Mapped[str]  # one of MEASURES
    currency: Mapped[str] = mapped_column(server_default="")  # '' unless in money
    window: Mapped[str]  # one of WINDOWS
    zone: Mapped[str]  # IANA name: whose midnight, Monday and first of the month
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BudgetTerms(Base):
    """The limit from `effective_from` on, until the next row of the same budget; `ended`: none from then on."""

    __tablename__ = "budget_terms"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id"))
    effective_from: Mapped[datetime]
    limit: Mapped[Decimal] = mapped_column(Numeric(38, 12))  # money, tokens or requests
    lines: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))  # soft lines in % of the limit, rising
    hard: Mapped[bool]
    action: Mapped[str]  # one of ACTIONS, '' where not hard
    level: Mapped[int | None] = mapped_column(SmallInteger)  # of a degrade
    way_back: Mapped[str]  # one of WAYS_BACK
    owners: Mapped[list[str]] = mapped_column(ARRAY(Text))  # e-mail addresses
    unknown_price: Mapped[str]  # one of POLICIES
    unreachable: Mapped[str]  # one of POLICIES
    ended: Mapped[bool]
    author: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("budget_id", "effective_from"),)


class BudgetWindow(Base):
    """One budget, one whose it is, one window of time. Committed is `spent` + `held`; both are in the budget's measure.

    `spent` is what telemetry told; `held` are open reservations. Made when first needed, with what
    was spent before: a window that is not there is never an empty one. Rows are locked in the order of ids.
    """

    __tablename__ = "budget_window"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id"))
    subject_id: Mapped[int]  # tenant (also of an interaction), key, scenario, centre or end user; 0 all
    interaction: Mapped[str] = mapped_column(server_default="")  # the interaction's name where it is one's budget
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    limit: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    spent: Mapped[Decimal] = mapped_column(Numeric(38, 12), server_default="0")
    held: Mapped[Decimal] = mapped_column(Numeric(38, 12), server_default="0")
    own: Mapped[Decimal] = mapped_column(Numeric(38, 12), server_default="0")  # of `spent`, what needed no conversion
    requests: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unpriced: Mapped[int] = mapped_column(
        BigInteger, server_default="0"
    )  # requests without a price: `spent` is at least
    gaps: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")  # {currency: amount} no rate converts
    basis: Mapped[str] = mapped_column(server_default="")  # which tenants a cost centre had when it was counted
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    refreshed_at: Mapped[datetime | None]  # when `spent` was last moved
    __table_args__ = (
        UniqueConstraint("budget_id", "subject_id", "interaction", "starts_at"),
        Index(None, "ends_at"),
        Index("ix_budget_window_new", "id", postgresql_where="refreshed_at IS NULL"),
    )


class BudgetForeign(Base):
    """Spent in another currency than the budget's, by UTC day: converted as a whole, so that batches change nothing."""

    __tablename__ = "budget_foreign"

    window_id: Mapped[int] = mapped_column(ForeignKey("budget_window.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))


class BudgetLine(Base):
    """A line of a window that was crossed: once, whoever looks and however often."""

    __tablename__ = "budget_line"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    window_id: Mapped[int] = mapped_column(ForeignKey("budget_window.id"))
    line: Mapped[int] = mapped_column(SmallInteger)  # % of the limit
    limit: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    hard: Mapped[bool]
    terms_id: Mapped[int] = mapped_column(server_default="0")  # of a hard line: since when it is commanded so
    spent: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    held: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    crossed_at: Mapped[datetime]
    told: Mapped[bool]  # the highest of those crossed at once: the one its message names
    breached_at: Mapped[datetime | None]  # when the first span over a hard line was received
    acted_at: Mapped[datetime | None]  # when each scope it concerns had been looked at
    commanded_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]  # when what was commanded was taken back
    reason: Mapped[str]
    __table_args__ = (
        UniqueConstraint("window_id", "line", "limit", "terms_id"),
        Index(None, "crossed_at"),
        Index("ix_budget_line_standing", "id", postgresql_where="hard AND returned_at IS NULL"),
    )


class BudgetAct(Base):
    """What a hard line did to one scenario or tenant, and when it was taken back."""

    __tablename__ = "budget_act"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("budget_line.id"))
    scenario_id: Mapped[int]
    tenant_id: Mapped[int]
    kind: Mapped[str]  # degrade | break
    level: Mapped[int | None] = mapped_column(SmallInteger)
    command_id: Mapped[int | None] = mapped_column(BigInteger)  # none where it was refused: `outcome` says why
    returned_by: Mapped[int | None] = mapped_column(BigInteger)  # the command that took it back
    waits: Mapped[bool] = mapped_column(server_default="false")  # for what stands already to end: then it is commanded
    outcome: Mapped[str]
    __table_args__ = (UniqueConstraint("line_id", "scenario_id", "tenant_id"),)


class BudgetOver(Base):
    """A request or interaction that cost more than its budget allows. The newest are kept; `budget_over_day` counts all."""

    __tablename__ = "budget_over"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id"))
    what: Mapped[str]  # trace and span of a request, or the interaction's name
    tenant_id: Mapped[int]
    scenario_id: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    limit: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    command_id: Mapped[int | None] = mapped_column(BigInteger)  # what it led to, where it did
    __table_args__ = (UniqueConstraint("budget_id", "what"), Index(None, "budget_id", "seen_at"))


class BudgetOverDay(Base):
    """How many requests or interactions were over a budget, by UTC day of their end, and by how much."""

    __tablename__ = "budget_over_day"

    budget_id: Mapped[int] = mapped_column(ForeignKey("budget.id"), primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    items: Mapped[int] = mapped_column(BigInteger)
    over: Mapped[Decimal] = mapped_column(Numeric(38, 12))


class BudgetSeen(Base):
    """How far requests were judged one by one: what was received before is. One row."""

    __tablename__ = "budget_seen"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    received_until: Mapped[datetime]


class SpendCounter(Base):
    """What was spent by UTC quarter hours: any zone's day is whole quarters. Folded from `spend_delta` by the refresh.

    `kind` is an index into `COUNTED`; `subject_id` the tenant, key or end user; `part_id` a tenant's scenario, else 0.
    """

    __tablename__ = "spend_counter"

    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)
    quarter: Mapped[datetime] = mapped_column(primary_key=True)
    part_id: Mapped[int] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)  # that were let in
    tokens: Mapped[int] = mapped_column(BigInteger)
    unpriced: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    __table_args__ = (Index(None, "quarter"),)


COUNTED = ("tenant", "key", "end_user")
