"""Which GPUs, pools and serving backends exist."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

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
    "Backend", "Gpu", "GpuDelta", "GpuRollup", "GpuSample", "Pool", "PoolInterruption", "PoolTerm", "Region",
    "SignalDelta", "SignalRollup", "SignalSample", "SignalSeries",
]  # fmt: skip

Amount = Annotated[Decimal, mapped_column(Numeric(38, 12))]
RENTED = ("on_demand", "reserved", "spot")
PURCHASES = (*RENTED, "owned", "provisioned")
# What becomes of capacity that nobody fills: left out of reports, shown by itself, or borne by those who used the pool in
# that hour, by their use or evenly.
POLICIES = ("hidden", "apart", "spread_use", "spread_even")
# Where the cost of an hour comes from: the term's own price, the price book's by GPU type, or the parts that a term tells.
PRICE_SOURCES = ("term", "book", "parts")


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
    """From `effective_from` on, until the next row: what capacity the pool has, what it costs, and what it can do.

    Amounts are of the whole pool unless they say per GPU or per unit. `fleet.spread` says how a purchase or a commitment
    becomes hours; `price_per_gpu_hour` is 0 where `price_source` is another than "term".
    """

    __tablename__ = "pool_term"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pool_id: Mapped[int] = mapped_column(ForeignKey("pool.id"))
    effective_from: Mapped[datetime]
    gpu_type: Mapped[str]
    gpus: Mapped[int]
    price_per_gpu_hour: Mapped[Amount]
    currency: Mapped[str]
    purchase: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    price_source: Mapped[str] = mapped_column(server_default="term")
    # a purchase, or a commitment to pay, and from when on it is spread
    purchase_price: Mapped[Amount | None]
    residual: Mapped[Amount | None]
    amortisation_months: Mapped[int | None]
    commitment_cost: Mapped[Amount | None]
    commitment_months: Mapped[int | None]
    spread_from: Mapped[datetime | None]
    # running owned cards
    power_price_per_kwh: Mapped[Amount | None]
    pue: Mapped[Amount | None]
    watts_per_gpu: Mapped[Amount | None]  # taken for cards that say no energy
    operations_per_month: Mapped[Amount | None]
    # provisioned throughput
    units: Mapped[int | None]
    price_per_unit_hour: Mapped[Amount | None]
    work_per_unit_hour: Mapped[Amount | None]  # work units that one unit serves in an hour
    # what it can do, and what becomes of the rest
    load_test_tokens_per_gpu_hour: Mapped[Amount | None]  # in work units
    planned_utilisation: Mapped[Amount | None]
    max_concurrency: Mapped[int | None]
    idle_policy: Mapped[str] = mapped_column(server_default="apart")
    headroom_policy: Mapped[str] = mapped_column(server_default="spread_use")
    __table_args__ = (
        UniqueConstraint("pool_id", "effective_from"),
        CheckConstraint("gpus >= 0 AND price_per_gpu_hour >= 0", name="not_negative"),
    )


class PoolInterruption(Base):
    """A pool lost GPUs that it had: spot capacity taken back, or any other cause. `gpus` null: all; `restored_at` null: none came back."""

    __tablename__ = "pool_interruption"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    pool_id: Mapped[int] = mapped_column(ForeignKey("pool.id"))
    interrupted_at: Mapped[datetime]
    restored_at: Mapped[datetime | None]
    gpus: Mapped[int | None]
    cause: Mapped[str]
    actor: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("pool_id", "interrupted_at"),)


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
