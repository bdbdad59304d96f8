"""Requests as they came, and the delta rows that each ingest transaction leaves for the fold."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.ingest.signal.running_model import RunningCall  # noqa: F401  # a table of this context, found by who imports its models
from trivet.ingest.store.ids import SpanId, TraceId
from trivet.ingest.store.tally_model import GuardLimit, GuardTally  # noqa: F401  # tables of this context, found by who imports its models

OUTCOMES = ("ok", "error", "timeout", "refused", "rejected")  # stored as their index


class Request(Base):
    """One LLM call, from one span. Identity: (tenant, start, trace, span). Day partitions by `started_at`.

    Tokens are disjoint kinds. `cost_picos` is null where no price is known (then `price_id` is null too). Ids of
    dimensions are 0 where the span named none; what few spans have is null where it is not there, which takes no room.
    Times are microseconds of UTC. A span that tells of a call which
    another tells better has `repeats`: it counts nowhere.
    """

    __tablename__ = "request"

    # Wide columns first, so that none is padded.
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    span_id: Mapped[bytes] = mapped_column(SpanId, primary_key=True)
    trace_id: Mapped[bytes] = mapped_column(TraceId, primary_key=True)
    parent_span_id: Mapped[bytes | None] = mapped_column(SpanId)
    repeats: Mapped[bytes | None] = mapped_column(SpanId)  # the span that is billed for this call
    ttft_us: Mapped[int | None] = mapped_column(BigInteger)
    cost_picos: Mapped[int | None] = mapped_column(BigInteger)
    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    scenario_id: Mapped[int]
    model_id: Mapped[int]
    backend_id: Mapped[int]
    pool_id: Mapped[int]
    key_id: Mapped[int]
    input_tokens: Mapped[int] = mapped_column(Integer)
    output_tokens: Mapped[int]
    cache_read_tokens: Mapped[int]
    cache_write_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    policy_revision: Mapped[int]
    policy_generation: Mapped[int]
    version_id: Mapped[int | None]
    region_id: Mapped[int | None]
    price_id: Mapped[int | None]
    output_limit: Mapped[int | None]
    outcome: Mapped[int] = mapped_column(SmallInteger)
    degrade_level: Mapped[int] = mapped_column(SmallInteger)
    cause: Mapped[int | None] = mapped_column(SmallInteger)  # index into `fact.CAUSES`
    shape: Mapped[int | None] = mapped_column(SmallInteger)  # index into `fact.SHAPES`
    streamed: Mapped[bool]
    conversation_id: Mapped[str | None]
    finish_reason: Mapped[str | None]
    response_id: Mapped[str | None]
    reservation: Mapped[str | None]
    tier: Mapped[str | None]  # the service tier it was priced in (`pricing.tier`), null for the standard one
    prompt_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    end_user_id: Mapped[int | None]
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "started_at", "trace_id", "span_id"),
        Index("ix_request_model_unpriced", "model_id", postgresql_where="cost_picos IS NULL"),
        Index("ix_request_trace", func.uuid_hash(text("trace_id"))),  # for `ids.of_traces`
        Index("ix_request_conversation", "conversation_id", postgresql_where="conversation_id IS NOT NULL"),
        Index(
            "ix_request_received_at",
            "received_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )


class PromptBlocks(Base):
    """Ids of a prompt's blocks, where the span gave them: what a prefix cache could have shared. Day partitions."""

    __tablename__ = "prompt_blocks"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    trace_id: Mapped[bytes] = mapped_column(TraceId, primary_key=True)
    span_id: Mapped[bytes] = mapped_column(SpanId, primary_key=True)
    blocks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    __table_args__ = ({"postgresql_partition_by": "RANGE (started_at)"},)


class KeptLookup(Base):
    """A span of a retrieval or of a tool's call, which is no request. Kept so that sent twice it is one. Day partitions."""

    __tablename__ = "cache_lookup"

    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
    span_id: Mapped[bytes] = mapped_column(SpanId, primary_key=True)
    trace_id: Mapped[bytes] = mapped_column(TraceId, primary_key=True)
    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    scenario_id: Mapped[int]
    backend_id: Mapped[int]
    details: Mapped[list[str]] = mapped_column(ARRAY(Text))
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "started_at", "trace_id", "span_id"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )


class Tool(Base):
    """A tool that a tenant's spans say was called: how the limit of distinct names is held."""

    __tablename__ = "tool"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


class KeyName(Base):
    """A name that a key has used: how its limit of distinct names is held. `kind` is an index into `names.KINDS`."""

    __tablename__ = "key_name"

    key_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    name_id: Mapped[int] = mapped_column(primary_key=True)


