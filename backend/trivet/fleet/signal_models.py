"""Signals: what engines, gateways, caches and health say beside the requests. Kept as GPU readings are."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

# What signals are asked by. 0 and '' stand for none.
SIGNAL_DIMENSIONS = ("tenant_id", "scenario_id", "model_id", "backend_id", "pool_id", "metric", "detail")
# What is added up. `least` and `most` are null where nobody said them.
SIGNAL_MEASURES = ("samples", "total", "least", "most", "last", "last_at", "histogram")


class SignalDimensions:
    """Whose signal it is, which one of `semconv.SIGNAL_METRICS`, and its `semconv.SIGNAL_DETAILS` joined by "/"."""

    tenant_id: Mapped[int]
    scenario_id: Mapped[int]
    model_id: Mapped[int]
    backend_id: Mapped[int]
    pool_id: Mapped[int]
    metric: Mapped[str]
    detail: Mapped[str]


class SignalMeasures:
    """A gauge's mean is total / samples, a counter's total is how much more there was, in the metric's unit.

    `histogram` is `kit.histogram` bytes of microseconds, of latencies alone. `last` is the newest value, as of `last_at`.
    """

    samples: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[float]
    least: Mapped[float | None]
    most: Mapped[float | None]
    last: Mapped[float]
    last_at: Mapped[datetime]
    histogram: Mapped[bytes] = mapped_column(LargeBinary)


class SignalSeries(SignalDimensions, Base):
    """One stream of points. `identity` is a hash of everything its sender distinguishes it by, and of whose it is.

    The rest is where a cumulative count stood last, which the next is a difference to: time, sum, how many values, and
    the buckets of a histogram. Null until such a point has come.
    """

    __tablename__ = "signal_series"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    identity: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    key_id: Mapped[int] = mapped_column(index=True)
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_on: Mapped[datetime] = mapped_column(index=True)  # the day on which it was last heard of
    last_at: Mapped[datetime | None]
    last_total: Mapped[float | None]
    last_samples: Mapped[int | None] = mapped_column(BigInteger)
    last_buckets: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    __table_args__ = (Index(None, "metric"),)  # who speaks of a gauge


class SignalSample(Base):
    """One point as it counted. Its key is its identity: a point sent twice is one point. Day partitions."""

    __tablename__ = "signal_sample"

    series_id: Mapped[int] = mapped_column(primary_key=True)
    sampled_at: Mapped[datetime] = mapped_column(primary_key=True)
    samples: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[float]
    least: Mapped[float | None]
    most: Mapped[float | None]
    histogram: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = ({"postgresql_partition_by": "RANGE (sampled_at)"},)


class SignalDelta(SignalDimensions, SignalMeasures, Base):
    """Signals of one transaction by 10-second bucket, until folded."""

    __tablename__ = "signal_delta"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    bucket: Mapped[datetime]
    __table_args__ = (Index(None, "bucket"),)


class SignalRollup(SignalDimensions, SignalMeasures, Base):
    """Signals folded by bucket of `grain_s` seconds (10, 60, 3600)."""

    __tablename__ = "signal_rollup"

    grain_s: Mapped[int] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    scenario_id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(primary_key=True)
    backend_id: Mapped[int] = mapped_column(primary_key=True)
    pool_id: Mapped[int] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    __table_args__ = (Index(None, "grain_s", "bucket"),)
