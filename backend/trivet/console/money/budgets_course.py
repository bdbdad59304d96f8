"""The picture of one budget: what was spent is solid, what is likely to come dashed with its interval, lines are labelled. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from trivet.budget.course import Course
from trivet.console import format as say
from trivet.console.tongue import _
from trivet.kit.money import EXACT
from trivet.report.forecast import MonthEnd, month_end

WIDTH, HEIGHT = 960, 220
LEFT, RIGHT, TOP, BOTTOM = 8, 176, 16, 24  # the words of lines stand on the right
LABEL_GAP = 13.0
DAY = timedelta(days=1)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """A line across the picture with its words; `hard` acts."""

    y: float
    label_y: float
    words: str
    hard: bool
    over: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that happened, on the time axis."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Paths in the picture's own units; `forecast` and `interval` are "" where it is too early to say. `basis` says in words
    what the forecast is told from.
    """

    height: int
    width: int
    floor_y: float
    spent: str
    forecast: str
    interval: str
    limits: tuple[Limit, ...]
    flags: tuple[Flag, ...]
    now_x: float
    start: str
    end: str
    says: str
    basis: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a window is likely to end at: told from the same days of the weeks before (`weekdays`), else by its pace alone.

    `low` and `high` None where history is too short to know.
    """

    total: Decimal
    low: Decimal | None = None
    high: Decimal | None = None
    weekdays: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a picture is drawn from: a window, its course, its limit with its lines in %, and the instants lines were crossed."""

    starts_at: datetime
    ends_at: datetime
    course: Course
    limit: Decimal
    lines: tuple[int, ...]
    hard: bool
    unit: str
    crossed: tuple[tuple[datetime, int], ...]


def ahead(course: Course, ends_at: datetime, now: datetime, pace: Decimal | None) -> Ahead | None:
    """What it ends at: by the days before, where there are enough; else by its pace; None: too early to say."""
    spent = course.points[-1][1]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    left = -(-(ends_at - today) // DAY)
    if len(course.daily) >= 7 and ends_at - today > DAY:
        told: MonthEnd = month_end(course.daily, spent, today.date(), left, course.begun)
        return Ahead(told.total, told.low, told.high, weekdays=True)
    return Ahead(pace) if pace is not None and ends_at > now else None


def draw(of: Drawn, told: Ahead | None, zone: tzinfo) -> Picture:
    """The picture of a window."""
    spent_until, spent = of.course.points[-1]
    highest = max(of.limit, spent, *((told.total, told.high or ZERO) if told else ()))
    top = EXACT.multiply(highest, Decimal("1.06")) or Decimal(1)
    length = (of.ends_at - of.starts_at).total_seconds()

    def x(at: datetime) -> float:
        return round(LEFT + (at - of.starts_at).total_seconds() / length * (WIDTH - LEFT - RIGHT), 2)

    def y(amount: Decimal) -> float:
        return round(TOP + (1 - float(max(amount, ZERO) / top)) * (HEIGHT - TOP - BOTTOM), 2)

    path = "M" + "L".join(f"{x(at)} {y(amount)}" for at, amount in of.course.points)
    here, there = f"{x(spent_until)} {y(spent)}", x(of.ends_at)
    forecast = f"M{here}L{there} {y(told.total)}" if told else ""
    interval = ""
    if told and told.low is not None and told.high is not None:
        interval = f"M{here}L{there} {y(told.low)}V{y(told.high)}Z"
    return Picture(
        HEIGHT, WIDTH, y(ZERO), path, forecast, interval, _limits(of, spent, y),
        tuple(Flag(x(at), _("{line} % crossed {when}", line=line, when=_day(at, zone))) for at, line in of.crossed),
        x(spent_until), _day(of.starts_at, zone), _day(of.ends_at, zone), _says(of, spent, told),
        _basis(told),
    )  # fmt: skip


def _limits(of: Drawn, spent: Decimal, y: Callable[[Decimal], float]) -> tuple[Limit, ...]:
    places = 0 if of.unit in {"tokens", "requests"} else say.watched_places([of.limit])
    made: list[Limit] = []
    for line in sorted(set(of.lines), reverse=True):
        amount = EXACT.multiply(of.limit, EXACT.scaleb(Decimal(line), -2))
        at = y(amount)
        lowest = made[-1].label_y + LABEL_GAP if made else at
        words = _("{line} %: {amount}", line=line, amount=say.amount(amount, places))
        made.append(Limit(at, max(at, lowest), words, of.hard and line == 100, spent >= amount))
    return tuple(made)


def _says(of: Drawn, spent: Decimal, told: Ahead | None) -> str:
    places = 0 if of.unit in {"tokens", "requests"} else say.watched_places([of.limit, spent])
    said = _(
        "{spent} of {limit} {unit} are spent", spent=say.amount(spent, places), limit=say.amount(of.limit, places),
        unit=of.unit,
    )  # fmt: skip
    if told is None:
        return _("{spent}; it is too early to say what it ends at.", spent=said)
    total = say.amount(told.total, places)
    if not told.weekdays:
        return _("{spent}; at the pace so far it ends at {total}.", spent=said, total=total)
    if told.low is None or told.high is None:
        return _("{spent}; by the weekdays before it is likely to end at {total}.", spent=said, total=total)
    return _(
        "{spent}; by the weekdays before it is likely to end at {total}, between {low} and {high}.", spent=said, total=total,
        low=say.amount(told.low, places), high=say.amount(told.high, places),
    )  # fmt: skip


def _basis(told: Ahead | None) -> str:
    """Which forecast is drawn, and which is said elsewhere on the page."""
    if told is None:
        return _("solid is spent")
    if not told.weekdays:
        return _("solid is spent; dashed goes on at the pace so far, as the sentence and the table do")
    if told.low is None:
        return _(
            "solid is spent; dashed is told from the same weekdays before; the sentence and the table go on at the pace so far"
        )
    return _(
        "solid is spent; dashed, with its interval, is told from the same weekdays before; the sentence and the table go on at "
        "the pace so far"
    )


def _day(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return say.day(local) if (local.hour, local.minute) == (0, 0) else f"{say.day(local)} {local:%H:%M}"