class OnceSeen(Base):
    """How far `ingest.once` has looked for calls told twice: what was received before is settled. One row."""

    __tablename__ = "once_seen"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    received_until: Mapped[datetime]


class Dimensions:
    """What usage is asked by. Every rollup row has exactly these; 0 and '' stand for none."""

    tenant_id: Mapped[int]
    scenario_id: Mapped[int]
    model_id: Mapped[int]
    backend_id: Mapped[int]
    pool_id: Mapped[int]
    version_id: Mapped[int]
    region_id: Mapped[int]
    revision: Mapped[int]
    level: Mapped[int] = mapped_column(SmallInteger)
    context_class: Mapped[int] = mapped_column(SmallInteger)  # index into `context.CLASSES`
    streamed: Mapped[int] = mapped_column(SmallInteger)  # 0 or 1
    currency: Mapped[str]


class Measures:
    """What is added up. Costs are exact; histograms are `kit.histogram` bytes of microseconds."""

    requests: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    timeouts: Mapped[int] = mapped_column(BigInteger)
    refusals: Mapped[int] = mapped_column(BigInteger)
    rejections: Mapped[int] = mapped_column(BigInteger)
    unpriced_requests: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_read_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    scores: Mapped[int] = mapped_column(BigInteger)
    score_total: Mapped[float]
    latency: Mapped[bytes] = mapped_column(LargeBinary)
    ttft: Mapped[bytes] = mapped_column(LargeBinary)
    inter_token: Mapped[bytes] = mapped_column(LargeBinary)


DIMENSIONS = (
    "tenant_id", "scenario_id", "model_id", "backend_id", "pool_id", "version_id", "region_id", "revision", "level",
    "context_class", "streamed", "currency",
)  # fmt: skip
COUNTS = (
    "requests", "errors", "timeouts", "refusals", "rejections", "unpriced_requests", "input_tokens", "output_tokens",
    "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost", "scores", "score_total",
)  # fmt: skip
HISTOGRAMS = ("latency", "ttft", "inter_token")


class UsageDelta(Dimensions, Measures, Base):
    """What one ingest transaction adds to one 10-second bucket (by end time) of one set of dimensions."""

    __tablename__ = "usage_delta"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    bucket: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (Index(None, "bucket"),)


class EndUser(Base):
    """Whom a tenant serves, as its spans name them (or a keyed hash of it). Of each tenant only so many; then `overflow`."""

    __tablename__ = "end_user"

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    tenant_id: Mapped[int]
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)


class SpendDelta(Base):
    """What one ingest transaction adds to what was spent in one UTC quarter hour (by end time), until budgets fold it."""

    __tablename__ = "spend_delta"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    quarter: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tenant_id: Mapped[int]
    scenario_id: Mapped[int]
    key_id: Mapped[int]
    end_user_id: Mapped[int]
    currency: Mapped[str]
    requests: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger)
    unpriced: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[Decimal] = mapped_column(Numeric(38, 12))


class PolicySeen(Base):
    """Telemetry of a backend that carried a policy generation: the proof that a command took effect, until folded."""

    __tablename__ = "policy_seen"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    backend_id: Mapped[int]
    scenario_id: Mapped[int]
    tenant_id: Mapped[int]
    bound: Mapped[bool]  # sent with a key bound to the tenant: proves that tenant's commands and nothing else
    generation: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int]
    level: Mapped[int] = mapped_column(SmallInteger)
    seen_at: Mapped[datetime]


class ReservationUse(Base):
    """What one ingest transaction measured of a reservation that its spans name, until the budgets have counted it."""

    __tablename__ = "reservation_use"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    reservation_id: Mapped[UUID]
    tenant_id: Mapped[int]
    currency: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 12))
    tokens: Mapped[int] = mapped_column(BigInteger)
    requests: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Score(Base):
    """One quality score. `external_id` makes a score that a tenant sent twice one score."""

    __tablename__ = "score"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    external_id: Mapped[str]
    scenario_id: Mapped[int]
    tenant_id: Mapped[int]
    metric: Mapped[str]
    value: Mapped[float]
    revision: Mapped[int]
    level: Mapped[int] = mapped_column(SmallInteger)
    scored_at: Mapped[datetime]
    source: Mapped[str]
    trace_id: Mapped[bytes | None] = mapped_column(TraceId)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("tenant_id", "external_id"), Index(None, "scenario_id", "scored_at"))


class Denial(Base):
    """What a limit or a check refused, by day and named reason: counted, never silent."""

    __tablename__ = "denial"

    day: Mapped[datetime] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    items: Mapped[int] = mapped_column(BigInteger)
