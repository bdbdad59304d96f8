"""The series behind a scenario's charts: latency as a band, requests a second, flags and the ladder over time."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.archive.facts import NotKept
from trivet.card import service as cards
from trivet.command.models import Command
from trivet.console import changes, queries, story
from trivet.console import format as say
from trivet.console.address import Address
from trivet.console.tongue import _
from trivet.identity.models import User
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.pricing.models import Price
from trivet.rollup import read
from trivet.rollup.read import Usage


@dataclass(frozen=True, slots=True)
class Span:
    """How far back a chart looks: `step_s` is one point, read from rollups of `grain_s`."""

    seconds: int
    grain_s: int
    step_s: int


SPANS = {
    "15m": Span(900, 10, 10),
    "1h": Span(3_600, 10, 30),
    "6h": Span(21_600, 60, 180),
    "24h": Span(86_400, 60, 600),
    "7d": Span(604_800, 3_600, 3_600),
}
# For a stretch of any length: the finest step of which there are at most `POINTS_MAX`.
STEPS = ((10, 10), (30, 10), (60, 60), (180, 60), (600, 60), (3_600, 3_600), (21_600, 3_600), (86_400, 3_600))
POINTS_MAX = 200


def interval_of(span: Span, now: datetime) -> Interval:
    """Whole steps up to the running one."""
    end = floor(now, span.step_s) + timedelta(seconds=span.step_s)
    return Interval(end - timedelta(seconds=span.seconds), end)


def spans_of(interval: Interval) -> list[Span]:
    """How a stretch of any length may be drawn, the finest first."""
    fitting = [each for each in STEPS if interval.seconds / each[0] <= POINTS_MAX] or [STEPS[-1]]
    return [Span(math.ceil(interval.seconds / step_s) * step_s, grain_s, step_s) for step_s, grain_s in fitting]


def drawn(session: Session, scenario: int, address: Address, now: datetime, zone: str) -> dict[str, Any]:
    """The series of the stretch that an address asks for."""
    if address.range in SPANS:
        return series(session, scenario, SPANS[address.range], now, zone)
    *finer, last = spans_of(address.interval)
    end = min(now, address.interval.end)
    for span in finer:
        with contextlib.suppress(NotKept):  # what is long ago is kept more coarsely
            return series(session, scenario, span, end, zone)
    return series(session, scenario, last, end, zone)


def series(session: Session, scenario: int, span: Span, now: datetime, zone: str) -> dict[str, Any]:
    """What `<trivet-chart>` draws. Times are seconds since the epoch; a step without requests is null, not zero."""
    interval = interval_of(span, now)
    where = {"scenario_id": [scenario]}
    found = read.usage(session, interval, ["bucket", "level"], where, grain_s=span.grain_s)
    by_step = steps({(at, level): usage for (at, level), usage in found.items()}, span.step_s)
    interval = trimmed(interval, min(by_step, default=None), span)
    times = [interval.start + timedelta(seconds=s) for s in range(0, int(interval.seconds), span.step_s)]
    active = cards.active(session, [scenario]).get(scenario)
    limit_ms = active.card.latency.p95_ms if active else None
    sums = [sum(by_step[at].values(), Usage()) if at in by_step else None for at in times]
    return {
        "t": [int(at.timestamp()) for at in times],
        "p50_ms": [u.quantile_ms("latency", 0.5) if u else None for u in sums],
        "p95_ms": [u.quantile_ms("latency", 0.95) if u else None for u in sums],
        "requests_per_s": [
            (u.requests if u else 0) / _elapsed(at, span, now) for at, u in zip(times, sums, strict=True)
        ],
        "limit_ms": limit_ms,
        "limit_words": _("card {limit}", limit=say.limit(limit_ms)) if limit_ms else "",
        "flags": _flags(session, scenario, interval),
        "levels": ribbon(by_step, times, span.step_s),
        "from": int(interval.start.timestamp()),
        "to": int(interval.end.timestamp()),
        "zone": zone,
    }


def trimmed(interval: Interval, first: datetime | None, span: Span) -> Interval:
    """The interval without the emptiness before anything was there, but never less than a third of it."""
    if first is None:
        return interval
    latest = interval.end - timedelta(seconds=span.seconds // 3 // span.step_s * span.step_s)
    return Interval(min(max(interval.start, first - timedelta(seconds=2 * span.step_s)), latest), interval.end)


def steps(found: Mapping[tuple[datetime, int], Usage], step_s: int) -> dict[datetime, dict[int, Usage]]:
    """Usage by step and by the level it ran under."""
    merged: dict[datetime, dict[int, Usage]] = {}
    for (at, level), usage in found.items():
        levels = merged.setdefault(floor(at, step_s), {})
        levels[level] = levels[level] + usage if level in levels else usage
    return merged


def ribbon(by_step: Mapping[datetime, Mapping[int, Usage]], times: list[datetime], step_s: int) -> list[dict[str, int]]:
    """Stretches of one level, as telemetry proves it: the highest level that requests of a step ran under."""
    stretches: list[dict[str, int]] = []
    for at in times:
        level = max((lv for lv, usage in by_step.get(at, {}).items() if usage.requests), default=None)
        start = int(at.timestamp())
        if level is None:
            continue
        if stretches and stretches[-1]["level"] == level and stretches[-1]["to"] == start:
            stretches[-1]["to"] = start + step_s
        else:
            stretches.append({"from": start, "to": start + step_s, "level": level})
    return stretches


def flag(command: Command, who: str = "") -> dict[str, Any]:
    """A command on the time axis: hollow until telemetry has proven it. `short` stands beside it, the rest on hover."""
    level = {"degrade": command.level, "restore": command.level or 0}.get(command.kind)
    revision = _("cut") if command.kind == "break" else f"r{command.revision}"
    some = f" {100 * command.share:.3g} %" if command.share else ""
    return {
        "at": command.created_at.timestamp(),
        "kind": command.kind,
        "level": level,
        "solid": command.effective_at is not None,
        "state": "" if command.effective_at is not None else _("not yet proven"),
        "short": revision if level is None else f"L{level}{some}",
        "words": story.what(command),
        "who": who,
        "why": story.why(command.actor, command.reason).rstrip("."),
    }


def _flags(session: Session, scenario: int, interval: Interval) -> list[dict[str, Any]]:
    """The interval's commands, with the names of the people who gave them."""
    commands = queries.commands_within(session, scenario, interval)
    people = dict(
        session.execute(select(User.email, User.name).where(User.email.in_({c.actor for c in commands}))).all()
    )
    given = [flag(command, story.person(command.actor, people)) for command in commands]
    return sorted([*given, *map(price_flag, changes.prices(session, interval))], key=lambda each: each["at"])


def price_flag(price: Price) -> dict[str, Any]:
    """A new price on the time axis: it holds from then on, so it is solid."""
    return {
        "at": price.effective_from.timestamp(), "kind": "price", "level": None, "solid": True, "state": "", "short": _("price"),
        "words": changes.words(price.provider, [price.model]), "who": price.author, "why": price.source,
    }  # fmt: skip


def _elapsed(at: datetime, span: Span, now: datetime) -> float:
    """Seconds of a step that have passed: the running one is not yet whole."""
    return max(1.0, min(span.step_s, (now - at).total_seconds()))
