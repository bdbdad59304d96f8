"""What the pages of periods and cost centres say. Pure: facts in, words out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from trivet.console import format as say
from trivet.kit.clock import rfc3339

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
PLACES = 2


@dataclass(frozen=True, slots=True)
class Closed:
    """The last month that was closed."""

    month: str
    at: datetime
    by: str
    totals: Mapping[str, Decimal]
    adjustments: int = 0  # postings that name it
    adjusted_by: Mapping[str, Decimal] | None = None


def month_words(month: str) -> str:
    """`2026-10` -> `October 2026`."""
    year, number = month.split("-")
    return f"{MONTHS[int(number) - 1]} {year}"


def month_name(month: str) -> str:
    """`2026-10` -> `October`."""
    return MONTHS[int(month.split("-")[1]) - 1]


def amounts(totals: Mapping[str, Decimal]) -> str:
    """`12,345.67 USD and 10.00 EUR`; `nothing` where there is nothing."""
    found = [f"{say.amount(amount, PLACES)} {currency}" for currency, amount in sorted(totals.items())]
    return " and ".join(found) or "nothing"


def person(actor: str, names: Mapping[str, str]) -> str:
    """A person's name, or which key it was."""
    if actor.startswith("key:"):
        return f"the key {actor.removeprefix('key:')}"
    return names.get(actor, actor)


def sentence(last: Closed | None, open_: Sequence[str], asked: Mapping[str, str], zone: tzinfo) -> str:
    """How the months stand: the last close, what is open (oldest first), who asked for what, what names the closed one."""
    parts = []
    if last:
        day = last.at.astimezone(zone)
        parts.append(
            f"{month_words(last.month)} was closed on {day.day} {day:%b} by {last.by} at {amounts(last.totals)}"
        )
    parts += [
        f"{who} asked to close {month_name(month)}, and a second person has to agree" for month, who in asked.items()
    ]
    still = [month for month in open_ if month not in asked]
    if still:
        parts.append(f"{_list([month_name(month) for month in still])} {'is' if len(still) == 1 else 'are'} open")
    if last and last.adjustments:
        noun, verb = ("adjustment", "names") if last.adjustments == 1 else ("adjustments", "name")
        parts.append(f"{last.adjustments} {noun} of {amounts(last.adjusted_by or {})} {verb} {month_name(last.month)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if last else f"No month is closed yet; {text}."


def request_preview(month: str, totals: Mapping[str, Decimal]) -> str:
    """What asking to close a month does."""
    return (
        f"You ask to close {month_words(month)}, which stands at {amounts(totals)}. A second person closes it; until then "
        "it still takes postings."
    )


def close_preview(month: str, after: str, totals: Mapping[str, Decimal]) -> str:
    """What closing a month does."""
    return (
        f"{month_words(month)} closes at {amounts(totals)} and stays closed. What comes late is booked in "
        f"{month_name(after)} as an adjustment that names it."
    )


def cancel_preview(month: str) -> str:
    """What taking a request back does."""
    return f"{month_words(month)} is open again, as if nobody had asked."


def by(closed: str, asked: str, at: datetime | None, zone: tzinfo) -> str:
    """`Mia Lind on 3 Nov, asked by Robin Sato`; `asked by Robin Sato` of one not closed yet."""
    if not closed or at is None:
        return f"asked by {asked}" if asked else ""
    day = at.astimezone(zone)
    return f"{closed} on {day.day} {day:%b %Y}, asked by {asked}"


def centres(count: int, tenants: int, unmapped: int) -> str:
    """How complete the mapping is."""
    if not count and not unmapped:
        return "No cost centre has been made and no tenant met yet."
    if not count:
        return f"There is no cost centre yet, so what {_count(unmapped, 'tenant')} cost shows as unattributed."
    charged = (
        f"{_count(count, 'cost centre')} {'bears' if count == 1 else 'bear'} the cost of {_count(tenants, 'tenant')}"
    )
    if not unmapped:
        return f"{charged}; every tenant has one."
    has = "has" if unmapped == 1 else "have"
    return f"{charged}; {_count(unmapped, 'tenant')} {has} none, and what they cost shows as unattributed."


def rule(kind: str, usage_of: str, targets: Sequence[tuple[str, str]]) -> str:
    """`60 % CC-7, 40 % acme`, `evenly: CC-7, acme`, `by usage of the month: CC-7`."""
    if kind == "fixed":
        return ", ".join(f"{percent} % {name}" for name, percent in targets)
    whom = ", ".join(name for name, _ in targets) or "everybody"
    return f"evenly: {whom}" if kind == "even" else f"by usage of the {usage_of}: {whom}"


def mapping(tenant: str, before: str | None, centre: str, start: datetime | None, *, known: bool) -> str:
    """`acme: from CC-1 to CC-2, from 2026-11-01T00:00:00Z on`."""
    since = f", from {rfc3339(start)} on" if start and start.year > 1970 else ", for all its usage"
    where = (
        f"from {before} to {centre}"
        if before and before != centre
        else f"stays with {centre}"
        if before
        else f"to {centre}"
    )
    return f"{tenant}: {where}{since}{'' if known else ' (never met in spans)'}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
