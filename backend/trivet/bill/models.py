"""Bills as they came, their lines, whose names on them are which model, and how each day compared with what was measured."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

STATES = ("imported", "matched", "posted", "replaced")
SPREADS = ("apart", "use")
CATEGORIES = ("usage", "purchase", "tax", "credit", "adjustment")
AMOUNT = Numeric(38, 12)


class Bill(Base):
    """What one provider charges in one currency, as one file says it. `total` is the exact sum of its lines.

    `starts_on` to before `ends_on` are the days it covers, in `zone`: there, and there alone, it is compared with what was
    measured (nowhere where `compared` is off). Lines of other days correct or repeat what another bill covered.
    """

    __tablename__ = "bill"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)  # the source of its postings
    provider: Mapped[str]
    measured_as: Mapped[list[str]] = mapped_column(ARRAY(Text))  # the provider's names in spans
    format: Mapped[str]
    invoice_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    currency: Mapped[str]
    zone: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    by_period: Mapped[bool]  # its lines are of more than a day each: compared as one stretch
    compared: Mapped[bool]
    total: Mapped[Decimal] = mapped_column(AMOUNT)
    lines: Mapped[int]
    left_out: Mapped[dict[str, Any]] = mapped_column(JSONB)  # {"services": {"lines", "amount"}, "bad_rows": {…}}
    state: Mapped[str]
    spread: Mapped[str] = mapped_column(server_default="apart")
    file_name: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    replaces: Mapped[int | None] = mapped_column(ForeignKey("bill.id"))
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    matched_at: Mapped[datetime | None]
    posted_at: Mapped[datetime | None]
    posted_by: Mapped[str | None]
    seen_posting: Mapped[int] = mapped_column(BigInteger, server_default="0")  # newest posting that its match has seen
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint(f"spread IN {SPREADS}", name="spread"),
        Index("uq_bill_sha256", "sha256", "provider", "currency", unique=True, postgresql_where="state <> 'replaced'"),
    )


class BillAlias(Base):
    """A name on a provider's bills, and the model or the pool it is. Neither: nobody knows yet.

    `rule` says how a guess was made, and is empty where a person said it.
    """

    __tablename__ = "bill_alias"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    provider: Mapped[str]
    name: Mapped[str]
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    pool_id: Mapped[int | None] = mapped_column(ForeignKey("pool.id"))
    rule: Mapped[str] = mapped_column(server_default="")
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("provider", "name"),
        CheckConstraint("model_id IS NULL OR pool_id IS NULL", name="one_target"),
    )


class BillLine(Base):
    """One row of the file. `tokens` is null where it counts none, or does not say how many; `places` as it was written."""

    __tablename__ = "bill_line"

    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"), primary_key=True)
    file: Mapped[int] = mapped_column(SmallInteger, primary_key=True)  # 0 the bill's own, 1 the tokens given beside it
    number: Mapped[int] = mapped_column(primary_key=True)  # of the line in the file, its first is 1
    part: Mapped[int] = mapped_column(SmallInteger, primary_key=True)  # where one row tells several charges
    day: Mapped[date]
    days: Mapped[int]
    alias_id: Mapped[int | None] = mapped_column(ForeignKey("bill_alias.id"))
    kind: Mapped[str]  # of tokens: input, output, cache_read, cache_write, reasoning; "" is no token
    quantity: Mapped[Decimal | None] = mapped_column(Numeric)
    unit: Mapped[str]
    tokens: Mapped[Decimal | None] = mapped_column(Numeric)
    amount: Mapped[Decimal] = mapped_column(AMOUNT)
    places: Mapped[int] = mapped_column(SmallInteger)
    effective: Mapped[Decimal | None] = mapped_column(AMOUNT)
    category: Mapped[str]
    correction: Mapped[bool]
    covered: Mapped[bool]  # by a commitment that was bought before: billed at nothing
    service: Mapped[str]
    sku: Mapped[str]
    region: Mapped[str]
    invoice_id: Mapped[str]


class BillMatch(Base):
    """One day and model of a bill against what was measured. `parts` are [cause, kind, amount] and sum to the difference.

    `measured_in` are the measured amounts by the currency they were measured in, `measured` is their sum in the bill's.
    """

    __tablename__ = "bill_match"

    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date]
    model_id: Mapped[int]
    pool_id: Mapped[int]
    name: Mapped[str]  # as people call it: the model, the pool, the name on the bill, or "" for the bill as a whole
    billed: Mapped[Decimal] = mapped_column(AMOUNT)
    measured: Mapped[Decimal] = mapped_column(AMOUNT)
    measured_in: Mapped[dict[str, str]] = mapped_column(JSONB)
    billed_tokens: Mapped[Decimal | None] = mapped_column(Numeric)
    measured_tokens: Mapped[int] = mapped_column(BigInteger)
    parts: Mapped[list[list[str]]] = mapped_column(JSONB)
    __table_args__ = (Index(None, "bill_id", "day"),)


class BillFormat(Base):
    """Which columns of somebody's own CSV are which, kept by name and used again."""

    __tablename__ = "bill_format"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    columns: Mapped[dict[str, str]] = mapped_column(JSONB)
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
