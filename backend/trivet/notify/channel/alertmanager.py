"""An Alertmanager is told what is so: each replica, each minute and at once when something changed.

It keeps nothing durable, so what fires is told again with an end that lies ahead, and what ended is told for five minutes
more. Labels are the identity and never change; numbers and words are annotations. Silences and maintenance windows of ours
are made there too, and expired there when they end here: each is found again by the mark in its comment.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from trivet.kit.clock import rfc3339
from trivet.notify.channel.bounded import Said, ask
from trivet.notify.rules.decide import Quiet
from trivet.notify.rules.matchers import known
from trivet.notify.rules.windows import Window

AGAIN = timedelta(seconds=60)
AHEAD = timedelta(minutes=4)
ENDED_TOLD = timedelta(minutes=5)
BATCH = 200
SILENCES_MAX = 1_000
MARK = re.compile(r"\[trivet ([a-z]+ [^\]]+)\]$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence as it should be there. `mark` is what it is found by."""

    mark: str
    matchers: tuple[str, ...]
    until: datetime
    by: str
    why: str


def post_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], started_at: datetime, ends_at: datetime | None, *,
    base_url: str, now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """One alert as API v2 takes it. Empty labels are left out, as Alertmanager would."""
    said = {"summary": annotations.get("why", ""), "description": annotations.get("done", "")}
    if runbook := annotations.get("runbook"):
        said["runbook_url"] = f"{base_url}/runbooks/{runbook}"
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: words for name, words in said.items() if words},
        "startsAt": rfc3339(started_at),
        "endsAt": rfc3339(ends_at or now + AHEAD),
        "generatorURL": base_url + annotations.get("path", "/alerts"),
    }


def wanted(quiets: Iterable[Quiet], windows: Iterable[tuple[Window, datetime]]) -> list[Wanted]:
    """What keeps alerts quiet here, as silences."""
    found = [Wanted(f"silence {q.id}", q.matchers, q.until, q.by, q.reason) for q in quiets]
    found += [Wanted(f"maintenance {w.name}", w.matchers, until, "maintenance", w.reason) for w, until in windows]
    return found[:SILENCES_MAX]


def push(url: str, posts: Sequence[Mapping[str, Any]], silences: Sequence[Wanted], now: datetime) -> str:
    """Tell one replica; what went wrong in words, empty where nothing did. Silences go first: what they cover stays quiet. One
    that the replica refuses is said, and the alerts are told all the same.
    """
    try:
        refused = _silence(url, silences, now)
        for at in range(0, len(posts), BATCH):
            _checked(_send("POST", url, "alerts", list(posts[at : at + BATCH])))
    except httpx.HTTPError as failed:
        return f"{type(failed).__name__}: {str(failed)[:200]}"
    except (ValueError, KeyError, TypeError) as strange:
        return f"its answer cannot be read ({type(strange).__name__}); is it an Alertmanager with API v2?"
    return refused


def _silence(url: str, silences: Sequence[Wanted], now: datetime) -> str:
    """Make those that are missing, move those whose end changed, expire those of ours that are wanted no more; what was said
    of the first that was refused.
    """
    refused = ""
    there = {mark[1]: one for one in _ours(url) if (mark := MARK.search(one["comment"]))}
    for each in silences:
        one = there.pop(each.mark, None)
        if one is None or _instant(one["endsAt"]) != _whole_ms(each.until):
            answer = _send("POST", url, "silences", _body(each, one, now))
            refused = refused or ("" if answer.ok else f"it refused {each.mark}: {answer.words(150)}")
    for one in there.values():
        _checked(_send("DELETE", url, f"silence/{one['id']}"))
    return refused


def _ours(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_checked(_send("GET", url, "silences")).body)
    return [one for one in found if one["status"]["state"] != "expired" and MARK.search(one["comment"])]


def _body(each: Wanted, there: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    # The last is true of every alert, and one that no empty label fits is asked for.
    signs = [known(text) for text in (*each.matchers, 'alertname=~".+"')]
    body: dict[str, Any] = {
        "matchers": [
            {"name": m.name, "value": m.value, "isRegex": m.sign.endswith("~"), "isEqual": not m.sign.startswith("!")}
            for m in signs
        ],
        "startsAt": there["startsAt"] if there else rfc3339(now), "endsAt": rfc3339(each.until), "createdBy": each.by[:200],
        "comment": f"{each.why[:500]} [trivet {each.mark}]",
    }  # fmt: skip
    return body | ({"id": there["id"]} if there else {})


def _send(method: str, url: str, what: str, given: object = None) -> Said:
    content = b"" if given is None else json.dumps(given).encode()
    return ask(method, f"{url}/api/v2/{what}", content=content, headers={"content-type": "application/json"})


def _checked(answer: Said) -> Said:
    if not answer.ok:
        raise httpx.HTTPError(f"answered {answer.status}: {answer.words(150)}")
    return answer


def _instant(text: str) -> datetime:
    return _whole_ms(datetime.fromisoformat(text))


def _whole_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
