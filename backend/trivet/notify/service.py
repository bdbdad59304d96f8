"""Say something to people, once: a row in the caller's transaction, delivered after it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.ids import new_token
from trivet.notify import compose
from trivet.notify.compose import Attachment
from trivet.notify.models import Message, MessageAttachment

__all__ = ["Attachment", "enqueue", "enqueue_test"]


def enqueue(
    session: Session,
    *,
    key: str,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str = "",
    attachments: Sequence[Attachment] = (),
    topic: str = "",
    now: datetime,
) -> bool:
    """Keep a message for delivery in this transaction; False where this key was enqueued before.

    `key` names the occasion (`budget:7:2026-11:80`), so that it is told of once. `Invalid` for what is no address, too many of
    them, or attachments past the limits of `compose`; a subject is made one line. Of messages of one `topic` a reader gets
    one an hour, which lists them (see `digest`); without a topic each goes by itself.
    """
    unserved, sent_along = compose.addresses(to), compose.files(attachments)
    row = {
        "key": key, "to": unserved, "subject": compose.one_line(subject), "text": compose.body(text),
        "html": compose.body(html), "state": "queued", "attempts": 0, "next_try_at": now, "last_error": "",
        "unserved": unserved, "refused": {}, "created_at": now, "topic": topic,
    }  # fmt: skip
    made = session.scalar(
        insert(Message).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(Message.id)
    )
    if made is None:
        return False
    session.add_all(
        MessageAttachment(message_id=made, position=i, name=f.name, media_type=f.media_type, content=f.content)
        for i, f in enumerate(sent_along)
    )
    session.flush()
    return True


def enqueue_test(session: Session, *, to: Sequence[str], actor: str, now: datetime) -> str:
    """A message that shows whether mail arrives; its key."""
    key = f"test:{new_token()}"
    enqueue(
        session, key=key, to=to, subject="Trivet: mail works",
        text=f"{actor} asked Trivet at {rfc3339(now)} whether its mail arrives. It does.\n", now=now,
    )  # fmt: skip
    audit.record(session, actor=actor, action="message.test", subject=f"message:{key}", after={"to": list(to)})
    return key
