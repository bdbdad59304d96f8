"""Which revision governed when, as bars on a line of time; a trial is hollow above it. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from trivet.console import format as say
from trivet.console.cards.cards_views import Stretch, Strip
from trivet.console.tongue import N_, _

WIDTH, HEIGHT = 960, 64
LEAST = Decimal(3)  # a bar is never thinner, so that a minute in a month is still seen
TRIED_Y, GOVERNED_Y = 4, 24
LABELLED = Decimal(40)

Governed = tuple[int, datetime]  # revision, from when; oldest first
Tried = tuple[int, datetime, datetime | None]  # revision, from, until


def draw(governed: Sequence[Governed], tried: Sequence[Tried], now: datetime, zone: tzinfo) -> Strip | None:
    """From the first of what is given until now; None where there is nothing."""
    if not governed:
        return None
    first = min([governed[0][1], *(start for _, start, _ in tried)])
    first = min(first, now - timedelta(seconds=1))
    span = Decimal((now - first).total_seconds())

    def bar(number: int, start: datetime, end: datetime, *, solid: bool) -> Stretch:
        x = Decimal((max(start, first) - first).total_seconds()) / span * WIDTH
        width = max(LEAST, Decimal((end - start).total_seconds()) / span * WIDTH)
        text = (
            N_("revision {number} governed from {start} to {end}")
            if solid
            else N_("revision {number} was tried from {start} to {end}")
        )
        stop = _("now") if end == now else _at(end, now, zone)
        words = _(text, number=number, start=_at(start, now, zone), end=stop)
        label = (
            _("revision {number}", number=number)
            if width > LABELLED * 2
            else f"{number}"
            if width > LABELLED / 2
            else ""
        )
        left = min(x, WIDTH - width)
        return Stretch(_places(left), _places(width), GOVERNED_Y if solid else TRIED_Y, solid, label, words)

    ends = [*(start for _, start in governed[1:]), now]
    solid = [bar(n, start, end, solid=True) for (n, start), end in zip(governed, ends, strict=True)]
    hollow = [bar(n, start, end or now, solid=False) for n, start, end in tried]
    says = "; ".join(each.says for each in (*solid, *hollow))
    return Strip(WIDTH, HEIGHT, (*solid, *hollow), _at(first, now, zone), _("now"), says)


def _at(at: datetime, now: datetime, zone: tzinfo) -> str:
    return say.day_clock(at, now, zone)


def _places(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))
