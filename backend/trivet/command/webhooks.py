"""Telling backends that cannot poll: a signed message with the whole document, whenever theirs has changed.

Level-triggered, so no queue grows: only the newest document is sent, and one that changes while it is tried again takes its
place. An answer that names the document's ETag proves that the backend holds it, as a poll with it would. What was proven is
sent again before a minute is over: so the backend counts as present, and its document's time limit moves on.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.command import polls
from trivet.command.models import BackendWebhook, WebhookDelivery
from trivet.fleet.models import Backend
from trivet.identity import audit
from trivet.kit import outward, sealed, webhook
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.settings import get_settings

PURPOSE: Final = "backend webhooks"
WEBHOOKS_MAX: Final = 500
ATTEMPTS_MAX: Final = 8
BACK_OFF_S: Final = (1, 2, 5, 15, 30, 60, 120)  # after the first try, the second …
FAILED_AGAIN_S: Final = 300  # a backend that comes back converges without anybody's doing
AGAIN_S: Final = 40  # what is proven is sent again after this
CLAIM: Final = timedelta(seconds=30)  # longer than a try may take, so that one process tries at a time
LOG_KEPT: Final = 100  # tries of one backend
TYPE, TEST_TYPE = "policy.changed", "policy.test"


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out in one try."""

    backend_id: int
    url: str
    secret: str
    id: str
    etag: str
    attempt: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Came:
    """What came back: a status (None where nothing did), the ETag that the answer named, and what went wrong in words."""

    status: int | None
    etag: str | None
    problem: str
    took_ms: int

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def put(session: Session, *, backend: str, url: str, secret: str | None, actor: str, now: datetime) -> tuple[str, bool]:
    """Register where a backend is told; its secret, and whether it was made here (it is then shown, once)."""
    settings = get_settings()
    outward.callable_url(url, settings.outward_hosts)
    chosen = secret or webhook.new_secret()
    try:
        webhook.key_of(chosen)
    except webhook.BadSecret as bad:
        raise Invalid(str(bad), field="secret") from None
    backend_id = id_of(session, backend)
    before = session.get(BackendWebhook, backend_id)
    if before is None and (session.scalar(select(func.count()).select_from(BackendWebhook)) or 0) >= WEBHOOKS_MAX:
        raise Conflict(f"{WEBHOOKS_MAX} backends have a webhook: remove one first, or let this one poll.")
    values = {
        "url": url,
        "sealed": sealed.seal(settings.secret_key.get_secret_value(), PURPOSE, chosen),
        "created_at": now,
        "created_by": actor,
        "state": "waiting",
        "etag": None,
        "told_etag": None,
        "began_at": None,
        "attempts": 0,
        "next_try_at": now,
        "delivered_at": None,
        "last_error": "",
    }
    was = {"url": before.url} if before else None
    statement = insert(BackendWebhook).values(backend_id=backend_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["backend_id"], set_=values))
    audit.record(
        session, actor=actor, action="backend.webhook", subject=f"backend:{backend}", before=was, after={"url": url}
    )
    outbox.send(session, "command.call_webhook", backend_id)
    return chosen, secret is None


def remove(session: Session, *, backend: str, actor: str) -> None:
    row = row_of(session, backend)
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.backend_id == row.backend_id))
    session.delete(row)
    audit.record(
        session, actor=actor, action="backend.webhook_removed", subject=f"backend:{backend}", before={"url": row.url}
    )


def row_of(session: Session, backend: str) -> BackendWebhook:
    row = session.get(BackendWebhook, id_of(session, backend))
    if row is None:
        raise NotFound(f"{backend!r} has no webhook: PUT one with its url.")
    return row


def id_of(session: Session, backend: str) -> int:
    found = session.scalar(select(Backend.id).where(Backend.name == backend))
    if found is None:
        raise NotFound(f"There is no backend {backend!r}: register it first with POST /api/v1/backends.")
    return found


