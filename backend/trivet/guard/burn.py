"""Does an error budget burn too fast? Two windows of different length must agree. Pure.

The long window says that enough was burned to matter, the short one that it still burns, so that a breach ends soon after
the fault does. The table is the one of the SRE workbook for a budget of 30 days: 2 % of it in an hour, 5 % in six hours
page; a tenth in a day or in three is a ticket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from trivet.card.watched import Burn, Guard
from trivet.guard.standing import Standing, Verdict, lasting

GOES_ON = 0.8  # of the factor: a breach goes on while the long window burns at least this part of it


@dataclass(frozen=True, slots=True)
class Pair:
    """Both windows, in seconds, and how many times faster than even the budget burns at the limit."""

    long_s: int
    short_s: int
    factor: float
    severity: str


TABLE = (
    Pair(3_600, 300, 14.4, "page"),
    Pair(21_600, 1_800, 6.0, "page"),
    Pair(86_400, 7_200, 3.0, "ticket"),
    Pair(259_200, 21_600, 1.0, "ticket"),
)


@dataclass(frozen=True, slots=True)
class Burning:
    """The pair that burns most against its factor: the rates in both windows, in multiples of an even pace."""

    pair: Pair
    long: float
    short: float
    events: int  # in the long window

    @property
    def rate(self) -> float:
        """What both windows agree on."""
        return min(self.long, self.short)

    @property
    def past(self) -> bool:
        """Whether both are past the factor."""
        return self.rate > self.pair.factor

    @property
    def goes_on(self) -> bool:
        """Whether a breach is not over: the short window is still past it, and the long one not far under it."""
        return self.short > self.pair.factor and self.long > GOES_ON * self.pair.factor


def pairs(burn: Burn) -> tuple[Pair, ...]:
    """The pairs of the guard's severity."""
    return tuple(pair for pair in TABLE if pair.severity == burn.severity)


def lookbacks(burn: Burn) -> tuple[int, ...]:
    """Seconds back for which requests and bad ones are needed, shortest first."""
    return tuple(sorted({seconds for pair in pairs(burn) for seconds in (pair.long_s, pair.short_s)}))


def burning(burn: Burn, burned: Mapping[int, tuple[int, int]], least: int) -> list[Burning]:
    """Each pair with at least `least` requests in its long window and any in its short one, the worst first.

    `burned` are requests, and how many of them were bad, by seconds back. One failure of ten requests burns everything and
    says nothing, so pairs with fewer requests than `least` are left out.
    """
    found = []
    for pair in pairs(burn):
        (n, bad), (n_short, bad_short) = burned.get(pair.long_s, (0, 0)), burned.get(pair.short_s, (0, 0))
        if n >= least and n_short:
            allowed = 1 - burn.objective
            found.append(Burning(pair, bad / n / allowed, bad_short / n_short / allowed, n))
    return sorted(found, key=lambda each: each.rate / each.pair.factor, reverse=True)


def judged(guard: Guard, burned: Mapping[int, tuple[int, int]], before: Standing, now: datetime) -> Verdict | None:
    """The verdict of a guard that burns an error budget; None where too few requests were seen."""
    assert guard.burn is not None
    found = burning(guard.burn, burned, guard.minimum_sample)
    if not found:
        return None
    worst, goes_on = found[0], any(each.past or each.goes_on for each in found)
    standing = Standing(before.broken and goes_on, None, None if goes_on else (before.clear_since or now))
    numbers = {"long": worst.long, "short": worst.short, "factor": worst.pair.factor, "n": float(worst.events)}
    seen = Verdict("ok", said(worst), worst.rate, worst.pair.factor, worst.events, standing, numbers)
    if before.broken:
        return replace(seen, word="breach") if goes_on else replace(seen, reason=f"{seen.reason}: no longer too fast")
    if not worst.past:
        return seen
    over = replace(seen, standing=Standing(False, before.over_since or now, None))
    return lasting(guard, over, seen.reason, "breach", now)


def said(found: Burning) -> str:
    """`the error budget burns 20 times as fast as it may over 1 h and 31 over 5 min, limit 14.4`."""
    return (
        f"the error budget burns {found.long:.3g} times as fast as it may over {_span(found.pair.long_s)}"
        f" and {found.short:.3g} over {_span(found.pair.short_s)}, limit {found.pair.factor:g}"
    )


def _span(seconds: int) -> str:
    for unit_s, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds // unit_s} {name}"
    return f"{seconds} s"
