"""What is on its way to channels: put there with the decision, claimed, tried, settled; a lost one goes again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.notify.alert_models import Channel, Delivery
from trivet.notify.models import Message

ATTEMPTS_MAX = 8
BACKOFF_S = (5, 15, 60, 300, 900, 1800, 3600)  # after the first try, the second …: two hours in all
CLAIM = timedelta(minutes=5)  # longer than a task may run
KEPT = timedelta(days=30)
SAID_OF = timedelta(days=1)
SLIMMED_MAX = 10_000
ERROR_MAX = 500
LAST_WORD = "Given up after {} tries. {}"


@dataclass(frozen=True, slots=True)
class Claimed:
    """Something this process may send until its claim runs out. `key` is the same whenever it is sent."""

    id: int
    key: str
    attempts: int
    body: dict[str, Any]
    channel: str
    kind: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a try. `final`: there is no use in another. `handed`: the mail's own queue has it."""

    ok: bool
    words: str = ""
    final: bool = False
    handed: bool = False


def add(
    session: Session, key: str, channel: str, alert_ids: Sequence[int], *, body: dict[str, Any], now: datetime
) -> bool:
    """Put something on its way, once; False where the key was there, or the channel is not."""
    id_ = session.scalar(select(Channel.id).where(Channel.name == channel))
    if id_ is None:
        return False
    row = {
        "key": key, "channel_id": id_, "alert_ids": list(alert_ids), "body": body, "state": "queued", "attempts": 0,
        "next_try_at": now, "last_error": "", "created_at": now,
    }  # fmt: skip
    made = insert(Delivery).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(Delivery.id)
    return session.scalar(made) is not None


def claim(session: Session, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` that are due, passing over what another process holds.

    Channels take turns, each with its oldest first, so that none waits behind what another has waiting. Of one that failed
    last a single delivery goes, after all others: it knocks for the rest.
    """
    turn = func.row_number().over(partition_by=Delivery.channel_id, order_by=(Delivery.next_try_at, Delivery.id))
    waiting = (
        select(Delivery.id, turn.label("turn"), (Channel.failures > 0).label("fails"))
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Delivery.next_try_at <= now, Delivery.state == "queued")
        .subquery()
    )
    order = (waiting.c.fails, waiting.c.turn, waiting.c.id)
    first = select(waiting).where(~waiting.c.fails | (waiting.c.turn == 1)).order_by(*order).limit(limit).subquery()
    due = (
        select(Delivery, Channel)
        .join(Channel, Channel.id == Delivery.channel_id)
        .join(first, first.c.id == Delivery.id)
        .where(Delivery.next_try_at <= now, Delivery.state == "queued")
        .order_by(first.c.fails, first.c.turn, first.c.id)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    found = session.execute(due).all()
    for row, _ in found:
        row.attempts, row.next_try_at = row.attempts + 1, now + CLAIM
    return [Claimed(r.id, r.key, r.attempts, r.body, c.name, c.kind, c.sealed) for r, c in found]


def release(session: Session, claimed: Claimed, now: datetime) -> None:
    """Give back what was not tried, because its channel failed a moment ago."""
    row = session.get(Delivery, claimed.id, with_for_update=True)
    if row is not None and row.attempts == claimed.attempts and row.state == "queued":
        row.attempts, row.next_try_at = row.attempts - 1, now + timedelta(seconds=BACKOFF_S[0])


def settle(session: Session, claimed: Claimed, fate: Fate, now: datetime) -> Channel | None:
    """Keep what came of a try, on the delivery and on its channel; the channel, None where it is no longer there."""
    row = session.get(Delivery, claimed.id, with_for_update=True)
    if row is None or row.attempts != claimed.attempts or row.state != "queued":
        return None  # the claim ran out and another process has it
    row.last_error = fate.words[:ERROR_MAX].replace("\0", "")
    if fate.handed:
        row.state, row.next_try_at = "handed", now
        return None
    if fate.ok:
        row.state, row.sent_at, row.last_error = "sent", now, ""
    elif fate.final or row.attempts >= ATTEMPTS_MAX:
        row.state, row.last_error = "failed", LAST_WORD.format(row.attempts, row.last_error)[:ERROR_MAX]
    else:
        row.next_try_at = now + timedelta(seconds=BACKOFF_S[row.attempts - 1])
    return tell_channel(session, row.channel_id, row.last_error, now)


def tell_channel(session: Session, channel_id: int, error: str, now: datetime) -> Channel | None:
    """Note on the channel that something went well, or what went wrong."""
    channel = session.get(Channel, channel_id, with_for_update=True)
    if channel is not None and error:
        channel.failed_at, channel.failures, channel.last_error = now, channel.failures + 1, error
    elif channel is not None:
        channel.succeeded_at, channel.failures, channel.last_error = now, 0, ""
    return channel


def handed(session: Session, now: datetime, limit: int) -> list[tuple[Channel, bool]]:
    """Follow what the mail's own queue has; channels of which something new is known, and whether a message was lost."""
    query = (
        select(Delivery, Message)
        .join(Message, Message.key == Delivery.key)
        .where(
            Delivery.state == "handed", Delivery.next_try_at <= now, Message.state.in_(("sent", "failed", "no_channel"))
        )
        .order_by(Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    changed = []
    for row, message in session.execute(query).all():
        if message.state == "sent":
            row.state, row.sent_at, row.last_error = "sent", message.sent_at, ""
        elif message.state == "failed":
            row.state, row.last_error = "failed", message.last_error[:ERROR_MAX]
        elif row.last_error != message.last_error:  # no mail server yet: said once, looked at again
            row.last_error, row.next_try_at = message.last_error, now + timedelta(minutes=1)
        else:
            row.next_try_at = now + timedelta(minutes=1)
            continue
        channel = tell_channel(session, row.channel_id, row.last_error, now)
        changed += [(channel, row.state == "failed")] if channel is not None else []
    return changed


def not_there(session: Session, alert_ids: Sequence[int], now: datetime) -> dict[tuple[int, int], list[str]]:
    """Of each (alert, route) the channels that the last message of this day has not reached, each with why."""
    query = (
        select(Delivery.key, Delivery.alert_ids, Delivery.state, Delivery.last_error, Channel.name)
        .join(Channel, Channel.id == Delivery.channel_id)
        .where(Delivery.alert_ids.bool_op("&&")(list(alert_ids)), Delivery.created_at > now - SAID_OF)
        .where(Delivery.key.startswith("route:"))
        .order_by(Delivery.id)
    )
    newest: dict[tuple[int, int, str], str] = {}
    for key, about, state, error, channel in session.execute(query):
        late = f"{channel} {'never got it' if state == 'failed' else 'has not got it yet'}: {error}" if error else ""
        newest |= {(alert_id, int(key.split(":")[1]), channel): late for alert_id in about}
    found: dict[tuple[int, int], list[str]] = {}
    for (alert_id, route_id, _), late in newest.items():
        if late:
            found.setdefault((alert_id, route_id), []).append(late)
    return found


def slim(session: Session, now: datetime) -> int:
    """Delete what went, or failed, long ago; how many."""
    old = select(Delivery.id).where(Delivery.created_at < now - KEPT).limit(SLIMMED_MAX)
    gone = session.execute(delete(Delivery).where(Delivery.id.in_(old)))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result is a CursorResult
