"""Which GPUs, pools and serving backends exist."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.fleet.signal_models import SignalDelta, SignalRollup, SignalSample, SignalSeries

__all__ = [
    "Backend", "Gpu", "GpuDelta", "GpuRollup", "GpuSample", "Pool", "PoolTerm", "Region",
    "SignalDelta", "SignalRollup", "SignalSample", "SignalSeries",
]  # fmt: skip

PURCHASES = ("on_demand", "reserved", "spot", "owned")


class Backend(Base):
    """What serves calls and asks which policy applies. Unregistered ones are kept under their name."""

    __tablename__ = "backend"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    scenario_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    registered_at: Mapped[datetime | None]


class Region(Base):
    """Where calls were served, as spans name it. Id 0 stands for none."""

    __tablename__ = "region"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Pool(Base):
    """Self-hosted GPU capacity under one name; its size and price are dated `PoolTerm` rows."""

    __tablename__ = "pool"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    registered_at: Mapped[datetime | None]


class PoolTerm(Base):
    """From `effective_from` on, until the next row: how many GPUs the pool has and what an hour of one costs."""

    __tablename__ = "pool_term"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pool_id: Mapped[int] = mapped_column(ForeignKey("pool.id"))
    effective_from: Mapped[datetime]
    gpu_type: Mapped[str]
    gpus: Mapped[int]
    price_per_gpu_hour: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    currency: Mapped[str]
    purchase: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("pool_id", "effective_from"),
        CheckConstraint("gpus >= 0 AND price_per_gpu_hour >= 0", name="not_negative"),
    )


class Gpu(Base):
    """One card, known by its UUID; an instance of a divided card (MIG) is a card of its own that names its `parent`."""

    __tablename__ = "gpu"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    uuid: Mapped[str] = mapped_column(unique=True)
    model: Mapped[str] = mapped_column(server_default="")
    host: Mapped[str] = mapped_column(server_default="")
    parent: Mapped[str] = mapped_column(server_default="")
    pool_id: Mapped[int | None] = mapped_column(ForeignKey("pool.id"))
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime | None]  # to the minute


class GpuSample(Base):
    """One point of a card, of one or more samples. Its key is its identity: sent twice it is one. Day partitions."""

    __tablename__ = "gpu_sample"

    gpu_id: Mapped[int] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    sampled_at: Mapped[datetime] = mapped_column(primary_key=True)
    samples: Mapped[int]
    total: Mapped[float]
    least: Mapped[float]
    most: Mapped[float]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = ({"postgresql_partition_by": "RANGE (sampled_at)"},)


class GpuDelta(Base):
    """Readings of one transaction by 10-second bucket, until folded."""

    __tablename__ = "gpu_delta"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    bucket: Mapped[datetime]
    gpu_id: Mapped[int]
    metric: Mapped[str]
    samples: Mapped[int]
    total: Mapped[float]
    least: Mapped[float]
    most: Mapped[float]


class GpuRollup(Base):
    """Readings folded by bucket of `grain_s` seconds (10, 60, 3600): mean is total / samples."""

    __tablename__ = "gpu_rollup"

    grain_s: Mapped[int] = mapped_column(primary_key=True)
    gpu_id: Mapped[int] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    samples: Mapped[int]
    total: Mapped[float]
    least: Mapped[float]
    most: Mapped[float]
    __table_args__ = (Index(None, "grain_s", "bucket"),)
