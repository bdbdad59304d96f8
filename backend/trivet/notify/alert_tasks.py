"""Alerts by the clock and by hand-off: kept, judged, sent. Each may run twice, or be killed anywhere: what is told is told once.

A delivery is claimed in one transaction, sent in none, settled in another; a process killed in between leaves a claim that
runs out, and the same delivery goes again under its id.
"""

from datetime import timedelta

from celery import shared_task
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.kit.clock import utc_now
from trivet.notify import alerts
from trivet.notify.alert import breaches, judge, ladders
from trivet.notify.alert_models import Alert
from trivet.notify.channel import deliveries, failing, hooks, replicas, send
from trivet.settings import get_settings

ROUND = 20  # deliveries of one run, each of at most ten seconds; the next run takes the next ones
FORGOTTEN_MAX = 10_000
SCHEDULE = {
    "notify.alerts": (5.0, "control"),
    "notify.send_alerts": (5.0, "work"),
    "notify.alertmanager": (5.0, "work"),
    "notify.missed": (30.0, "control"),
}


def public_url() -> str:
    """Where people reach Trivet: what links in messages begin with."""
    settings = get_settings()
    return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")


@shared_task(name="notify.breach")
def breach(breach_id: int) -> int:
    """A breach opened or closed: keep its alert, call its webhook, and decide at once."""
    with db.transaction() as session:
        _breach(session, breach_id)
    return decide_now()


@shared_task(name="notify.ladder_frozen")
def ladder_frozen(scenario_id: int) -> int:
    """A ladder froze, or may move again."""
    with db.transaction() as session:
        ladders.keep(session, scenario_id, utc_now())
    return decide_now()


@shared_task(name="notify.missed")
def missed() -> int:
    """Breaches and ladders whose note was lost; how many."""
    now = utc_now()
    with db.transaction() as session:
        ids, scenarios = breaches.missed(session, now), ladders.missed(session)
    for breach_id in ids:
        with db.transaction() as session:
            _breach(session, breach_id)
    for scenario_id in scenarios:
        with db.transaction() as session:
            ladders.keep(session, scenario_id, now)
    return len(ids) + len(scenarios)


def _breach(session: Session, breach_id: int) -> None:
    now = utc_now()
    told = breaches.keep(session, breach_id, now)
    if told is not None:
        hooks.call(session, told, public_url(), now)


@shared_task(name="notify.alerts")
def judge_alerts() -> int:
    """Decide what is told of every alert; how many deliveries that made."""
    return decide_now()


def decide_now() -> int:
    """The same, for tasks that changed an alert and want it told at once."""
    now = utc_now()
    with db.transaction() as session:
        alerts.end_those_due(session, now)
        breaches.follow_commands(session)
        return judge.judge(session, public_url(), now)


@shared_task(name="notify.send_alerts")
def send_alerts() -> int:
    """Try what is due, at most `ROUND`; how many were tried. What a channel that just failed would get waits for its next try."""
    settings = get_settings()
    with db.transaction() as session:
        claimed = deliveries.claim(session, utc_now(), ROUND)
        for channel, lost in deliveries.handed(session, utc_now(), ROUND):
            failing.say(session, channel, lost=lost, now=utc_now())
    failed: set[str] = set()
    for one in claimed:
        if one.channel in failed:
            with db.transaction() as session:
                deliveries.release(session, one, utc_now())
            continue
        fate = send.attempt(one, settings, utc_now())
        failed |= set() if fate.ok else {one.channel}
        with db.transaction() as session:
            lost = fate.final or one.attempts >= deliveries.ATTEMPTS_MAX
            failing.say(session, deliveries.settle(session, one, fate, utc_now()), lost=lost, now=utc_now())
    return len(claimed)


@shared_task(name="notify.alertmanager")
def tell_alertmanagers() -> int:
    """Tell each Alertmanager what is so, where something is new or a minute has gone; how many replicas were told."""
    settings, now = get_settings(), utc_now()
    with db.transaction() as session:
        pushes = replicas.due(session, settings, public_url(), now)
    for push in pushes:
        errors = replicas.told(push, now)
        with db.transaction() as session:
            replicas.settle(session, push, errors, now)
    return sum(len(push.urls) for push in pushes)


def slim(session: Session) -> int:
    """Forget deliveries and alerts of long ago; how many."""
    now = utc_now()
    ended = now - timedelta(days=get_settings().alerts_kept_days)
    old = select(Alert.id).where(Alert.ended_at < ended, Alert.settled).limit(FORGOTTEN_MAX)
    gone = session.execute(delete(Alert).where(Alert.id.in_(old)))
    return deliveries.slim(session, now) + int(gone.rowcount)  # type: ignore[attr-defined]  # of a DELETE
