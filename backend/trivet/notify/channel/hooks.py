"""A guard's own webhook: called when its breach opens and when it closes, so that a team can retrain or reload."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.kit.clock import rfc3339
from trivet.notify.alert.breaches import Told
from trivet.notify.alert_models import Channel
from trivet.notify.channel import deliveries, failing


def call(session: Session, told: Told, base_url: str, now: datetime) -> int:
    """Put the calls of a breach on their way, each once; how many that made. A shadow calls nothing."""
    breach, guard = told.breach, told.guard
    if guard is None or not guard.webhook or guard.shadow or breach.shadow:
        return 0
    if session.scalar(select(Channel.kind).where(Channel.name == guard.webhook)) != "webhook":
        why = f"guard {guard.name} of {told.scenario} calls channel {guard.webhook!r}, which is no webhook there is"
        failing.missing(session, guard.webhook, why, now)
        return 0
    occasions = [("opened", breach.opened_at)]
    if breach.closed_at is not None:
        occasions.append(("closed", breach.closed_at))
    made = 0
    for word, at in occasions:
        body = {"event": f"breach.{word}", "at": rfc3339(at), "data": _data(told, word, base_url)}
        made += deliveries.add(session, f"breach:{breach.id}:{word}", guard.webhook, [], body=body, now=now)
    if made:
        outbox.send(session, "notify.send_alerts")
    return made


def _data(told: Told, word: str, base_url: str) -> dict[str, Any]:
    breach, guard = told.breach, told.guard
    assert guard is not None
    return {
        "breach": breach.id, "scenario": told.scenario, "guard": guard.name, "metric": guard.metric,
        "revision": breach.revision, "value": breach.value, "threshold": breach.threshold, "sample": breach.sample,
        "reason": breach.closed_reason if word == "closed" else breach.reason, "opened_at": rfc3339(breach.opened_at),
        "closed_at": rfc3339(breach.closed_at) if breach.closed_at and word == "closed" else None,
        "link": f"{base_url}/breaches/{breach.id}",
    }  # fmt: skip
