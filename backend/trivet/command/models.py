"""Commands, the desired state they set, and what backends were seen to hold."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, SmallInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

KINDS = ("degrade", "restore", "rollback", "break", "activate", "trial")
CARD_KINDS = ("rollback", "activate")  # they change the card, for everyone
STATUSES = ("pending", "observed", "effective", "superseded", "expired")


class Command(Base):
    """One change of desired state, by a person or the ladder. `generation` counts per scenario."""

    __tablename__ = "command"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"))
    tenant_id: Mapped[int | None]
    backend_id: Mapped[int | None]
    level: Mapped[int | None] = mapped_column(SmallInteger)
    revision: Mapped[int]
    generation: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str]
    breach_id: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    observed_at: Mapped[datetime | None]
    effective_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    share: Mapped[float | None]  # of conversations, where it is not all of them: a probe, a revision on trial
    outcome: Mapped[str | None]  # in words, what came of it
    __table_args__ = (UniqueConstraint("scenario_id", "generation"), Index(None, "status"), Index(None, "created_at"))


class DesiredState(Base):
    """What should hold now for one scope; tenant_id and backend_id 0 mean all. Level-triggered: the newest row content counts."""

    __tablename__ = "desired_state"

    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    backend_id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    broken: Mapped[bool]
    message: Mapped[str | None]
    command_id: Mapped[int] = mapped_column(BigInteger)
    cause: Mapped[str]
    until: Mapped[datetime | None]
    arm_level: Mapped[int | None] = mapped_column(SmallInteger)  # a probe: `arm_share` of conversations have this level
    arm_share: Mapped[float | None]


class PolicyGeneration(Base):
    """The scenario's generation counter; locked first by everything that changes its desired state."""

    __tablename__ = "policy_generation"

    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenario.id"), primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int]
    changed_at: Mapped[datetime]


class PolicyServed(Base):
    """A document that was served to this backend, by its ETag: which generations its poll with this ETag proves."""

    __tablename__ = "policy_served"

    backend_id: Mapped[int] = mapped_column(primary_key=True)
    etag: Mapped[str] = mapped_column(primary_key=True)
    generations: Mapped[dict[str, Any]] = mapped_column(JSONB)
    served_at: Mapped[datetime]


class BackendHolding(Base):
    """What a backend was seen to hold of one scenario: by its poll (`observed`), by its telemetry (`effective`)."""

    __tablename__ = "backend_holding"

    backend_id: Mapped[int] = mapped_column(primary_key=True)
    scenario_id: Mapped[int] = mapped_column(primary_key=True)
    observed_generation: Mapped[int] = mapped_column(BigInteger)
    observed_at: Mapped[datetime | None]
    effective_generation: Mapped[int] = mapped_column(BigInteger)
    effective_at: Mapped[datetime | None]
    level: Mapped[int] = mapped_column(SmallInteger)
    revision: Mapped[int]


class TenantProof(Base):
    """What telemetry sent with a tenant's own key carried: it speaks for that tenant's commands and for nobody else's."""

    __tablename__ = "tenant_proof"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    scenario_id: Mapped[int] = mapped_column(primary_key=True)
    backend_id: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime]


class BackendPoll(Base):
    """When a backend last asked, or answered; and when its stream of events was last seen open."""

    __tablename__ = "backend_poll"

    backend_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    polled_at: Mapped[datetime]
    etag: Mapped[str | None]
    listening_at: Mapped[datetime | None]


WEBHOOK_STATES = ("waiting", "delivered", "unproven", "failed")


class BackendWebhook(Base):
    """Where a backend that cannot poll is told. `etag` is what its answer proved it holds, `told_etag` what was sent last.

    `began_at` is when that was first tried: it makes the message's id, which stays while it is sent again.
    """

    __tablename__ = "backend_webhook"

    backend_id: Mapped[int] = mapped_column(ForeignKey("backend.id"), primary_key=True, autoincrement=False)
    url: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    state: Mapped[str]
    etag: Mapped[str | None]
    told_etag: Mapped[str | None]
    began_at: Mapped[datetime | None]
    attempts: Mapped[int]
    next_try_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str]


class WebhookDelivery(Base):
    """One try to tell a backend, and what came of it; the newest of each backend are kept."""

    __tablename__ = "webhook_delivery"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    backend_id: Mapped[int] = mapped_column(ForeignKey("backend.id"))
    etag: Mapped[str]
    attempt: Mapped[int]
    tried_at: Mapped[datetime]
    took_ms: Mapped[int]
    status: Mapped[int | None]
    outcome: Mapped[str]
    __table_args__ = (Index(None, "backend_id", "id"),)
