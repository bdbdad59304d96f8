"""What people read: why first, then what was done, then where to look. Out of `alerts/messages/`, one screen each. Pure but
for reading the templates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from trivet.kit.clock import rfc3339, when
from trivet.notify.rules.decide import SEVERITIES, Fact
from trivet.paths import shipped

SHOWN_MAX = 8  # alerts of one message: a screen
WHY_MAX = 300
TYPES = {"page": "failure", "ticket": "warning", "info": "info"}  # as Apprise names them
ALERTS = "/alerts"


@dataclass(frozen=True, slots=True)
class Line:
    """One alert as a message shows it; addresses are whole."""

    id: int
    name: str
    mark: str
    over: bool
    severity: str
    why: str
    done: str
    when: str
    lasted: str
    drill: bool
    shadow: bool
    link: str
    command: str
    runbook: str


@lru_cache
def environment() -> Environment:
    """Text is not escaped, HTML is; nothing undefined passes."""
    return Environment(
        loader=FileSystemLoader(shipped("alerts") / "messages"),
        autoescape=select_autoescape(("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def message(
    labels: Mapping[str, str], alerts: Sequence[tuple[Any, Fact]], base_url: str, now: datetime
) -> dict[str, Any]:
    """A message about alerts told together: subject, text, HTML, how serious, and the alerts as data.

    Those that fire come first, the gravest first. `alerts` are rows with what decisions see of them.
    """
    order = sorted(alerts, key=lambda one: (one[1].ended_at is not None, -_gravity(one[1]), one[1].started_at))
    lines = [line(row.annotations, fact, row.command_id, base_url, now) for row, fact in order]
    shown = lines[:SHOWN_MAX]
    given = {"alerts": shown, "more": len(lines) - len(shown), "all": base_url + ALERTS}
    firing = [fact for _, fact in order if fact.ended_at is None]
    return {
        "subject": subject(labels, lines),
        "text": environment().get_template("alert.txt.j2").render(given),
        "html": environment().get_template("alert.html.j2").render(given),
        "type": TYPES[max((f.severity for f in firing), key=SEVERITIES.index)] if firing else "success",
        "status": "firing" if firing else "resolved",
        "at": rfc3339(now),
        "alerts": [_data(fact, each) for (_, fact), each in zip(order, lines, strict=True)][:100],
    }


def subject(labels: Mapping[str, str], lines: Sequence[Line]) -> str:
    """`Firing: support-chat p95_latency: P95 2.1 s over 1.5 s`, or how many of what."""
    firing = [each for each in lines if not each.over]
    word = "Firing" if firing else "Over"
    of = firing or list(lines)
    if len(of) == 1:
        return f"{word}: {of[0].name}: {of[0].why}"[:200]
    where = ", ".join(f"{value}" for name, value in labels.items() if name in ("scenario", "tenant")) or "Trivet"
    return f"{word}: {len(of)} alerts of {where}: {of[0].why}"[:200]


def line(
    annotations: Mapping[str, str],
    fact: Fact,
    command_id: int | None,
    base_url: str,
    now: datetime,
) -> Line:
    """One alert in words."""
    over = fact.ended_at is not None
    why = annotations.get("ended") or annotations.get("why", "") if over else annotations.get("why", "")
    runbook, link = annotations.get("runbook", ""), base_url + annotations.get("path", ALERTS)
    return Line(
        id=fact.id,
        name=fact.name,
        mark="✓" if over else {"page": "▲", "ticket": "△", "info": "·"}[fact.severity],
        over=over,
        severity=fact.severity,
        why=why[:WHY_MAX],
        done=annotations.get("done", ""),
        when=f"{fact.ended_at or fact.started_at:%Y-%m-%d %H:%M:%S} UTC",
        lasted=_lasted(fact.ended_at or now, fact.started_at, over=over),
        drill="drill" in fact.labels,
        shadow="shadow" in fact.labels,
        link=link,
        command=f"{link}#command" if command_id else "",
        runbook=f"{base_url}/runbooks/{runbook}" if runbook else "",
    )


def _data(fact: Fact, each: Line) -> dict[str, Any]:
    return {
        "id": fact.id, "labels": dict(fact.labels), "status": "resolved" if each.over else "firing", "why": each.why,
        "done": each.done, "started_at": rfc3339(fact.started_at),
        "ended_at": when(fact.ended_at), "link": each.link,
        "command": each.command or None, "runbook": each.runbook or None,
    }  # fmt: skip


def _lasted(until: datetime, since: datetime, *, over: bool) -> str:
    seconds = max(int((until - since).total_seconds()), 0)
    if not over and seconds < 60:
        return ""
    long = f"{seconds // 3600} h {seconds % 3600 // 60} min" if seconds >= 3600 else f"{seconds // 60} min"
    return f"{'after' if over else 'for'} {long if seconds >= 60 else f'{seconds} s'}"


def _gravity(fact: Fact) -> int:
    return SEVERITIES.index(fact.severity)
