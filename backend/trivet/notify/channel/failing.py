"""A channel that fails is itself an alert: told by the others, shown, and over with its next success."""

from datetime import datetime

from sqlalchemy.orm import Session

from trivet.notify import alerts
from trivet.notify.alert.standing import WORKS_UP_TO
from trivet.notify.alert_models import Channel
from trivet.notify.alerts import Alert

NAME = "TrivetChannelFails"


def labels_of(channel: str) -> dict[str, str]:
    return {"alertname": NAME, "kind": "channel", "channel": channel}


def say(session: Session, channel: Channel | None, *, lost: bool, now: datetime) -> None:
    """Fire once a channel failed `WORKS_UP_TO` times in a row or lost a message, resolve once it works."""
    if channel is None:
        return
    if not channel.failures:
        alerts.resolve(session, alerts.key_of(labels_of(channel.name)), now)
    elif lost or channel.kind == "mail" or channel.failures >= WORKS_UP_TO:  # mail's own queue has tried for long
        done = "a message was lost" if lost else "what waits is tried again, ever more slowly, for two hours"
        why = f"channel {channel.name} ({channel.kind}) fails: {channel.last_error}"
        alerts.fire(session, Alert(labels_of(channel.name), "ticket", why, done, path="/alerts#channels"), now)


def missing(session: Session, channel: str, why: str, now: datetime) -> None:
    """Somebody counts on a channel that is not there."""
    done = "nothing was called: make that channel, or change the card"
    alerts.fire(session, Alert(labels_of(channel), "ticket", why, done, path="/alerts#channels"), now)
