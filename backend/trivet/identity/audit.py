"""The audit chain: every change has a who and a before; each row's hash covers the one before it."""

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from trivet.identity.models import Audit
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.locks import Lock

START = b"\0" * 32


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Append one change in the caller's transaction. Call it last: it holds the chain's lock until commit."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.AUDIT})
    last = session.execute(select(Audit.id, Audit.hash).order_by(Audit.id.desc()).limit(1)).first()
    row_id, previous = (last.id + 1, last.hash) if last else (1, START)
    row = Audit(
        id=row_id, at=utc_now(), actor=actor, action=action, subject=subject,
        before=before, after=after, reason=reason, previous_hash=previous,
    )  # fmt: skip
    row.hash = row_hash(row)
    session.add(row)
    session.flush()


def row_hash(row: Audit) -> bytes:
    """SHA-256 over the previous hash and the row's canonical JSON."""
    content = [row.id, rfc3339(row.at), row.actor, row.action, row.subject, row.before, row.after, row.reason]
    text_ = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(row.previous_hash + text_.encode()).digest()


def first_broken(session: Session, batch: int = 1000) -> int | None:
    """Id of the first row that does not fit its chain; None where the whole chain verifies. Reads in batches."""
    previous, after = START, 0
    while rows := session.scalars(select(Audit).where(Audit.id > after).order_by(Audit.id).limit(batch)).all():
        for row in rows:
            if row.id != after + 1 or row.previous_hash != previous or row.hash != row_hash(row):
                return row.id
            previous, after = row.hash, row.id
        session.expunge_all()
    return None


def newest(session: Session) -> datetime | None:
    """When the last change was made."""
    return session.scalar(select(func.max(Audit.at)))
