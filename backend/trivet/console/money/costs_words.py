"""The sentence of the costs page: what was spent, against what, why it moved, where it leads. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from trivet.console import format as say
from trivet.kit.interval import Interval
from trivet.report.grain import MONTH

DAY = timedelta(days=1)
HUNDRED = Decimal(100)
NAMED = {"bill": "bills", "shared": "shared cost"}


@dataclass(frozen=True, slots=True)
class Spent:
    """Facts of one currency. `low` and `high` None: no interval. `parts` by `moves.STATEMENT`."""

    interval: Interval
    running: bool
    currency: str
    total: Decimal
    of: str = ""  # whose, where it is filtered
    before: Interval | None = None
    was: Decimal | None = None
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    unattributed: Decimal = Decimal(0)
    close: str = ""
    ends_at: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    others: tuple[str, ...] = ()  # further currencies


def sentence(spent: Spent) -> str:
    """`November so far cost 3,204 USD, 8 % more than October's first 20 days: 6 % volume, 3 % price, −1 % mix; …`"""
    places = say.watched_places([spent.total])
    whole = during(spent.interval, running=spent.running, of=spent.of)
    said = f"{whole} cost {say.amount(spent.total, places)} {spent.currency}{_against(spent)}"
    clauses = [_unattributed(spent), _end(spent, places), _others(spent)]
    if spent.close:
        clauses.append(f"as it stood when {month_name(spent.close)} was closed")
    return "; ".join([said, *(clause for clause in clauses if clause)]) + "."


def nothing(interval: Interval, *, running: bool, of: str) -> str:
    """Of an interval without any cost."""
    return f"{during(interval, running=running, of=of)} has cost nothing that Trivet knows of."


def during(interval: Interval, *, running: bool = False, of: str = "") -> str:
    """`CC-7 in October`, `CC-7 on 20 November`, `CC-7 from 5 to 11 October`; without whose it is the time alone."""
    words = when(interval, running=running)
    if not of:
        return words
    link = ("from" if " to " in words else "on") if words[0].isdigit() else "in"
    return f"{of} {link} {words}"


def when(interval: Interval, *, running: bool = False) -> str:
    """`November so far`, `October`, `October's first 20 days`, `5 to 11 November`."""
    start, end = interval.start, interval.end
    name = f"{start:%B}"
    if MONTH.floor(start) == start:
        if end == MONTH.after(start):
            return name
        if end < MONTH.after(start):
            if running:
                return f"{name} so far"
            days = max(round((end - start) / DAY), 1)
            return f"{name}'s first day" if days == 1 else f"{name}'s first {days} days"
    last = end - timedelta(microseconds=1)
    if (last.month, last.year) == (start.month, start.year):
        return f"{start.day} to {last.day} {name}" if last.day != start.day else f"{start.day} {name}"
    return f"{start.day} {start:%b} to {last.day} {last:%b}"


def month_name(period: str) -> str:
    """`2026-10` as `October 2026`."""
    return f"{date.fromisoformat(f'{period}-01'):%B %Y}"


def _against(spent: Spent) -> str:
    if spent.was is None or spent.before is None:
        return ""
    than = when(spent.before)
    if spent.was <= 0:
        return f", and nothing is on record for {than}" if spent.was == 0 else ""
    change = (spent.total - spent.was) / spent.was
    words = say.change(float(change))
    compared = f"as {than}" if words == "the same" else f"than {than}"
    shares = [
        (name, part / spent.was) for name, part in spent.parts.items() if abs(part / spent.was) >= Decimal("0.005")
    ]
    shares.sort(key=lambda each: -abs(each[1]))
    why = ", ".join(f"{_percent(share)} {NAMED.get(name, name)}" for name, share in shares)
    return f", {words} {compared}{f': {why}' if why else ''}"


def _percent(share: Decimal) -> str:
    return f"{share * HUNDRED:.0f} %".replace("-", say.MINUS)


def _unattributed(spent: Spent) -> str:
    if not spent.unattributed or spent.total <= 0:
        return ""
    return f"{say.share(float(spent.unattributed / spent.total))} is unattributed"


def _end(spent: Spent, places: int) -> str:
    if spent.ends_at is None:
        return ""
    wide = max(places - 2, 0)
    said = f"at this pace the month ends at {say.amount(spent.ends_at, wide)}"
    if spent.low is None or spent.high is None:
        return f"{said}, told from too few days for an interval"
    return f"{said} ({say.amount(spent.low, wide)} to {say.amount(spent.high, wide)})"


def _others(spent: Spent) -> str:
    return f"{' and '.join(spent.others)} beside it" if spent.others else ""
