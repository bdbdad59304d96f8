"""The picture of when prices changed: a mark each day, as high as many; solid is past, hollow is to come. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.console.money.prices_views import ChangeMark, Timeline
from trivet.console.money.prices_words import day_year
from trivet.console.tongue import _, _n

WIDTH, HEIGHT, TOP, BOTTOM = 920, 84, 18, 20
DAYS_MAX = 400
BAR = 4.0
LEAST = 3.0
AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Changed:
    """How many prices begin to hold on a day, and the address of what holds then."""

    at: datetime
    count: int
    url: str


def draw(days: Sequence[Changed], start: datetime, now: datetime) -> Timeline:
    """From the start to now, or to the last change that is to come. The highest day fills the picture."""
    ordered = sorted(days, key=lambda day: day.at)
    last = ordered[-1].at if ordered else now
    end = max(now, last) + AHEAD
    highest = max((day.count for day in ordered), default=1)
    room = HEIGHT - TOP - BOTTOM

    def x(at: datetime) -> float:
        share = (max(at, start) - start) / (end - start)
        return round(share * (WIDTH - BAR), 2)

    def mark(day: Changed) -> ChangeMark:
        height = round(max(day.count / highest * room, LEAST), 2)
        words = _n("{day}: {n} price", "{day}: {n} prices", day.count, day=day_year(day.at), n=f"{day.count:,}")
        return ChangeMark(x(day.at), round(TOP + room - height, 2), height, words, day.url, day.at <= now)

    marks = tuple(map(mark, ordered))
    newest = "; ".join(each.words for each in marks[-3:])
    says = _n("Prices changed on {n} day, the newest: {days}", "Prices changed on {n} days, the newest: {days}", len(marks), days=newest)  # fmt: skip
    return Timeline(WIDTH, HEIGHT, float(TOP + room), BAR, marks, x(now), day_year(start), _end(now, end - AHEAD), says)


def _end(now: datetime, last: datetime) -> str:
    return day_year(last) if last > now else _("now")
