"""What the pages of prices say, and the picture of one price. Pure: values in, words and points out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from trivet.console import format as say
from trivet.console.money.prices_views import Line, Mark, StepPicture
from trivet.console.tongue import N_, _, _n
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
WHY: Final = {
    "no_price": N_("the book has no price for it"),
    "no_model": N_("the span names no model"),
    "no_tokens": N_("it went well and counts no tokens"),
    "unknown_operation": N_("an operation that tokens do not price"),
}
KINDS: Final = {
    "input": N_("input"), "output": N_("output"), "cache_read": N_("cache read"), "cache_write": N_("cache write"),
    "reasoning": N_("reasoning"),
}  # fmt: skip
STATES: Final = {
    "holds": N_("holds"), "past": N_("past"), "beneath": N_("beneath"), "coming": N_("to come"), "ends": N_("ends"),
    "new": N_("new"), "changed": N_("changed"),
}  # fmt: skip

SOURCES: Final = {"entered": N_("entered"), "contract": N_("contract")}  # what services write where nobody said any


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
        opening = _("No price has been entered yet")
    else:
        opening = _n("{n} price holds now", "{n} prices hold now", known.held, n=say.count(known.held))
        if known.overrides:
            opening = _n(
                "{prices}, {n} of them an override", "{prices}, {n} of them overrides", known.overrides, prices=opening,
                n=say.count(known.overrides),
            )  # fmt: skip
    if known.models or known.odd or known.units:
        return _("{opening}; {gaps}.", opening=opening, gaps="; ".join(_gaps(known)))
    if not known.held:
        return _("{opening}.", opening=opening)
    return _("{opening}; nothing of the last {days} days is without one.", opening=opening, days=DAYS)


def _gaps(known: Known) -> list[str]:
    lacking = []
    if known.models:
        lacking.append(
            _n("{n} model of the last {days} days has no price", "{n} models of the last {days} days have no price",
               known.models, n=say.count(known.models), days=DAYS)
        )  # fmt: skip
    if known.odd:
        lacking.append(
            _n("{n} request says too little to be priced", "{n} requests say too little to be priced", known.odd,
               n=say.count(known.odd))
        )  # fmt: skip
    gaps = []
    if lacking:
        what = lacking[0] if len(lacking) == 1 else _("{first} and {last}", first=lacking[0], last=lacking[1])
        if known.tokens:
            gaps.append(_("{what}: {n} tokens are not in any cost", what=what, n=_short(known.tokens)))
        else:
            gaps.append(
                _n("{what}: {n} request is not in any cost", "{what}: {n} requests are not in any cost", known.requests,
                   what=what, n=say.count(known.requests))
            )  # fmt: skip
    if known.units:
        gaps.append(
            _n("{n} quantity has no unit price", "{n} quantities have no unit price", known.units,
               n=say.count(known.units))
        )  # fmt: skip
    return gaps


def named(model: str, provider: str, tier: str, pool: str) -> str:
    """`gpt-4o of openai in tier batch on h100`."""
    said = _("{model} of {provider}", model=model, provider=provider)
    said = _("{model} in tier {tier}", model=said, tier=tier) if tier else said
    return _("{model} on {pool}", model=said, pool=pool) if pool else said


def note(*parts: str, pool: str) -> str:
    """`batch · on h100`: what tells a price from others of its model."""
    return " · ".join(filter(None, (*parts, pool and _("on {pool}", pool=pool))))


def source(written: str) -> str:
    """Where a price comes from: a word of ours in the reader's language, else as it was written."""
    return _(SOURCES[written]) if written in SOURCES else written


def history_sentence(what: str, held: PriceLine | None, since: datetime | None, source: str) -> str:
    """What one price is now, since when and where it comes from."""
    if held is None or since is None:
        return _("{what} has no price now: what it costs is a gap.", what=what)
    said = _(
        "{what} costs {input} for a million input tokens and {output} for a million output tokens", what=what,
        input=say.with_currency(plain(held.rates.input[0][1]), held.currency),
        output=say.with_currency(plain(held.rates.output[0][1]), held.currency),
    )  # fmt: skip
    if since.year > ALWAYS_YEAR:
        said = _("{said} since {day}", said=said, day=day_year(since))
    if held.percent:
        said = _("{said}, {percent} % under its list price", said=said, percent=plain(held.percent))
    return _("{said}: {source}.", said=said, source=source)


def day_year(at: datetime) -> str:
    """`20 Nov 2026`; in Chinese `2026 年 11 月 20 日`."""
    return _("{day} {year}", day=say.day(at), year=at.year)


def rate_words(steps: Steps) -> str:
    """`2.5`, or `1.25 · 2.5 over 200 k`."""
    return " · ".join(
        _("{price} over {tokens}", price=plain(price), tokens=_short(start)) if start else plain(price)
        for start, price in steps
    )


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
    priced = [line for _at, line in rows if line]
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
        tuple(
            Mark(frame.x(at), _("{day}: {change}", day=day_year(at), change=change_words(line)), at <= now)
            for at, line in shown
        ),
        tuple((frame.y(amount), plain(amount)) for amount in (Decimal(0), top)),
        day_year(start),
        day_year(end),
        "; ".join(f"{day_year(at)} {change_words(line)}" for at, line in rows),
    )


def change_words(line: PriceLine | None) -> str:
    """What a row says in a few words."""
    if line is None:
        return _("no price")
    return _(
        "input {input}, output {output}", input=plain(line.rates.input[0][1]), output=plain(line.rates.output[0][1])
    )


def _line(kind: str, rows: Sequence[Held], now: datetime, frame: _Frame) -> Line:
    solid: list[str] = []
    dashed: list[str] = []
    last: Decimal | None = None
    for (at, line), until in zip(rows, [*(at for at, _line_then in rows[1:]), frame.end], strict=True):
        if line is None or until <= frame.start:
            continue
        last = getattr(line.rates, kind)[0][1]
        for path, begins, ends in ((solid, at, min(until, now)), (dashed, max(at, now), until)):
            if begins < ends:
                path.append(f"M{frame.x(begins)} {frame.y(last)}H{frame.x(ends)}")
    words = f"{_(KINDS[kind])} {plain(last)}" if last is not None else ""
    return Line(kind, "".join(solid), "".join(dashed), words, frame.y(last) if last is not None else Decimal(0))


def _apart(lines: list[Line]) -> list[Line]:
    """The same lines with labels that do not lie on each other, from the top down."""
    placed: list[Line] = []
    for line in sorted(lines, key=lambda line: line.label_y):
        lowest = placed[-1].label_y + LABEL_GAP if placed else line.label_y
        placed.append(replace(line, label_y=max(line.label_y, lowest)))
    return placed


def _short(count: int) -> str:
    """`1.2 M`, `840 k`, `312`: a count that is watched."""
    for size, unit in ((10**9, "bn"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            whole, tenth = divmod(count * 10 // size, 10)
            return f"{whole}.{tenth} {unit}" if tenth and whole < 100 else f"{whole} {unit}"
    return str(count)
