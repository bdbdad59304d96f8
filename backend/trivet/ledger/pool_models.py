"""How each posted hour of a pool was split, so that it can be explained line by line, and what interruptions cost."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.fleet.models import Amount
from trivet.ingest.store.ids import SpanId, TraceId


class PoolHourSplit(Base):
    """One stretch of a pool's hour at one term, as it was last posted. Times in microseconds add up to its length, amounts to `cost`.

    `parts` is what an hour of it costs by part, `gaps` what is missing from that; `prefill` and `decode` add up to `used`
    and are null where nothing measured told them apart. `work` is its part, by awake time, of the work
    units of the hour, `capacity_work` what it could have served; `requests` are those of the whole hour.
    """

    __tablename__ = "pool_hour_split"

    pool_id: Mapped[int] = mapped_column(ForeignKey("pool.id"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    purchase: Mapped[str]
    currency: Mapped[str]
    method: Mapped[str]
    evidence: Mapped[str]  # counters | spans
    used_us: Mapped[int] = mapped_column(BigInteger)
    headroom_us: Mapped[int] = mapped_column(BigInteger)
    idle_us: Mapped[int] = mapped_column(BigInteger)
    down_us: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[Amount]
    used: Mapped[Amount]
    headroom: Mapped[Amount]
    idle: Mapped[Amount]
    down: Mapped[Amount]
    prefill: Mapped[Amount | None]
    decode: Mapped[Amount | None]
    parts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    gaps: Mapped[list[Any]] = mapped_column(JSONB)
    requests: Mapped[int] = mapped_column(BigInteger)
    work: Mapped[Decimal] = mapped_column(Numeric)
    capacity_work: Mapped[Decimal | None] = mapped_column(Numeric)
    energy_kwh: Mapped[Amount | None]  # measured in this stretch's share of the hour; null where no card said any
    idle_policy: Mapped[str]
    headroom_policy: Mapped[str]
    __table_args__ = (Index(None, "hour"),)


class InterruptedRequest(Base):
    """A request that failed because its pool lost GPUs ("lost"), or one that did its work again ("retry").

    Both keep their cost. `hour` is the one in which a lost request ended, and that of its retry's lost one; `cost` is
    standard cost, null where it has no price.
    """

    __tablename__ = "interrupted_request"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    trace_id: Mapped[bytes] = mapped_column(TraceId, primary_key=True)
    span_id: Mapped[bytes] = mapped_column(SpanId, primary_key=True)
    pool_id: Mapped[int] = mapped_column(ForeignKey("pool.id"))  # the one that was interrupted
    hour: Mapped[datetime]
    kind: Mapped[str]  # lost | retry
    cost: Mapped[Amount | None]
    currency: Mapped[str]
    work: Mapped[Decimal] = mapped_column(Numeric)
    __table_args__ = (Index(None, "pool_id", "hour"),)
