"""Calls that have not ended yet, as their backends tell."""

from datetime import datetime

from sqlalchemy import SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.ingest.store.ids import SpanId, TraceId


class RunningCall(Base):
    """One call that its backend said is running. Identity as that of the request it becomes.

    `started_at` is the backend's clock, as on the span; `since` and `seen_at` are ours: how long the call had run when it
    was told is reckoned back from when it was heard, so that a clock that is off ages nothing. Not logged by the database:
    what matters is told again a second later.
    """

    __tablename__ = "running_call"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    trace_id: Mapped[bytes] = mapped_column(TraceId, primary_key=True)
    span_id: Mapped[bytes] = mapped_column(SpanId, primary_key=True)
    started_at: Mapped[datetime]
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
    scenario_id: Mapped[int]
    backend_id: Mapped[int]
    model_id: Mapped[int]
    key_id: Mapped[int]
    revision: Mapped[int]
    level: Mapped[int] = mapped_column(SmallInteger)
    streamed: Mapped[bool]
    answering: Mapped[bool]  # a first token has come
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
