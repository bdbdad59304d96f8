"""Whether an alert is told on a route now: one function, which always says why. Pure.

An alert is told when it begins (with the others of its group, after a short wait), at once when its severity changes, again
after the repeat interval or when nobody acknowledged it, and when it ends. It is not told while it is silenced, in
maintenance, or held back by a larger one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from trivet.notify.rules.matchers import all_fit
from trivet.notify.rules.route import Way
from trivet.notify.rules.windows import Window

SEVERITIES = ("info", "ticket", "page")  # rising
Word = Literal["send", "wait", "told", "acknowledged", "silenced", "maintenance", "inhibited", "over"]
END_TOLD = "its end was told"  # at …, as the reason of an alert that is over
MUTED: frozenset[str] = frozenset({"silenced", "maintenance", "inhibited"})


@dataclass(frozen=True, slots=True)
class Fact:
    """An alert as it stands. `labels` hold its severity."""

    id: int
    labels: Mapping[str, str]
    started_at: datetime
    level: int = 0
    ended_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""

    @property
    def severity(self) -> str:
        return self.labels["severity"]

    @property
    def name(self) -> str:
        """`support-chat p95`, `channel ops`, `budget daily`: what a person would call it."""
        parts = [self.labels.get(name, "") for name in ("scenario", "guard", "tenant")]
        parts += [f"{name} {self.labels[name]}" for name in ("channel", "budget") if name in self.labels]
        return " ".join(filter(None, parts)) or self.labels["alertname"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a route has said of an alert."""

    first_at: datetime | None = None
    at: datetime | None = None
    severity: str = ""
    firing: bool = False
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Since when something waits to be told, and when the group was told last."""

    opened_at: datetime
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quiet:
    """A silence: whose labels it fits, until when, by whom and why."""

    id: int
    matchers: tuple[str, ...]
    until: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`step`: how many steps of the escalation have been taken once this was done. `only`: these channels, and not all that
    were told before.
    """

    word: Word
    reason: str
    step: int = 0
    only: tuple[str, ...] = ()


def decide(fact: Fact, way: Way, told: Told, group: Group, *, muted: Decision | None, now: datetime) -> Decision:
    """Whether this route tells of the alert now, and why or why not."""
    if fact.ended_at is not None:
        return _ended(way, told, group, now)
    if muted is not None:
        return Decision(muted.word, muted.reason, told.steps)
    if not told.firing or told.at is None:
        return _gathered(way, group, "it is new", told, now)
    if told.severity != fact.severity:
        side = "rose" if SEVERITIES.index(fact.severity) > SEVERITIES.index(told.severity) else "fell"
        return Decision("send", f"its severity {side} from {told.severity} to {fact.severity}", told.steps)
    return _again(fact, way, told, now)


def _again(fact: Fact, way: Way, told: Told, now: datetime) -> Decision:
    """Told before and the same since: escalate, repeat, or leave it."""
    assert told.at is not None
    if fact.acknowledged_at is not None:
        return Decision(
            "acknowledged", f"{fact.acknowledged_by} acknowledged it at {fact.acknowledged_at:%H:%M} UTC", told.steps
        )
    first = told.first_at or told.at
    due = [
        n for n, step in enumerate(way.steps, 1) if n > told.steps and now >= first + timedelta(seconds=step.after_s)
    ]
    if due:
        waited = span(way.steps[due[-1] - 1].after_s)
        who = tuple(dict.fromkeys(channel for n in due for channel in way.steps[n - 1].channels))
        return Decision("send", f"nobody acknowledged it in {waited}: {', '.join(who)} as well", due[-1], who)
    if now >= told.at + timedelta(seconds=way.repeat_s):
        return Decision("send", f"it still fires; repeated every {span(way.repeat_s)}", told.steps)
    again = told.at + timedelta(seconds=way.repeat_s)
    return Decision("told", f"told at {told.at:%H:%M} UTC; again at {again:%H:%M} UTC while it fires", told.steps)


