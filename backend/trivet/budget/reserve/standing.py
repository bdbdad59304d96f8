"""What a reservation holds at this moment, from what was asked, what was posted and what was measured. Pure.

It holds what may still come of its calls, and what was posted and is not measured yet:

    held = max(0, each × calls neither posted nor given back + posted − used)

in money, tokens and requests alike. `used` is what spans that name the reservation told, counted in the very transaction
in which the budgets' `spent` includes them: so each call is committed once, as a hold or as spent, and never as neither.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from trivet.kit.errors import Conflict, Invalid
from trivet.kit.money import EXACT

State = Literal["pending", "posted", "void", "expired"]
Measure = Literal["money", "tokens", "requests"]
NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Amounts:
    """The same thing in the three measures of a budget."""

    money: Decimal = NONE
    tokens: int = 0
    requests: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(EXACT.add(self.money, other.money), self.tokens + other.tokens, self.requests + other.requests)

    def __sub__(self, other: "Amounts") -> "Amounts":
        return self + other.times(-1)

    def times(self, count: int) -> "Amounts":
        return Amounts(EXACT.multiply(self.money, Decimal(count)), self.tokens * count, self.requests * count)

    @property
    def positive(self) -> "Amounts":
        """What is below zero counts as nothing."""
        return Amounts(max(self.money, NONE), max(self.tokens, 0), max(self.requests, 0))

    def of(self, measure: Measure) -> Decimal:
        """In one measure."""
        return Decimal(getattr(self, measure))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a reservation stands. `each` is the most that one of its `calls` may cost; `settled`: it holds nothing more."""

    each: Amounts
    calls: int = 1
    state: State = "pending"
    posted_calls: int = 0
    posted: Amounts = Amounts()
    used: Amounts = Amounts()
    settled: bool = False

    @property
    def open_calls(self) -> int:
        """Calls that may still be made, or have been and were not posted."""
        return self.calls - self.posted_calls if self.state in ("pending", "expired") else 0

    @property
    def held(self) -> Amounts:
        if self.settled:
            return Amounts()
        return (self.each.times(self.open_calls) + self.posted - self.used).positive

    @property
    def excess(self) -> Amounts:
        """What was posted or measured beyond what was granted."""
        granted = self.each.times(self.calls)
        posted, used = (self.posted - granted).positive, (self.used - granted).positive
        return Amounts(
            max(posted.money, used.money), max(posted.tokens, used.tokens), max(posted.requests, used.requests)
        )


def post(before: Standing, actual: Amounts, calls: int, *, close: bool) -> Standing:
    """`calls` of it were made and cost `actual`; `close` gives the others back. `Conflict` where it has ended."""
    if before.state in ("posted", "void"):
        raise Conflict(
            f"This reservation is {before.state}: it takes no more posts. What spans tell is counted anyway."
        )
    if not 0 <= calls <= before.open_calls:
        raise Invalid(f"{before.open_calls} of its {before.calls} calls are not posted yet.", field="calls")
    after = replace(before, posted_calls=before.posted_calls + calls, posted=before.posted + actual)
    return settle(replace(after, state="posted") if close or not after.open_calls else after)


def void(before: Standing) -> Standing:
    """Its calls that were not posted are not going to be made; voided twice is voided once."""
    if before.state == "void":
        return before
    if before.state == "posted":
        raise Conflict("This reservation is posted: its calls were made, and it cannot be voided.")
    return settle(replace(before, state="posted" if before.posted_calls else "void"))


def expire(before: Standing) -> Standing:
    """Nobody posted it in time: what may have been called counts until it is measured, or until the grace ends."""
    return settle(replace(before, state="expired")) if before.state == "pending" else before


def extend(before: Standing, each: Amounts) -> Standing:
    """Its calls may cost `each` now, such as a dearer model's."""
    if before.state != "pending":
        raise Conflict(f"This reservation is {before.state}: ask for a new one.")
    return replace(before, each=each)


def give_up(before: Standing) -> Standing:
    """The grace is over: what was not measured by now counts through `spent` when it comes."""
    return replace(before, settled=before.settled or before.state != "pending")


def settle(standing: Standing) -> Standing:
    """The same, settled where nothing more is to come: as many requests measured as were posted, or may have been made."""
    if standing.state == "pending" or standing.settled:
        return standing
    expected = standing.posted.requests + standing.each.requests * standing.open_calls
    return replace(standing, settled=standing.used.requests >= expected)
