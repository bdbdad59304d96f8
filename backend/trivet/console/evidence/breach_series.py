"""The values behind a breach's picture, step by step, and its commands as flags."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from trivet.card.watched import Guard
from trivet.command.models import Command
from trivet.console import chart
from trivet.console.evidence.breach_picture import Asked, Mark
from trivet.console.tongue import _
from trivet.evidence import excess
from trivet.evidence.case import Case, whole_buckets
from trivet.guard.sequential import TOLERATED
from trivet.kit.errors import TrivetError
from trivet.kit.interval import Interval
from trivet.rollup import read
from trivet.rollup.read import Usage

BEFORE, AFTER = timedelta(minutes=4), timedelta(minutes=1)
LONGEST = timedelta(hours=6)  # what one picture shows
FINE = timedelta(minutes=40)  # longer ones are read by the minute
SPENT_PER_HOUR = frozenset({"cost_per_hour"})


def asked(
    session: Session, case: Case, began: datetime | None, recovered: datetime | None, now: datetime
) -> Asked | None:
    """None where the metric cannot be drawn from requests, or is not kept any more."""
    guard, kind = case.guard, excess.kind_of(case.guard) if case.guard else None
    if guard is None or kind is None or (kind.in_time and guard.metric not in SPENT_PER_HOUR):
        return None
    breach = case.breach
    start = min(began or breach.opened_at, breach.opened_at) - BEFORE
    end = min((recovered or now) + AFTER, now, start + LONGEST)
    step_s = 10 if end - start <= FINE else 60
    within = whole_buckets(start, max(end, breach.opened_at), step_s)
    where = {"scenario_id": [breach.scenario_id]}
    try:
        found = read.usage(session, within, ["bucket"], where, grain_s=step_s)
    except TrivetError:
        return None
    points = [(at, _value(guard, found.get((at,)), step_s)) for at in _steps(within, step_s)]
    return Asked(points, within, guard.enter, breach.opened_at, breach.closed_at, _marks(case.commands))


def _steps(within: Interval, step_s: int) -> list[datetime]:
    return [within.start + timedelta(seconds=s) for s in range(0, round(within.seconds), step_s)]


def _value(guard: Guard, usage: Usage | None, step_s: int) -> float | None:
    """The guard's metric over one step; None where nothing was measured."""
    kind = excess.kind_of(guard)
    if usage is None or kind is None:
        return None
    if guard.metric[:3] in TOLERATED:
        measure = next(name for name in ("latency", "ttft", "inter_token") if name in guard.metric)
        return usage.quantile_ms(measure, float(guard.metric[1:3]) / 100)
    n, bad = kind.n(usage), kind.bad(usage)
    if kind.in_time:
        return float(bad * Fraction(3600, step_s))
    if not n:
        return None
    return float(1 - bad / n) if guard.metric in ("quality", "cache_hit_rate") else float(bad / n)


def _marks(commands: Iterable[Command]) -> list[Mark]:
    marks = []
    for command in commands:
        flag = chart.flag(command)
        said = {"what": flag["words"], "why": flag["why"]}
        words = _("{what}: {why}", **said) if flag["solid"] else _("{what}: {why}; not proven", **said)
        marks.append(Mark(command.created_at, str(flag["short"]), bool(flag["solid"]), words))
    return marks
