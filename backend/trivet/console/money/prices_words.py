"""What the pages of prices say, and the picture of one price. Pure: values in, words and points out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.console import format as say
from trivet.console.money.prices_views import Line, Mark, StepPicture
from trivet.pricing.book import PriceLine
from trivet.pricing.dated import plain
from trivet.pricing.rate import Steps

WIDTH, HEIGHT = 720, 180
LEFT, RIGHT, TOP, BOTTOM = 56, 128, 12, 24
SHOWN_KINDS = ("output", "input", "cache_read")
LABEL_GAP = Decimal(14)
YEAR = timedelta(days=365)
MONTH = timedelta(days=30)
DAYS = 30  # how far back gaps are looked for
ALWAYS_YEAR = 1970  # of list prices without a date
_SECOND = timedelta(seconds=1)
_TENTH = Decimal("0.1")
Held = tuple[datetime, PriceLine | None]  # from when, and what; None: nothing
WHY = {
    "no_price": "the book has no price for it",
    "no_model": "the span names no model",
    "no_tokens": "it went well and counts no tokens",
    "unknown_operation": "an operation that tokens do not price",
}


@dataclass(frozen=True, slots=True)
class Known:
    """How many prices hold and are overrides; what of the last days has none: models, units, and requests that no price
    would help (`odd`); and all requests and tokens that are in no cost.
    """

    held: int
    overrides: int = 0
    models: int = 0
    requests: int = 0
    tokens: int = 0
    units: int = 0
    odd: int = 0


def sentence(known: Known) -> str:
    """What the book knows, and what it does not."""
    if not known.held:
        opening = "No price has been entered yet"
    else:
        opening = f"{_several(known.held, 'price')} {'holds' if known.held == 1 else 'hold'} now"
        if known.overrides:
            opening += (
                f", {say.count(known.overrides)} of them {'an override' if known.overrides == 1 else 'overrides'}"
            )
    if not (known.models or known.odd or known.units):
        return f"{opening}; nothing of the last {DAYS} days is without one." if known.held else f"{opening}."
    return f"{opening}; {'; '.join(_gaps(known))}."


def _gaps(known: Known) -> list[str]:
    lacking = []
    if known.models:
        has = "has" if known.models == 1 else "have"
        lacking.append(f"{_several(known.models, 'model')} of the last {DAYS} days {has} no price")
    if known.odd:
        says = "says" if known.odd == 1 else "say"
        lacking.append(f"{_several(known.odd, 'request')} {says} too little to be priced")
    gaps = []
    if lacking:
        touched = f"{_short(known.tokens)} tokens" if known.tokens else _several(known.requests, "request")
        are = "is" if not known.tokens and known.requests == 1 else "are"
        gaps.append(f"{' and '.join(lacking)}: {touched} {are} not in any cost")
    if known.units:
        has = "has" if known.units == 1 else "have"
        gaps.append(f"{_several(known.units, 'quantity', 'quantities')} {has} no unit price")
    return gaps


def history_sentence(what: str, held: PriceLine | None, since: datetime | None, source: str) -> str:
    """What one price is now, since when and where it comes from."""
    if held is None or since is None:
        return f"{what} has no price now: what it costs is a gap."
    rates = f"{say.with_currency(plain(held.rates.input[0][1]), held.currency)} for a million input tokens and "
    rates += say.with_currency(plain(held.rates.output[0][1]), held.currency)
    off = f", {plain(held.percent)} % under its list price" if held.percent else ""
    return f"{what} costs {rates} for a million output tokens{_since(since)}{off}: {source}."


def _since(at: datetime) -> str:
    return f" since {at:%-d %b %Y}" if at.year > ALWAYS_YEAR else ""


def rate_words(steps: Steps) -> str:
    """`2.5`, or `1.25 · 2.5 over 200 k`."""
    return " · ".join(f"{plain(price)} over {_short(start)}" if start else plain(price) for start, price in steps)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where an instant and an amount lie in the picture."""

    start: datetime
    end: datetime
    top: Decimal

    def x(self, at: datetime) -> Decimal:
        passed = Decimal((max(at, self.start) - self.start) // _SECOND)
        part = passed / Decimal((self.end - self.start) // _SECOND)
        return (LEFT + part * (WIDTH - LEFT - RIGHT)).quantize(_TENTH)

    def y(self, amount: Decimal) -> Decimal:
        return (TOP + (1 - amount / self.top) * (HEIGHT - TOP - BOTTOM)).quantize(_TENTH)


def picture(rows: Sequence[Held], now: datetime) -> StepPicture | None:
    """A price over time: rows of (start, line), ascending. What starts after `now` is dashed. None without any price."""
    priced = [line for _, line in rows if line]
    if not priced:
        return None
    newest = rows[-1][0]
    end = newest + MONTH if newest > now else now
    start = min(max(rows[0][0], end - YEAR), end - MONTH)
    top = max(getattr(line.rates, kind)[0][1] for line in priced for kind in SHOWN_KINDS) or Decimal(1)
    frame = _Frame(start, end, top)
    shown = [(at, line) for at, line in rows if at >= start]
    return StepPicture(
        WIDTH,
        HEIGHT,
        tuple(_apart([_line(kind, rows, now, frame) for kind in SHOWN_KINDS])),
        tuple(Mark(frame.x(at), f"{at:%-d %b %Y}: {change_words(line)}", at <= now) for at, line in shown),
        tuple((frame.y(amount), plain(amount)) for amount in (Decimal(0), top)),
        f"{start:%-d %b %Y}",
        f"{end:%-d %b %Y}",
        "; ".join(f"{at:%-d %b %Y} {change_words(line)}" for at, line in rows),
    )


def change_words(line: PriceLine | None) -> str:
    """What a row says in a few words."""
    if line is None:
        return "no price"
    return f"input {plain(line.rates.input[0][1])}, output {plain(line.rates.output[0][1])}"


def _line(kind: str, rows: Sequence[Held], now: datetime, frame: _Frame) -> Line:
    solid: list[str] = []
    dashed: list[str] = []
    last: Decimal | None = None
    for (at, line), until in zip(rows, [*(at for at, _ in rows[1:]), frame.end], strict=True):
        if line is None or until <= frame.start:
            continue
        last = getattr(line.rates, kind)[0][1]
        for path, begins, ends in ((solid, at, min(until, now)), (dashed, max(at, now), until)):
            if begins < ends:
                path.append(f"M{frame.x(begins)} {frame.y(last)}H{frame.x(ends)}")
    words = f"{kind.replace('_', ' ')} {plain(last)}" if last is not None else ""
    return Line(kind, "".join(solid), "".join(dashed), words, frame.y(last) if last is not None else Decimal(0))


def _apart(lines: list[Line]) -> list[Line]:
    """The same lines with labels that do not lie on each other, from the top down."""
    placed: list[Line] = []
    for line in sorted(lines, key=lambda line: line.label_y):
        lowest = placed[-1].label_y + LABEL_GAP if placed else line.label_y
        placed.append(replace(line, label_y=max(line.label_y, lowest)))
    return placed


def _several(count: int, one: str, many: str = "") -> str:
    return f"{say.count(count)} {one if count == 1 else many or one + 's'}"


def _short(count: int) -> str:
    """`1.2 M`, `840 k`, `312`: a count that is watched."""
    for size, unit in ((10**9, "bn"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            whole, tenth = divmod(count * 10 // size, 10)
            return f"{whole}.{tenth} {unit}" if tenth and whole < 100 else f"{whole} {unit}"
    return str(count)
