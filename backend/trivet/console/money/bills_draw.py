"""From what was measured to what was billed: one bar a cause, each from where the one before ended. Pure.

The axis is the difference, from zero: the left line or the right one is what was measured, the other what was billed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trivet.bill.telling import shown
from trivet.console import format as say
from trivet.console.tongue import _
from trivet.kit.money import EXACT

WIDTH, ROW, HEAD, FOOT = 960, 26, 24, 8
LEFT, RIGHT = 300, 850  # where bars lie; before them the words, after them the amounts
BARS_MAX = 9
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Step:
    """One cause: its bar and its words. `solid`: it is in the ledger."""

    x: float
    y: float
    width: float
    words: str
    amount: str
    solid: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A line down the picture, with what it stands for."""

    x: float
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Steps from the first mark to the second, and the same in words."""

    height: int
    steps: tuple[Step, ...]
    marks: tuple[Mark, ...]
    says: str


def draw(
    measured: Decimal, billed: Decimal, causes: Sequence[tuple[str, Decimal]], currency: str, *, posted: bool
) -> Waterfall:
    """From causes in words, the largest first; the smallest are drawn as one."""
    bars = _joined(causes)
    places = say.watched_places([amount for _words, amount in bars])
    ends = [_ZERO]
    for _words, amount in bars:
        ends.append(EXACT.add(ends[-1], amount))
    low, high = min(ends), max(ends)
    scale = (RIGHT - LEFT) / float(high - low) if high > low else 0.0

    def at(value: Decimal) -> float:
        return round(LEFT + float(value - low) * scale, 2)

    steps = tuple(
        Step(
            min(at(start), at(end)), HEAD + n * ROW + 5, max(round(abs(at(end) - at(start)), 2), 1.0), words,
            _signed(amount, places), posted,
        )
        for n, ((words, amount), start, end) in enumerate(zip(bars, ends, ends[1:], strict=False))
    )  # fmt: skip
    marks = _marks(at(_ZERO), at(ends[-1]), shown(measured), shown(billed))
    said = "; ".join(f"{words} {_signed(amount, places)}" for words, amount in bars) or _("nothing differs")
    says = _(
        "Measured {measured} {currency}; {causes}; billed {billed} {currency}.", measured=shown(measured), causes=said,
        billed=shown(billed), currency=currency,
    )  # fmt: skip
    return Waterfall(HEAD + len(bars) * ROW + FOOT, steps, marks, says)


def _joined(causes: Sequence[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
    kept, rest = list(causes[:BARS_MAX]), causes[BARS_MAX:]
    if rest:
        total = _ZERO
        for _words, amount in rest:
            total = EXACT.add(total, amount)
        kept.append((_("{n} smaller causes", n=len(rest)), total))
    return kept


def _marks(start: float, end: float, measured: str, billed: str) -> tuple[Mark, ...]:
    if start == end:
        return (Mark(start, _("measured and billed {amount}", amount=billed), "middle"),)
    first, second = ("end", "start") if start < end else ("start", "end")
    return (
        Mark(start, _("measured {amount}", amount=measured), first),
        Mark(end, _("billed {amount}", amount=billed), second),
    )


def _signed(amount: Decimal, places: int) -> str:
    text = say.amount(amount, places)
    return f"+{text}" if text[0].isdigit() and amount else text
