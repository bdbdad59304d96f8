"""Scores over time as a line in its band, the floor as a labelled line, revisions as flags. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from trivet.console import format as say
from trivet.console.cards.scores_read import Stretch
from trivet.console.cards.scores_views import Dot, Line, Mark
from trivet.console.tongue import _
from trivet.kit.interval import Interval

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 1000, 220, 44, 8, 24, 24
ENOUGH = 10  # scores of a stretch that is drawn solid
TICKS = 6
FLAG_ROOM = 90  # between two labels
PART = 0.1  # of the span above and below


def draw(  # noqa: PLR0917  # what the picture is made of
    stretches: Sequence[Stretch], interval: Interval, step_s: int, floor: float | None,
    revisions: Sequence[tuple[int, datetime]], now: datetime, zone: tzinfo,
) -> Line | None:  # fmt: skip
    """None where nothing was scored."""
    if not stretches:
        return None
    values = [v for each in stretches for v in (each.low, each.high, each.mean)] + (
        [floor] if floor is not None else []
    )
    least, most = min(values), max(values)
    room = max(0.02, PART * (most - least))
    least, most = max(0.0, least - room), min(1.0, most + room)

    def x(at: datetime) -> Decimal:
        share = (at - interval.start).total_seconds() / interval.seconds
        return Decimal(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)).quantize(Decimal("0.1"))

    def y(value: float) -> Decimal:
        share = (value - least) / ((most - least) or 1.0)
        return Decimal(TOP + (1 - share) * (HEIGHT - TOP - FOOT)).quantize(Decimal("0.1"))

    middle = timedelta(seconds=step_s / 2)
    at = [x(each.at + middle) for each in stretches]
    band = [(a, y(each.high)) for a, each in zip(at, stretches, strict=True)]
    band += [(a, y(each.low)) for a, each in zip(at[::-1], stretches[::-1], strict=True)]
    dots = tuple(
        Dot(a, y(each.mean), each.scores >= ENOUGH, floor is not None and each.mean < floor, _said(each, now, zone))
        for a, each in zip(at, stretches, strict=True)
    )
    step = interval.seconds / TICKS
    ticks = [interval.start + timedelta(seconds=step * n) for n in range(1, TICKS)]
    long = interval.seconds > 2 * 86_400
    return Line(
        WIDTH, HEIGHT, _points(band), _points([(dot.x, dot.y) for dot in dots]), dots,
        None if floor is None else y(floor), "" if floor is None else say.floor(floor),
        _flags([(number, x(when), say.day_clock(when, now, zone)) for number, when in revisions]),
        tuple(Mark(x(t), f"{t.astimezone(zone):%m-%d}" if long else say.clock(t, zone), "") for t in ticks),
        tuple((y(v), say.score(v)) for v in (least, (least + most) / 2, most)),
        _("Mean score from {first} to {last}", first=say.score(stretches[0].mean), last=say.score(stretches[-1].mean)),
    )  # fmt: skip


def _flags(found: Sequence[tuple[int, Decimal, str]]) -> tuple[Mark, ...]:
    """Each revision as a flag; from right to left, one whose label would lie over the next has none."""
    marks: list[Mark] = []
    free = Decimal(WIDTH) + FLAG_ROOM
    for number, x, at in reversed(found):
        roomy = free - x >= FLAG_ROOM
        free = x if roomy else free
        marks.append(Mark(x, f"{number}" if roomy else "", _("revision {number} since {at}", number=number, at=at)))
    return tuple(marks[::-1])


def _said(each: Stretch, now: datetime, zone: tzinfo) -> str:
    return _(
        "{at}: {mean}, eight of ten from {low} to {high}; scores: {n}", at=say.day_clock(each.at, now, zone), mean=f"{each.mean:.3f}", low=f"{each.low:.3f}", high=f"{each.high:.3f}",
        n=say.count(each.scores),
    )  # fmt: skip


def _points(path: Sequence[tuple[Decimal, Decimal]]) -> str:
    return " ".join(f"{x},{y}" for x, y in path)
