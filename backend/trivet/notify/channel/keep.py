"""Channels as people make them: their address is sealed at once, and never shown whole again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.ids import new_token
from trivet.notify import alerts
from trivet.notify.alert.standing import CHANNELS_MAX
from trivet.notify.alert_models import Channel, Route
from trivet.notify.channel import address, deliveries, failing
from trivet.notify.channel.address import Given
from trivet.settings import Settings


@dataclass(frozen=True, slots=True)
class Made:
    """A new channel; `secret` signs a webhook's messages and is told this once."""

    channel: Channel
    secret: str


def create(
    session: Session, *, name: str, kind: str, given: Given, settings: Settings, actor: str, now: datetime
) -> Made:
    """Make a channel. `Invalid` names what it cannot be, `Conflict` that the name is taken."""
    if (session.scalar(select(func.count()).select_from(Channel)) or 0) >= CHANNELS_MAX:
        raise Conflict(f"There are {CHANNELS_MAX} channels, the most there can be: delete one first.")
    if session.scalar(select(Channel.id).where(Channel.name == name)) is not None:
        raise Conflict(f"There is a channel {name!r} already. Delete it first, or choose another name.")
    at = address.checked(kind, given, settings)
    row = Channel(
        name=name, kind=kind, sealed=address.sealed(at, settings), shown=address.shown(kind, at), created_at=now,
        created_by=actor, failures=0, last_error="", state={},
    )  # fmt: skip
    session.add(row)
    session.flush()
    alerts.resolve(session, alerts.key_of(failing.labels_of(name)), now)
    after = {"kind": kind, "shown": row.shown}
    audit.record(session, actor=actor, action="channel.create", subject=f"channel:{name}", after=after)
    return Made(row, at.get("secret", ""))


def remove(session: Session, name: str, *, actor: str, now: datetime) -> None:
    """Delete a channel and what waits for it. `Conflict` while a route names it."""
    row = named(session, name)
    users = [route.name for route in session.scalars(select(Route)) if name in _channels_of(route)]
    if users:
        raise Conflict(f"Route {', '.join(users)} tells channel {name!r}: change that first.")
    session.delete(row)
    session.flush()
    alerts.resolve(session, alerts.key_of(failing.labels_of(name)), now)
    before = {"kind": row.kind, "shown": row.shown}
    audit.record(session, actor=actor, action="channel.delete", subject=f"channel:{name}", before=before)


def test(session: Session, name: str, *, actor: str, now: datetime) -> str:
    """Send a message that shows whether the channel works; the delivery's key."""
    row = named(session, name)
    if row.kind == "alertmanager":
        raise Invalid("An Alertmanager is told what is so each minute: see `told_at` and `last_error` of the channel.")
    key = f"test:{new_token()}"
    text = f"{actor} asked Trivet at {rfc3339(now)} whether channel {name} works. It does."
    body = {
        "subject": f"Trivet: channel {name} works",
        "text": text,
        "type": "info",
        "status": "test",
        "at": rfc3339(now),
    }
    deliveries.add(session, key, name, [], body=body, now=now)
    outbox.send(session, "notify.send_alerts")
    audit.record(session, actor=actor, action="channel.test", subject=f"channel:{name}")
    return key


def named(session: Session, name: str) -> Channel:
    """The channel, or `NotFound`."""
    row = session.scalar(select(Channel).where(Channel.name == name)) if "\0" not in name else None
    if row is None:
        raise NotFound(f"There is no channel {name!r}. GET /api/v1/channels lists them.")
    return row


def check_all_there(session: Session, names: Sequence[str], *, field: str) -> None:
    """`Invalid` unless every one of these channels is there."""
    known = set(session.scalars(select(Channel.name).where(Channel.name.in_(names))))
    if lacking := [name for name in names if name not in known]:
        raise Invalid(f"There is no channel {lacking[0]!r}: make it first, POST /api/v1/channels.", field=field)


def _channels_of(route: Route) -> set[str]:
    return set(route.channels).union(*(step["channels"] for step in route.steps))
