"""What the page of alerts says. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.console.alerts.alerts_views import Block
from trivet.console.tongue import _, _n
from trivet.notify.rules.decide import SEVERITIES, span
from trivet.notify.rules.route import Way

# How a decision is drawn: told is proven, waiting is a wish, kept quiet is crossed out.
MARKS = {
    "told": "effective", "send": "pending", "wait": "pending", "acknowledged": "observed", "silenced": "expired",
    "maintenance": "expired", "inhibited": "superseded", "over": "missing",
}  # fmt: skip
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Standing:
    """An open alert as the sentence needs it. `told`: on some route somebody was."""

    name: str
    severity: str
    why: str
    since: datetime
    told: bool
    acknowledged: bool


def sentence(open_: Sequence[Standing], *, routes: int, failing: Sequence[str], now: datetime) -> str:
    """What is so and why: the gravest alert first, then whether anybody knows."""
    broken = _(" Channel {name} fails, so not everybody may know.", name=failing[0]) if failing else ""
    if not open_:
        whom = "" if routes else _(" There is no route yet, so nobody would be told.")
        return _("Nothing is wrong now.") + whom + broken
    first = max(open_, key=lambda each: (SEVERITIES.index(each.severity), each.since < now, -each.since.timestamp()))
    said = {"name": first.name, "ago": _ago(now - first.since), "why": first.why}
    if len(open_) == 1:
        head = _("{name} fires since {ago}: {why}.", **said)
    else:
        head = _n(
            "{name} fires since {ago}: {why}, and {n} more is open.", "{name} fires since {ago}: {why}, and {n} more are open.",
            len(open_) - 1, **said,
        )  # fmt: skip
    return f"{head} {_known(open_, routes)}{broken}"


def _known(open_: Sequence[Standing], routes: int) -> str:
    if not routes:
        return _("There is no route, so nobody is told.")
    unknown = sum(not each.told for each in open_)
    unowned = sum(each.told and not each.acknowledged for each in open_)
    if len(open_) == 1:
        one = open_[0]
        if not one.told:
            return _("Nobody was told; why stands beside it.")
        return _("Somebody has it.") if one.acknowledged else _("Somebody was told; nobody has acknowledged yet.")
    if unknown:
        return _("Of {n} nobody was told; why stands beside each.", n=unknown)
    if unowned:
        return _("Somebody was told of each; {n} nobody has acknowledged yet.", n=unowned)
    return _("Somebody has each of them.")


def joined(matchers: Sequence[str]) -> str:
    """Matchers that must all fit."""
    return _(" and ").join(matchers)


def _ago(gone: timedelta) -> str:
    seconds = max(int(gone.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} s"
    return _("{n} min", n=seconds // 60) if seconds < 7_200 else f"{seconds // 3600} h"


def takes(way: Way) -> str:
    """Which alerts a route takes."""
    return joined(way.matchers) if way.matchers else _("every alert")


def rhythm(way: Way) -> str:
    """`by scenario after 5 s, then every 5 min; again every 4 h`."""
    stretches = {"wait": span(way.group_wait_s), "every": span(way.group_interval_s), "again": span(way.repeat_s)}
    if way.group_by:
        by = ", ".join(way.group_by)
        return _("by {names} after {wait}, then every {every}; again every {again}", names=by, **stretches)
    return _("all together after {wait}, then every {every}; again every {again}", **stretches)


def steps(way: Way) -> str:
    """Who is told when nobody acknowledges."""
    return "; ".join(
        _("{names} after {span}", names=", ".join(step.channels), span=span(step.after_s)) for step in way.steps
    )


def matcher_of(labels: Mapping[str, str]) -> str:
    """The matchers of a silence of this alert alone: of the names in it, one a line."""
    named = [name for name in ("scenario", "guard", "tenant", "channel", "budget", "subject") if labels.get(name)]
    quoted = {name: labels[name].replace("\\", "\\\\").replace('"', '\\"') for name in named}
    return "\n".join(f'{name}="{quoted[name]}"' for name in named) or f'alertname="{labels["alertname"]}"'


def blocks(text: str) -> list[Block]:
    """A runbook's Markdown, as far as runbooks use it: headings, paragraphs, items, code."""
    found: list[Block] = []
    for chunk in re.split(r"\n\s*\n", text.strip()):
        lines = chunk.splitlines()
        if lines[0].startswith("#"):
            found.append(_block("h1" if lines[0].startswith("# ") else "h2", lines[0].lstrip("# ")))
            lines = lines[1:]
        items = re.split(r"^- ", "\n".join(lines), flags=re.MULTILINE)
        if items[0].strip():
            found.append(_block("p", items[0]))
        found += [_block("item", item) for item in items[1:]]
    return found


def _block(kind: str, text: str) -> Block:
    pieces = _CODE.split(" ".join(text.split()))
    return Block(kind, tuple((n % 2 == 1, piece) for n, piece in enumerate(pieces) if piece))
