"""News of one topic to one reader, joined: at most one message an hour, with the list of what there is to tell.

A single message to somebody who heard nothing of its topic for an hour goes as it is. Where several wait, or the last went
a moment ago, they become one that lists them: a thousand tenants past their budget in one refresh are one mail.
"""

import hashlib
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from trivet.notify import service
from trivet.notify.alert.words import environment
from trivet.notify.models import Message

EVERY = timedelta(hours=1)
JOINED_MAX = 5_000  # messages looked at in one run, oldest first
LISTED_MAX = 200  # of one digest; the rest is counted
LINE_MAX = 200


def join(session: Session, base_url: str, now: datetime) -> int:
    """Join what waits of each topic, for each reader; how many digests that made."""
    waiting = _waiting(session, now)
    if not waiting:
        return 0
    pending: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for message in waiting:
        for address in message.unserved:
            pending[message.topic, address].append(message)
    heard = _heard(session, now)
    single = {message.id for message in waiting if all(_alone(message, a, pending, heard) for a in message.unserved)}
    made = 0
    for (topic, address), messages in sorted(pending.items()):
        rest = [message for message in messages if message.id not in single]
        if rest and (topic, address) not in heard:
            made += _digest(session, topic, address, rest, base_url=base_url, now=now)
    for message in waiting:
        if message.id not in single:
            _leave(message, heard, now)
    return made


def _waiting(session: Session, now: datetime) -> list[Message]:
    """Not yet tried, and due. Locked, so that two processes join nothing twice."""
    query = (
        select(Message)
        .where(Message.topic != "", Message.state.in_(("queued", "no_channel")), Message.attempts == 0)
        .where(Message.next_try_at <= now, ~Message.key.startswith("digest:"))
        .order_by(Message.id)
        .limit(JOINED_MAX)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def _heard(session: Session, now: datetime) -> dict[tuple[str, str], datetime]:
    """Who was, or is being, told something of a topic within the hour: until when they are left in peace."""
    at = func.coalesce(Message.sent_at, Message.created_at)
    query = (
        select(Message.topic, Message.to, at)
        .where(Message.topic != "", Message.created_at > now - 2 * EVERY, at > now - EVERY)
        .where(or_(Message.state == "sent", Message.attempts > 0, Message.key.startswith("digest:")))
        .order_by(at)
    )
    return {(topic, reader): told + EVERY for topic, to, told in session.execute(query) for reader in to}


def _alone(
    message: Message,
    address: str,
    pending: dict[tuple[str, str], list[Message]],
    heard: dict[tuple[str, str], datetime],
) -> bool:
    key = (message.topic, address)
    return key not in heard and len(pending[key]) == 1


def _digest(
    session: Session, topic: str, address: str, messages: list[Message], *, base_url: str, now: datetime
) -> bool:
    """One message in the place of these, for this reader."""
    reader = hashlib.sha256(address.encode()).hexdigest()[:16]
    for message in messages:
        message.unserved = [each for each in message.unserved if each != address]
    subject, text = _words(topic, messages, base_url)
    key = f"digest:{topic}:{reader}:{messages[-1].id}"
    return service.enqueue(session, key=key, to=[address], subject=subject, text=text, topic=topic, now=now)


def _words(topic: str, messages: list[Message], base_url: str) -> tuple[str, str]:
    """Subject and text: one alone says what it said, several are listed by their first lines."""
    if len(messages) == 1:
        return messages[0].subject, messages[0].text
    shown = messages[:LISTED_MAX]
    given: dict[str, Any] = {
        "count": len(messages), "topic": topic, "since": f"{messages[0].created_at:%Y-%m-%d %H:%M} UTC",
        "items": [{"subject": each.subject, "text": each.text.strip().partition("\n")[0][:LINE_MAX]} for each in shown],
        "more": len(messages) - len(shown), "all": f"{base_url}/{topic}",
    }  # fmt: skip
    subject = f"{len(messages)} messages about {topic}: {messages[0].subject}"
    return subject, environment().get_template("digest.txt.j2").render(given)


def _leave(message: Message, heard: dict[tuple[str, str], datetime], now: datetime) -> None:
    """What is in digests is over; whoever was told a moment ago waits."""
    if not message.unserved:
        message.state = "digested"
        return
    until = [heard[key] for address in message.unserved if (key := (message.topic, address)) in heard]
    message.next_try_at = max(min(until), now + timedelta(seconds=1))
