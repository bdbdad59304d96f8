"""Deliver what waits. Each message is claimed in one transaction, sent in none, and its fate kept in another.

A process killed in between leaves the claim: the message is tried again when it has run out, under the same Message-ID.
"""

import smtplib
from datetime import datetime

from celery import shared_task

from trivet import db
from trivet.kit.clock import utc_now
from trivet.notify import alert_tasks, delivery, digest, smtp
from trivet.settings import Settings, get_settings

ROUND = 50  # messages of one run; the next run takes the next ones
SCHEDULE = {"notify.deliver": (5.0, "work"), "notify.slim": (6 * 3600.0, "work")} | alert_tasks.SCHEDULE


@shared_task(name="notify.deliver")
def deliver() -> int:
    """Send what is due, at most `ROUND`; how many were tried."""
    settings = get_settings()
    with db.transaction() as session:
        digest.join(session, alert_tasks.public_url(), utc_now())
    if not (settings.smtp_host and settings.smtp_from):
        with db.transaction() as session:
            delivery.without_channel(session, ROUND)
        return 0
    with db.transaction() as session:
        claimed = delivery.claim(session, settings.smtp_from, utc_now(), ROUND)
    if not claimed:
        return 0
    try:
        with smtp.connected(settings) as server:
            for one in claimed:
                _try(server, settings, one)
    except smtp.Away as away:
        _put_off(claimed, str(away), utc_now())
    return len(claimed)


@shared_task(name="notify.slim")
def slim() -> int:
    """Drop the files of messages that went long ago, the messages stay; and what channels were sent."""
    with db.transaction() as session:
        return delivery.slim(session, utc_now()) + alert_tasks.slim(session)


def _try(server: smtplib.SMTP, settings: Settings, one: delivery.Claimed) -> None:
    fate = smtp.send(server, settings.smtp_from, list(one.unserved), one.made())
    with db.transaction() as session:
        delivery.settle(session, one, fate, utc_now())


def _put_off(claimed: list[delivery.Claimed], why: str, now: datetime) -> None:
    with db.transaction() as session:
        for one in claimed:
            delivery.settle(session, one, smtp.Fate(later=dict.fromkeys(one.unserved, why)), now)
