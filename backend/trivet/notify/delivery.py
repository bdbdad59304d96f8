"""The rows on their way out: who is due, what a try changed, how long until the next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from trivet.notify import compose
from trivet.notify.models import Message, MessageAttachment
from trivet.notify.smtp import Fate

ATTEMPTS_MAX = 8
BACKOFF_S = (30, 120, 300, 900, 3600, 4 * 3600, 12 * 3600)  # after the first try, the second …: a day and a half in all
CLAIM = timedelta(minutes=10)  # longer than a task may run, so that no two processes send one message at a time
FRESH = timedelta(days=3)  # what waited longer for a channel is no news any more
FILES_KEPT = timedelta(days=30)
NO_CHANNEL = "No mail server is set: TRIVET_SMTP_HOST and TRIVET_SMTP_FROM."


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message this process may send until its claim runs out."""

    id: int
    attempts: int
    unserved: tuple[str, ...]
    mail: compose.Mail

    def made(self) -> EmailMessage:
        return compose.mail(self.mail)


def without_channel(session: Session, limit: int) -> int:
    """Say of messages that wait that there is no channel; how many."""
    waiting = select(Message.id).where(Message.state == "queued").order_by(Message.next_try_at).limit(limit)
    found = session.execute(
        update(Message)
        .where(Message.id.in_(waiting.with_for_update(skip_locked=True).scalar_subquery()))
        .values(state="no_channel", last_error=NO_CHANNEL)
    )
    return int(found.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result is a CursorResult


def claim(session: Session, sender: str, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` due messages, oldest first, passing over what another process holds.

    Those that waited for a channel go too, unless they are older than `FRESH`.
    """
    due = (
        select(Message)
        .where(Message.next_try_at <= now, Message.state.in_(("queued", "no_channel")))
        .where((Message.state == "queued") | (Message.created_at > now - FRESH))
        .order_by(Message.next_try_at, Message.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(due).all()
    for row in rows:
        row.state, row.attempts, row.next_try_at = "queued", row.attempts + 1, now + CLAIM
    return [_claimed(session, row, sender) for row in rows]


def _claimed(session: Session, row: Message, sender: str) -> Claimed:
    files = session.scalars(
        select(MessageAttachment).where(MessageAttachment.message_id == row.id).order_by(MessageAttachment.position)
    )
    sent_along = tuple(compose.Attachment(f.name, f.media_type, f.content) for f in files)
    made = compose.Mail(row.key, sender, tuple(row.to), row.subject, row.text, row.html, row.created_at, sent_along)
    return Claimed(row.id, row.attempts, tuple(row.unserved), made)


def settle(session: Session, claimed: Claimed, fate: Fate, now: datetime) -> None:
    """Keep what came of a try."""
    row = session.get(Message, claimed.id, with_for_update=True)
    if row is None or row.attempts != claimed.attempts:
        return  # the claim ran out and another process has it
    row.refused = row.refused | fate.never
    row.unserved = list(fate.later)
    said = {**fate.never, **fate.later}
    row.last_error = "; ".join(f"{one}: {words}" for one, words in said.items())[:1000]
    if fate.later and row.attempts < ATTEMPTS_MAX:
        row.next_try_at = now + timedelta(seconds=BACKOFF_S[row.attempts - 1])
    elif fate.later:
        row.state, row.last_error = "failed", f"Given up after {row.attempts} tries. {row.last_error}"
    else:
        served = set(row.to) - set(row.refused)
        row.state, row.sent_at = ("sent", now) if served else ("failed", None)


def slim(session: Session, now: datetime) -> int:
    """Delete the files of messages made before `FILES_KEPT`; how many files."""
    old = select(Message.id).where(Message.created_at < now - FILES_KEPT)
    gone = session.execute(delete(MessageAttachment).where(MessageAttachment.message_id.in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result is a CursorResult
