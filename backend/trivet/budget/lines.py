"""Lines of a budget, and which of them were crossed. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.budget.book import Terms
from trivet.kit.money import EXACT

FULL = 100  # %; where a hard line lies
LINES = (50, 80, 90, FULL)
LINE_MAX = 1_000  # %; past the limit there may be soft lines too
LINES_MAX = 10


def drawn(terms: Terms) -> tuple[int, ...]:
    """Every line of some terms, rising: the soft ones, and the limit itself where it is hard."""
    return tuple(sorted({*terms.lines, *([FULL] if terms.hard else [])}))


def amount_at(line: int, limit: Decimal) -> Decimal:
    """Where a line lies, in the budget's measure."""
    return EXACT.scaleb(EXACT.multiply(limit, line), -2)


def crossed(before: Decimal, after: Decimal, limit: Decimal, lines: Iterable[int]) -> tuple[int, ...]:
    """Lines that were not reached before and are now, rising. A line is crossed where what was spent reaches it."""
    return tuple(line for line in sorted(lines) if before < amount_at(line, limit) <= after)


def breached_at(before: Decimal, limit: Decimal, told: Sequence[tuple[datetime, Decimal]]) -> datetime | None:
    """When the first of some amounts was received that brought what was spent to the limit, in the order of reception.

    None where the limit had been reached before, or is not by these.
    """
    if before >= limit:
        return None
    total = before
    for received_at, amount in sorted(told, key=lambda each: each[0]):
        total = EXACT.add(total, amount)
        if total >= limit:
            return received_at
    return None


@dataclass(frozen=True, slots=True)
class Overshoot:
    """How far a hard line was overrun before its command: milliseconds from breach to command, and the amount over.

    A breach is told by the database's clock and a command by its worker's: where they differ, never less than nothing.
    """

    breach_to_command_ms: int | None
    over: Decimal


def overshoot(breached: datetime | None, commanded: datetime | None, spent: Decimal, limit: Decimal) -> Overshoot:
    """`over` is what was spent beyond the limit when the command was given; without reservations nothing stops it before."""
    took = (
        None if breached is None or commanded is None else max(0, round((commanded - breached).total_seconds() * 1000))
    )
    return Overshoot(took, max(Decimal(0), EXACT.subtract(spent, limit)))
