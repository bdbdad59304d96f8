"""What the page of bills says. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from trivet.bill import telling
from trivet.bill.match import CAUSES
from trivet.bill.telling import KIND_WORDS, Told, shown
from trivet.console import format as say
from trivet.kit.money import EXACT

NONE = (
    "No bill has been imported: with one, each day and model shows what the provider charged against what was measured, "
    "and why they differ."
)
LEFT_OUT = "{lines} lines of other services, {amount} {currency}, were left out"


def sentence(chosen: Told | None, waiting: int) -> str:
    """The chosen bill, and how many wait to be posted."""
    if chosen is None:
        return NONE
    others = waiting - (chosen.state in {"imported", "matched"})
    more = f" {_count(others, 'other bill waits', 'other bills wait')} to be posted." if others else ""
    return telling.sentence(chosen) + more


def cause(name: str, kind: str) -> str:
    """`price, output`; `tax`."""
    words = name.replace("_", " ")
    return f"{words}, {KIND_WORDS[kind]}" if kind else words


def meaning(name: str) -> str:
    """What a cause is, in a sentence."""
    return CAUSES[name]


def causes(parts: Sequence[Sequence[str]], places: int) -> str:
    """`volume 0.500; tax 0.081` of one row, the largest first; kinds of tokens together, and not what shows as nothing."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for name, _, amount in parts:
        found[name] = EXACT.add(found[name], Decimal(amount))
    ranked = sorted(found.items(), key=lambda part: (-abs(part[1]), part[0]))
    seen = [part for part in ranked if round(part[1], places)] or ranked[:1]
    return "; ".join(f"{cause(name, '')} {say.amount(amount, places)}" for name, amount in seen)


def about(*, file_name: str, author: str, lines: int, zone: str, invoices: Sequence[str], rest: Sequence[str]) -> str:
    """Where a bill comes from, in one line."""
    of = f"invoice {', '.join(invoices[:3])}" if invoices else "no invoice number"
    told = [f"{file_name}, {_count(lines, 'line', 'lines')}, {of}, days of {zone}, imported by {author}", *rest]
    return ". ".join(told) + "."


def left_out(other: dict[str, object], bad: dict[str, object], currency: str) -> list[str]:
    """What was not taken from the file."""
    told = []
    if other.get("lines"):
        amount = shown(Decimal(str(other["amount"])))
        told.append(LEFT_OUT.format(lines=f"{other['lines']:,}", amount=amount, currency=currency))
    if bad.get("rows"):
        told.append(f"{bad['rows']} rows that could not be read were left out")
    return told


def preview(told: Told, hours: int, spread: str, adjusts: str) -> str:
    """What posting will do, before it is done."""
    difference = told.total - told.measured
    what = f"Books {_count(hours, 'day', 'days')} of differences, {shown(difference)} {told.currency} in all, against the supply of {telling.title(told.provider)}, which is then {shown(told.total)}."
    who = (
        "They are spread over the tenants that used each model that day, by what it cost them; what nobody used stays apart."
        if spread == "use"
        else "They are kept apart: no cost centre bears them."
    )
    when = f" {adjusts} is closed, so its days are adjustments in the first open month." if adjusts else ""
    return f"{what} {who}{when}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
