"""The ways back from a level: what each waits for, in words. Pure.

`recovered` waits for nothing but calm; `next_budget_day` for the midnight that ends the budget's day; `manual` for a
person's restore; `regression_passed` for a regression that passed after the ladder last went up. Calm and the probe come on
top of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from trivet.guard.decide import Verdict
from trivet.guard.headroom import Load


@dataclass(frozen=True, slots=True)
class Passed:
    """The newest regression of the scenario that passed."""

    at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class Way:
    """What a way back rests on beside the verdicts.

    `arm` are the verdicts on the conversations that are back already, `loads` what runs where; `zone` is whose midnight
    begins a budget day; `others_first` says in words who gives way before this scenario goes up, where somebody does.
    """

    arm: Mapping[str, Verdict] = field(default_factory=dict)
    loads: tuple[Load, ...] = ()
    zone: str = "UTC"
    passed: Passed | None = None
    others_first: str = ""


NOTHING = Way()


def closed(way_back: str, raised_at: datetime, way: Way, now: datetime) -> str | None:
    """What the way back still waits for; None where it is open."""
    return _CLOSED[way_back](raised_at, way, now)


def next_day(at: datetime, zone: str) -> datetime:
    """When the budget day after the one that holds `at` begins: midnight in the zone."""
    there = at.astimezone(ZoneInfo(zone))
    midnight = there.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (midnight + timedelta(days=1)).astimezone(ZoneInfo("UTC"))


def _budget_day(raised_at: datetime, way: Way, now: datetime) -> str | None:
    begins = next_day(raised_at, way.zone)
    return None if now >= begins else f"waits for the next budget day, which begins {begins:%Y-%m-%d %H:%M} UTC"


def _manual(_: datetime, __: Way, ___: datetime) -> str | None:
    return "waits for a person: restore it by a command"


def _regression(raised_at: datetime, way: Way, _: datetime) -> str | None:
    if way.passed is not None and way.passed.at > raised_at:
        return None
    return f"waits for a regression that passes after {raised_at:%H:%M:%S} UTC"


_CLOSED: dict[str, Callable[[datetime, Way, datetime], str | None]] = {
    "recovered": lambda _, __, ___: None,
    "next_budget_day": _budget_day,
    "manual": _manual,
    "regression_passed": _regression,
}
