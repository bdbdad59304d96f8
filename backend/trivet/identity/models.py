"""People, their sessions, API keys, and the audit chain."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, LargeBinary, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base

ROLES = ("admin", "finance", "sre", "product_owner", "viewer")
SCOPES = ("ingest", "policy", "read", "finance", "admin")  # of keys; `finance` books, as a person of that role does
PLATFORM_WIDE = ("admin", "finance")  # of no key that is bound to one tenant


class User(Base):
    """A person. `role` is one of `ROLES`. Of one tenant, they see that tenant's rows alone.

    `password_hash` is empty for whoever signs in elsewhere; `provider_subject` is who they are there, once they came.
    """

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenant.id"))
    provider_subject: Mapped[str | None] = mapped_column(unique=True)
    link_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)  # of a one-time link to a new password
    link_expires_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]  # written once a minute at most


class WebSession(Base):
    """A token of a sign-in. The cookie holds it, the row only its hash.

    Tokens that followed each other share `family`, the CSRF token and the absolute end `expires_at`; one that was
    `replaced_at` ends seconds after the next one was first used (`last_seen_at`).
    """

    __tablename__ = "web_session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    csrf_token: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    family: Mapped[str] = mapped_column(server_default="")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime | None]
    rotates_at: Mapped[datetime] = mapped_column(server_default=func.now())
    replaced_at: Mapped[datetime | None]
    browser: Mapped[str] = mapped_column(server_default="")


class SignInTry(Base):
    """How often somebody tried lately, for all processes: `key` says from where, or at which account."""

    __tablename__ = "sign_in_try"

    key: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int]


class ApiKey(Base):
    """A machine's key. Bound to a tenant it decides the tenant of everything it sends."""

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    prefix: Mapped[str]
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenant.id"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # written once a minute at most
    revoked_by: Mapped[str | None]
    revoked_reason: Mapped[str | None]


class Audit(Base):
    """One change: who, what, before and after. Each row's hash covers the one before it; rows are never changed."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    reason: Mapped[str | None]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (
        Index(None, "subject", "at"),
        Index(None, "actor", "id"),
        Index(None, "action", "id"),
        Index(None, "at"),
    )


class AuditCheck(Base):
    """How far the chain was verified in the pass that runs now; one row. `whole_at`: when a pass last met the end."""

    __tablename__ = "audit_check"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    verified_id: Mapped[int] = mapped_column(BigInteger)
    verified_hash: Mapped[bytes] = mapped_column(LargeBinary)
    began_at: Mapped[datetime]
    verified_at: Mapped[datetime]
    whole_at: Mapped[datetime | None]
    broken_id: Mapped[int | None] = mapped_column(BigInteger)


class IdempotencyKey(Base):
    """The answer to a POST that named an `Idempotency-Key`: replayed for the same body, refused for another."""

    __tablename__ = "idempotency_key"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    actor: Mapped[str]
    key: Mapped[str]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    done: Mapped[bool]
    status: Mapped[int | None]
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("actor", "key"), Index(None, "created_at"))
