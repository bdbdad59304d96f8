"""The price book: models as they were first seen, and dated prices that are never edited."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Identity, Numeric, UniqueConstraint, func
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
    """What a million tokens cost from `effective_from` on, until the next row of the same provider, model and pool.

    `rates` is {kind: [[from_input_tokens, "decimal per million"], …]} with kinds input, output, cache_read, cache_write,
    reasoning; a kind that is not there has no price of its own (see `pricing.rate`). `pool` empty: anywhere.
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
    __table_args__ = (UniqueConstraint("provider", "model", "pool", "effective_from"),)


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
