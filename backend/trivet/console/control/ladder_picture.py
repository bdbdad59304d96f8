"""A ladder over time: solid steps of what telemetry proved, dashed ones of what was wanted, shares on the way back. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trivet.console import format as say
from trivet.console.control.lanes import WIDTH, Band, Dot, Lane, Line, Scale, points
from trivet.console.tongue import _

HEIGHT, RISE, FOOT = 52.0, 12.0, 46.0
Step = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Trial:
    """A share of conversations at a level, by way of trial, from when to when."""

    since: datetime
    until: datetime
    share: float
    level: int


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that stands on the time axis: a command (solid once proven) or a breach."""

    at: datetime
    solid: bool
    says: str
    url: str
    breach: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """One scenario over a range: steps oldest first, the first of each where the range begins."""

    name: str
    url: str
    proven: Sequence[Step]
    wanted: Sequence[Step]
    trials: Sequence[Trial] = ()
    flags: Sequence[Flag] = ()


def lane(course: Course, scale: Scale, now: datetime) -> Lane:
    """The scenario's lane: level 0 at the foot, level 3 at the top."""
    end = min(scale.interval.end, now)
    held = stretches(course.proven, end)
    bands = [_filled(since, until, level, scale) for since, until, level in held]
    bands += [_trial(each, scale) for each in course.trials]
    lines = [Line(_steps(course.wanted, end, scale), "wanted"), Line(_steps(course.proven, end, scale), "proven")]
    dots = [
        Dot(scale.x(f.at), HEIGHT - 1 if f.breach else 4.0, f.solid, f.says, f.url, "breach" if f.breach else "command")
        for f in course.flags
    ]
    last = course.proven[-1][1]
    return Lane(
        course.name, course.url, _("level {n}", n=last), tuple(bands), tuple(each for each in lines if each.points), tuple(dots),
        HEIGHT,
    )  # fmt: skip


def stretches(steps: Sequence[Step], end: datetime) -> list[tuple[datetime, datetime, int]]:
    """From when to when at which level; steps that change nothing are one."""
    found: list[tuple[datetime, datetime, int]] = []
    ends = [*(at for at, _level in steps[1:]), end]
    for (since, level), until in zip(steps, ends, strict=True):
        if found and found[-1][2] == level:
            found[-1] = (found[-1][0], until, level)
        elif until > since:
            found.append((since, until, level))
    return found


def stays(steps: Sequence[Step], end: datetime) -> dict[int, float]:
    """Seconds at each level."""
    found: dict[int, float] = {}
    for since, until, level in stretches(steps, end):
        found[level] = found.get(level, 0.0) + (until - since).total_seconds()
    return found


def in_words(stay: dict[int, float]) -> tuple[str, ...]:
    """`41 min at level 2`, the highest level first; level 0 is not said."""
    return tuple(
        _("{span} at level {n}", span=say.elapsed(seconds), n=level) for level, seconds in sorted(stay.items(), reverse=True) if level
    )  # fmt: skip


def _y(level: float) -> float:
    return FOOT - RISE * level


def _filled(since: datetime, until: datetime, level: int, scale: Scale) -> Band:
    x, width = scale.band(since, until)
    begins, ends = (say.day_clock(at, scale.interval.end, scale.zone) for at in (since, until))
    says = _("level {n} from {since} to {until}", n=level, since=begins, until=ends)
    return Band(x, width, f"level-{level}", says, _y(level), HEIGHT - _y(level) - 1)


def _trial(each: Trial, scale: Scale) -> Band:
    x, width = scale.band(each.since, each.until)
    says = _("{share} of conversations at level {n} by way of trial", share=say.share(each.share), n=each.level)
    height = RISE * min(max(each.share, 0.15), 1.0)
    return Band(x, width, "probe", says, round(_y(each.level) - height, 2), round(height, 2))


def _steps(steps: Sequence[Step], end: datetime, scale: Scale) -> str:
    pairs: list[tuple[float, float]] = []
    for since, until, level in stretches(steps, end):
        pairs += [(scale.x(since), _y(level)), (min(scale.x(until), WIDTH), _y(level))]
    return points(pairs)
