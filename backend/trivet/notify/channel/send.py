"""One try of one delivery, by the kind of its channel. Nothing is redirected, nothing lasts longer than `TIMEOUT_S`, and what
went wrong is said without the address.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
from celery.exceptions import SoftTimeLimitExceeded

from trivet import db
from trivet.kit.clock import rfc3339
from trivet.kit.errors import TrivetError
from trivet.kit.webhook import sign
from trivet.notify import service
from trivet.notify.channel import address, library
from trivet.notify.channel.bounded import TIMEOUT_S, ask
from trivet.notify.channel.deliveries import Claimed, Fate
from trivet.settings import Settings

ANSWER_MAX = 200
GONE = 410  # by Standard Webhooks: the receiver wants no more
# Services that join what is said of one thing, by the attribute of Apprise's service that names it.
DEDUP = {"NotifyPagerDuty": "dedup", "NotifyOpsgenie": "alias"}


def attempt(claimed: Claimed, settings: Settings, now: datetime) -> Fate:
    """Try once; whatever goes wrong is a fate with words, never an exception."""
    try:
        at = address.opened(claimed.sealed, settings)
        address.still_allowed(claimed.kind, at, settings)
    except TrivetError as refused:
        return Fate(False, refused.detail)
    try:
        fate = SENDERS[claimed.kind](claimed, at, now)
        return replace(fate, words=address.without_secrets(fate.words, at))
    except SoftTimeLimitExceeded:  # the worker's own: nothing more is tried in this run
        raise
    except Exception as bad:  # a service's own library may raise anything; its words may hold no address
        return Fate(False, f"{type(bad).__name__} while sending")


def _mail(claimed: Claimed, at: Mapping[str, Any], now: datetime) -> Fate:
    body = claimed.body
    with db.transaction() as session:
        service.enqueue(
            session, key=claimed.key, to=at["to"], subject=body["subject"], text=body["text"], html=body.get("html", ""),
            now=now,
        )  # fmt: skip
    return Fate(True, handed=True)


def _webhook(claimed: Claimed, at: Mapping[str, Any], now: datetime) -> Fate:
    """Standard Webhooks: the id is the delivery's own, so a receiver that takes each id once acts once."""
    content = json.dumps(event(claimed, now), ensure_ascii=False, separators=(",", ":")).encode()
    headers = sign(at["secret"], f"msg_{claimed.id}", now, content) | {"content-type": "application/json"}
    try:
        answer = ask("POST", at["url"], content=content, headers=headers)
    except httpx.HTTPError as failed:
        return Fate(False, f"{type(failed).__name__}: {str(failed)[:ANSWER_MAX]}")
    if answer.ok:
        return Fate(True)
    said = answer.words(ANSWER_MAX)
    return Fate(False, f"answered {answer.status}{': ' + said if said else ''}", final=answer.status == GONE)


def event(claimed: Claimed, now: datetime) -> dict[str, Any]:
    """What a webhook is sent: the kind of event, when, and the data."""
    body = claimed.body
    if "event" in body:
        return {"type": body["event"], "timestamp": body["at"], "data": body["data"]}
    data = {name: body[name] for name in ("subject", "status", "text", "alerts") if name in body}
    return {"type": "alerts." + body.get("status", "test"), "timestamp": body.get("at", rfc3339(now)), "data": data}


def _apprise(claimed: Claimed, at: Mapping[str, Any], _: datetime) -> Fate:
    apprise, one = library.loaded(), library.instance(at["url"])
    one.socket_connect_timeout = one.socket_read_timeout = TIMEOUT_S
    if (attribute := DEDUP.get(type(one).__name__)) and "dedup" in claimed.body:
        setattr(one, attribute, claimed.body["dedup"])
    sender = apprise.Apprise()
    sender.add(one)
    with apprise.LogCapture(level=logging.WARNING) as said:
        result = sender.notify(
            body=claimed.body["text"], title=claimed.body["subject"], notify_type=claimed.body.get("type", "info"),
            body_format="text", timeout=TIMEOUT_S,
        )  # fmt: skip
        words = said.getvalue() if said else ""
    if result:
        return Fate(True)
    return Fate(False, f"{getattr(result.status, 'name', result.status)}: {_last_line(words)}")


def _last_line(words: str) -> str:
    lines = [line for line in words.splitlines() if line.strip()]
    return lines[-1].partition(" - ")[2][-ANSWER_MAX:] if lines else "the service took nothing"


SENDERS = {"mail": _mail, "webhook": _webhook, "apprise": _apprise}