def due(session: Session, now: datetime) -> list[int]:
    """Backends to be told now: a try is due, or their document is another than the one that was sent."""
    rows = session.execute(
        select(BackendWebhook.backend_id, BackendWebhook.told_etag, BackendWebhook.next_try_at, Backend.name)
        .join(Backend, Backend.id == BackendWebhook.backend_id)
        .order_by(BackendWebhook.backend_id)
    ).all()
    return [
        id_ for id_, told, next_try_at, name in rows if next_try_at <= now or polls.standing(session, name)[0] != told
    ]


def claim(session: Session, backend_id: int, now: datetime) -> Message | None:
    """The message to send now, ours alone until the claim runs out; None where there is none or another process has it."""
    row = session.get(BackendWebhook, backend_id, with_for_update={"skip_locked": True}, populate_existing=True)
    name = session.scalar(select(Backend.name).where(Backend.id == backend_id))
    if row is None or name is None:
        return None
    answer = polls.should_hold(session, name, now)
    changed = answer.etag != row.told_etag
    if not changed and row.next_try_at > now:
        return None
    if changed or row.state == "delivered" or row.began_at is None:
        row.began_at, row.attempts = now, 0
    if changed:
        row.state = "waiting"
    row.told_etag, row.attempts, row.next_try_at = answer.etag, row.attempts + 1, now + CLAIM
    said = {
        "type": TYPE,
        "timestamp": rfc3339(now),
        "data": {"backend": name, "etag": answer.etag, "policy": answer.document(now)},
    }
    stamp = int(row.began_at.timestamp() * 1000)
    return _message(row, f"policy-{backend_id}-{answer.etag.strip(chr(34))[:12]}-{stamp}", said)


def test_message(row: BackendWebhook, backend: str, now: datetime) -> Message:
    """A message that shows whether the address answers and its secret fits; it carries no policy."""
    said = {"type": TEST_TYPE, "timestamp": rfc3339(now), "data": {"backend": backend}}
    return _message(row, f"test-{row.backend_id}-{int(now.timestamp() * 1000)}", said)


def _message(row: BackendWebhook, id_: str, said: dict[str, Any]) -> Message:
    secret = sealed.unseal(get_settings().secret_key.get_secret_value(), PURPOSE, row.sealed)
    return Message(row.backend_id, row.url, secret, id_, row.told_etag or "", row.attempts, json.dumps(said).encode())


def settle(session: Session, message: Message, came: Came, now: datetime) -> str | None:
    """Keep what came of a try, and what it proves; the state. None where the message is no longer the newest."""
    log(session, message, came, now)
    row = session.get(BackendWebhook, message.backend_id, with_for_update=True, populate_existing=True)
    if row is None:
        return None
    proven = came.taken and came.etag == message.etag
    if proven:
        polls.held(session, message.backend_id, message.etag, now)
        row.etag = message.etag
    if (row.told_etag, row.attempts) != (message.etag, message.attempt):
        return None  # a newer document took its place, or the claim ran out and another process tries
    row.last_error = came.problem
    if came.taken:
        row.delivered_at, row.next_try_at = now, now + timedelta(seconds=AGAIN_S)
        row.state = "delivered" if proven else "unproven"
        row.began_at = None
    elif row.attempts < ATTEMPTS_MAX:
        row.next_try_at = now + timedelta(seconds=BACK_OFF_S[row.attempts - 1])
    else:
        row.state, row.next_try_at = "failed", now + timedelta(seconds=FAILED_AGAIN_S)
        row.attempts = ATTEMPTS_MAX - 1  # from now on one try at a time
    return row.state


def log(session: Session, message: Message, came: Came, now: datetime) -> None:
    """One line for each try; the newest are kept."""
    session.add(
        WebhookDelivery(
            backend_id=message.backend_id, etag=message.etag, attempt=message.attempt, tried_at=now,
            took_ms=came.took_ms, status=came.status, outcome=outcome(message, came),
        )
    )  # fmt: skip
    session.flush()
    kept = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.backend_id == message.backend_id)
        .order_by(WebhookDelivery.id.desc())
        .offset(LOG_KEPT)
    )
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(kept)))


def outcome(message: Message, came: Came) -> str:
    """What came of a try, in words."""
    if not came.taken:
        return came.problem
    if came.etag == message.etag and message.etag:
        return "Taken; the answer names the ETag, which proves that it is held."
    return "Taken; the answer names no ETag of this document, so it proves nothing."
