"""Which alerts each Alertmanager is told of, and when it was told last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.kit.errors import TrivetError
from trivet.notify import alert_models as rows
from trivet.notify.alert import standing
from trivet.notify.channel import address, alertmanager, deliveries, failing
from trivet.notify.channel.alertmanager import AGAIN, ENDED_TOLD, Wanted
from trivet.notify.rules.route import Way, channels_for, every_channel, routes_for
from trivet.settings import Settings

TOLD_MAX = 5_000  # alerts of one push
OLDEST = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Push:
    """What one channel's replicas are to be told now. `urls` are their addresses, by the names that people see."""

    channel_id: int
    urls: dict[str, str]
    posts: tuple[dict[str, Any], ...]
    silences: tuple[Wanted, ...]


def due(session: Session, settings: Settings, base_url: str, now: datetime) -> list[Push]:
    """Alertmanagers that something new is to be told, or that were told a minute ago; those replicas alone."""
    channels = session.scalars(
        select(rows.Channel).where(rows.Channel.kind == "alertmanager").order_by(rows.Channel.id)
    ).all()
    if not channels:
        return []
    seen = standing.read(session, now)
    alerts = _alerts(session, now)
    silences = alertmanager.wanted(seen.quiets, seen.windows)
    changed = max([row.changed_at for row in alerts] + [_silences_changed(session)], default=None)
    found = []
    for channel in channels:
        urls = _urls(session, channel, settings, changed, now)
        if urls:
            posts = [
                post
                for row in alerts
                if _goes(row, channel.name, seen.ways, seen.there)
                for post in _posts(row, base_url, now)
            ]
            found.append(Push(channel.id, urls, tuple(posts), tuple(silences)))
    return found


def _urls(
    session: Session, channel: rows.Channel, settings: Settings, changed: datetime | None, now: datetime
) -> dict[str, str]:
    """Replicas to be told now, by name. A channel that may not be called any more fails, and the others are told all the same."""
    try:
        at = address.opened(channel.sealed, settings)
        address.still_allowed(channel.kind, at, settings)
    except TrivetError as refused:
        if channel.failed_at is None or now - channel.failed_at >= AGAIN / 4:
            deliveries.tell_channel(session, channel.id, refused.detail, now)
            failing.say(session, channel, lost=False, now=now)
        return {}
    names = address.replica_names(at["urls"])
    channel.state = {name: one for name, one in channel.state.items() if name in names.values()}
    return {name: url for url, name in names.items() if _is_due(channel.state.get(name, {}), changed, now)}


def told(push: Push, now: datetime) -> dict[str, str]:
    """Tell each replica; what went wrong by its name, '' where nothing did. No address is in the words."""
    at = {"urls": list(push.urls.values())}
    said = {name: alertmanager.push(url, push.posts, push.silences, now) for name, url in push.urls.items()}
    return {name: address.without_secrets(words, at) for name, words in said.items()}


def settle(session: Session, push: Push, errors: dict[str, str], now: datetime) -> None:
    """Keep when each replica was told; one that was not makes the channel fail."""
    channel = session.get(rows.Channel, push.channel_id, with_for_update=True)
    if channel is None:
        return
    state = dict(channel.state)
    for name, error in errors.items():
        before = state.get(name, {})
        told = before.get("told_at", OLDEST) if error else now.isoformat()
        state[name] = {"told_at": told, "tried_at": now.isoformat(), "error": error}
    channel.state = state
    wrong = "; ".join(f"{name}: {one['error']}" for name, one in state.items() if one.get("error"))
    deliveries.tell_channel(session, channel.id, wrong, now)
    failing.say(session, channel, lost=False, now=now)


def _alerts(session: Session, now: datetime) -> list[rows.Alert]:
    told = rows.Alert.ended_at.is_(None) | (rows.Alert.ended_at > now - ENDED_TOLD)
    # Where there are too many, what fires goes before what is over, the newest first.
    order = (rows.Alert.ended_at.is_not(None), rows.Alert.id.desc())
    return list(session.scalars(select(rows.Alert).where(told).order_by(*order).limit(TOLD_MAX)))


def _silences_changed(session: Session) -> datetime:
    last = session.scalar(select(rows.Silence.created_at).order_by(rows.Silence.created_at.desc()).limit(1))
    expired = (
        select(rows.Silence.ends_at).where(rows.Silence.expired_by.is_not(None)).order_by(rows.Silence.ends_at.desc())
    )
    ended = session.scalar(expired.limit(1))
    return max([at for at in (last, ended) if at is not None], default=datetime.fromisoformat(OLDEST))


def _is_due(state: dict[str, str], changed: datetime | None, now: datetime) -> bool:
    told = datetime.fromisoformat(state.get("told_at", OLDEST))
    tried = datetime.fromisoformat(state.get("tried_at", OLDEST))
    if tried > told:  # it failed: not more often than each quarter of a minute
        return now - tried >= AGAIN / 4
    return now - told >= AGAIN or (changed is not None and changed > told)


def _goes(row: rows.Alert, channel: str, ways: list[Way], there: dict[str, bool]) -> bool:
    labels = standing.labels_of(row)
    return any(channel in channels_for(labels, sorted(every_channel(way)), there) for way in routes_for(labels, ways))


def _posts(row: rows.Alert, base_url: str, now: datetime) -> list[dict[str, Any]]:
    """The alert; and, where its severity changed a moment ago, the end of what it was there before: there labels are identity."""
    labels = standing.labels_of(row)
    posts = [alertmanager.post_of(labels, row.annotations, row.started_at, row.ended_at, base_url=base_url, now=now)]
    if row.severity_before and row.severity_since > now - ENDED_TOLD:
        before = labels | {"severity": row.severity_before}
        posts.append(
            alertmanager.post_of(
                before, row.annotations, row.started_at, row.severity_since, base_url=base_url, now=now
            )
        )
    return posts
