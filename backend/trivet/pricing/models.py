"""The price book: models as they were first seen, and dated rows that are never edited.

Every kind of price says from when it holds, where it comes from (`source`) and who entered it (`author`).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, SmallInteger, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class Model(Base):
    """One model of one provider, by the names spans use. Id 0 stands for none."""

    __tablename__ = "model"

    id: Mapped[int] = mapped_column(Identity(always=False), primary_key=True)
    provider: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("provider", "name"),)


class ModelVersion(Base):
    """A model's version as spans name it: its dated snapshot, weights or adapter. Id 0 stands for none."""

    __tablename__ = "model_version"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Price(Base):
    """What a million tokens cost from `effective_from` on, until the next row of the same key and layer.

    `rates` is {kind: [[from_input_tokens, "decimal per million"], …]} with kinds input, output, cache_read, cache_write,
    reasoning; a kind that is not there has no price of its own (see `pricing.rate`). `pool` empty: anywhere. `tier` empty:
    the standard one (see `pricing.tier`). `layer` is one of `book.LAYERS`: what a person entered lies above what was
    imported.
    """

    __tablename__ = "price"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    provider: Mapped[str]
    model: Mapped[str]
    pool: Mapped[str] = mapped_column(server_default="")
    effective_from: Mapped[datetime]
    currency: Mapped[str]
    rates: Mapped[dict[str, Any]] = mapped_column(JSONB)
    source: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tier: Mapped[str] = mapped_column(server_default="")
    layer: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    __table_args__ = (
        UniqueConstraint("provider", "model", "pool", "tier", "layer", "effective_from", name="uq_price_dated"),
    )


class PriceEnd(Base):
    """From `effective_from` on what a person entered holds no more, and what was imported does again."""

    __tablename__ = "price_end"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    provider: Mapped[str]
    model: Mapped[str]
    pool: Mapped[str]
    tier: Mapped[str]
    effective_from: Mapped[datetime]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("provider", "model", "pool", "tier", "effective_from", name="uq_price_end_dated"),
    )


class Discount(Base):
    """Percent off the list prices of a provider, of one model or all ('') and on one pool or anywhere ('').

    From `effective_from` on, until the next row of the same key or `ends`. The most particular row holds, alone.
    """

    __tablename__ = "discount"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    provider: Mapped[str]
    model: Mapped[str]
    pool: Mapped[str]
    percent: Mapped[Decimal] = mapped_column(Numeric(15, 12))
    effective_from: Mapped[datetime]
    ends: Mapped[datetime | None]
    source: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("provider", "model", "pool", "effective_from", name="uq_discount_dated"),)


class GpuPrice(Base):
    """What an hour of one GPU costs by its type, how it is bought (`fleet.models.PURCHASES`) and region ('' is any)."""

    __tablename__ = "gpu_price"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    gpu_type: Mapped[str]
    purchase: Mapped[str]
    region: Mapped[str]
    effective_from: Mapped[datetime]
    currency: Mapped[str]
    price_per_hour: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    source: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("gpu_type", "purchase", "region", "effective_from", name="uq_gpu_price_dated"),)


class UnitPrice(Base):
    """What one of a unit (`unit.UNITS`) costs that is no token and no GPU hour. `name`, `provider`, `pool` '': any."""

    __tablename__ = "unit_price"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    unit: Mapped[str]
    name: Mapped[str]
    provider: Mapped[str]
    pool: Mapped[str]
    effective_from: Mapped[datetime]
    currency: Mapped[str]
    price: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    source: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("unit", "name", "provider", "pool", "effective_from", name="uq_unit_price_dated"),
    )


class Quantity(Base):
    """How much of a unit a tenant used in an hour, as somebody told. `key` is the teller's: told again it is one.

    `sender` is the tenant of a bound key, 0 for the platform's own. Ids are 0 where a quantity has no such dimension.
    """

    __tablename__ = "quantity"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    sender: Mapped[int]
    key: Mapped[str]
    hour: Mapped[datetime]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    scenario_id: Mapped[int]
    model_id: Mapped[int]
    pool_id: Mapped[int]
    unit: Mapped[str]
    name: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("sender", "key", name="uq_quantity_told"), Index(None, "hour"))


class ExchangeRate(Base):
    """Units of one currency for one of another, from a UTC day on, until the next row of the pair."""

    __tablename__ = "exchange_rate"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    from_currency: Mapped[str]
    to_currency: Mapped[str]
    effective_from: Mapped[date]
    rate: Mapped[Decimal] = mapped_column(Numeric(30, 15))
    source: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("from_currency", "to_currency", "effective_from"),)