def _ended(way: Way, told: Told, group: Group, now: datetime) -> Decision:
    """Whoever was told of the beginning is told of the end, also while it is silenced: it closes what was opened."""
    if told.at is None:
        return Decision("over", "it ended before anybody was told")
    if not told.firing:
        return Decision("over", f"{END_TOLD} at {told.at:%H:%M} UTC", told.steps)
    return _gathered(way, group, "it ended", told, now)


def _gathered(way: Way, group: Group, why: str, told: Told, now: datetime) -> Decision:
    """Told together with what else begins or ends in its group: first after a short wait, later at an interval."""
    if group.told_at is None:
        due, rule = group.opened_at + timedelta(seconds=way.group_wait_s), f"waits {span(way.group_wait_s)} for others"
    else:
        due = group.told_at + timedelta(seconds=way.group_interval_s)
        rule = f"its group is told every {span(way.group_interval_s)}"
    if now >= due:
        return Decision("send", why, told.steps)
    return Decision("wait", f"{why}; {rule}, until {due:%H:%M:%S} UTC", told.steps)


def mutings(
    facts: Sequence[Fact], quiets: Sequence[Quiet], windows: Sequence[tuple[Window, datetime]]
) -> dict[int, Decision]:
    """What keeps each firing alert from being told, by its id: a silence, a maintenance window, a larger alert."""
    firing = [fact for fact in facts if fact.ended_at is None]
    found = {fact.id: quiet for fact in firing if (quiet := _quiet(fact, quiets, windows)) is not None}
    loud = _largest([fact for fact in firing if fact.id not in found])
    for fact in firing:
        larger = _larger(fact, loud)
        if fact.id not in found and larger is not None:
            found[fact.id] = Decision("inhibited", f"{larger.name} ({_size(larger)}) is larger and fires already")
    return found


def _quiet(fact: Fact, quiets: Sequence[Quiet], windows: Sequence[tuple[Window, datetime]]) -> Decision | None:
    for quiet in quiets:
        if all_fit(quiet.matchers, fact.labels):
            return Decision(
                "silenced", f"{quiet.by} silenced it until {quiet.until:%Y-%m-%d %H:%M} UTC: {quiet.reason}"
            )
    for window, until in windows:
        if all_fit(window.matchers, fact.labels):
            return Decision("maintenance", f"maintenance {window.name} until {until:%H:%M} UTC: {window.reason}")
    return None


def _largest(facts: Iterable[Fact]) -> dict[tuple[str | None, ...], Fact]:
    """The largest alert of each scenario, for the whole of it and for each tenant; drills and shadows apart."""
    found: dict[tuple[str | None, ...], Fact] = {}
    for fact in facts:
        key = _place(fact, fact.labels.get("tenant"))
        if "scenario" in fact.labels and (key not in found or _size_first(fact) > _size_first(found[key])):
            found[key] = fact
    return found


def _larger(fact: Fact, largest: Mapping[tuple[str | None, ...], Fact]) -> Fact | None:
    """The largest alert of the same scenario that makes this one's news old: of a higher severity, or of the same and a higher
    level. One of a single tenant holds back only what is of that tenant; a drill only drills, a shadow nothing but shadows.
    """
    covering = {_place(fact, None), _place(fact, fact.labels.get("tenant"))}
    larger = [largest[place] for place in covering if place in largest and _rank(largest[place]) > _rank(fact)]
    return max(larger, key=_size_first, default=None)


def _place(fact: Fact, tenant: str | None) -> tuple[str | None, ...]:
    return (*(fact.labels.get(name) for name in ("scenario", "drill", "shadow")), tenant)


def _size_first(fact: Fact) -> tuple[int, int, int]:
    return (*_rank(fact), -fact.id)


def _rank(fact: Fact) -> tuple[int, int]:
    return SEVERITIES.index(fact.severity), fact.level


def _size(fact: Fact) -> str:
    return f"{fact.severity}, level {fact.level}" if fact.level else fact.severity


def span(seconds: float) -> str:
    """`90 s`, `15 min`, `4 h`: the largest unit in which it is whole."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:.10g} s"
