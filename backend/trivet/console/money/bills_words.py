"""What the page of bills says. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from trivet.bill import telling
from trivet.bill.telling import KIND_WORDS, Told, shown
from trivet.console import format as say
from trivet.console.tongue import N_, _, _n
from trivet.kit.money import EXACT

NONE: Final = N_(
    "No bill has been imported: with one, each day and model shows what the provider charged against what was measured, "
    "and why they differ."
)
STATES: Final = {
    "imported": N_("imported"),
    "matched": N_("matched"),
    "posted": N_("posted"),
    "replaced": N_("replaced"),
}
CAUSES: Final[Mapping[str, tuple[str, str]]] = {
    "price": (N_("price"), N_("the unit price on the bill is another one than ours")),
    "volume": (N_("volume"), N_("tokens that only the bill has, or only we have")),
    "unpriced": (N_("unpriced"), N_("tokens that we measured and have no price for")),
    "day_boundary": (N_("day boundary"), N_("tokens that the two sides count in neighbouring days")),
    "unknown_model": (N_("unknown model"), N_("a name on the bill that is no model of ours")),
    "fee": (N_("fee"), N_("charges for other things than tokens")),
    "commitment": (N_("commitment"), N_("commitments bought, and usage that they cover")),
    "tax": (N_("tax"), N_("what the provider adds as tax")),
    "credit": (N_("credit"), N_("credits and discounts")),
    "correction": (N_("correction"), N_("corrections and charges of days that this bill does not cover")),
    "rounding": (N_("rounding"), N_("rounding of the bill's lines")),
    "no_rate": (N_("no rate"), N_("measured in a currency that no rate leads from")),
    "unexplained": (N_("unexplained"), N_("nothing that we know of")),
}


def sentence(chosen: Told | None, waiting: int) -> str:
    """The chosen bill, and how many wait to be posted."""
    if chosen is None:
        return _(NONE)
    said = telling.sentence(chosen, _, days)
    others = waiting - (chosen.state in {"imported", "matched"})
    if not others:
        return said
    more = _n("{n} other bill waits to be posted.", "{n} other bills wait to be posted.", others, n=f"{others:,}")
    return f"{said} {more}"


def days(starts_on: date, ends_on: date) -> str:
    """`October 2026` of a whole month, else `3 to 5 October 2026`; in Chinese `2026 年 10 月 3 至 5 日`."""
    return telling.days(starts_on, ends_on, _, say.month_year)


def cause(name: str, kind: str) -> str:
    """`price, output`; `tax`."""
    words = _(CAUSES[name][0])
    return _("{cause}, {kind}", cause=words, kind=_(KIND_WORDS[kind])) if kind else words


def meaning(name: str) -> str:
    """What a cause is, in a sentence."""
    return _(CAUSES[name][1])


def causes(parts: Sequence[Sequence[str]], places: int) -> str:
    """`volume 0.500; tax 0.081` of one row, the largest first; kinds of tokens together, and not what shows as nothing."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for name, _kind, amount in parts:
        found[name] = EXACT.add(found[name], Decimal(amount))
    ranked = sorted(found.items(), key=lambda part: (-abs(part[1]), part[0]))
    seen = [part for part in ranked if round(part[1], places)] or ranked[:1]
    return "; ".join(f"{cause(name, '')} {say.amount(amount, places)}" for name, amount in seen)


def about(*, file_name: str, author: str, lines: int, zone: str, invoices: Sequence[str], rest: Sequence[str]) -> str:
    """Where a bill comes from, in one line."""
    of = _("invoice {numbers}", numbers=", ".join(invoices[:3])) if invoices else _("no invoice number")
    many = _n("{n} line", "{n} lines", lines, n=f"{lines:,}")
    told = _(
        "{file}, {lines}, {invoice}, days of {zone}, imported by {author}.", file=file_name, lines=many, invoice=of,
        zone=zone, author=author,
    )  # fmt: skip
    return " ".join([told, *rest])


def left_out(other: dict[str, object], bad: dict[str, object], currency: str) -> list[str]:
    """What was not taken from the file."""
    told = []
    if other.get("lines"):
        amount = shown(Decimal(str(other["amount"])))
        told.append(
            _("{lines} lines of other services, {amount} {currency}, were left out.", lines=f"{other['lines']:,}",
              amount=amount, currency=currency)
        )  # fmt: skip
    if bad.get("rows"):
        told.append(_("{n} rows that could not be read were left out.", n=bad["rows"]))
    return told


def preview(told: Told, many: int, spread: str, adjusts: str) -> str:
    """What posting will do, before it is done. `adjusts` is the closed month that its days are of, "" for none."""
    what = _n(
        "Books {n} day of differences, {difference} {currency} in all, against the supply of {provider}, which is then {total}.",
        "Books {n} days of differences, {difference} {currency} in all, against the supply of {provider}, which is then {total}.",
        many, n=f"{many:,}", difference=shown(told.total - told.measured), currency=told.currency,
        provider=telling.title(told.provider), total=shown(told.total),
    )  # fmt: skip
    who = (
        _(
            "They are spread over the tenants that used each model that day, by what it cost them; what nobody used stays apart."
        )
        if spread == "use"
        else _("They are kept apart: no cost centre bears them.")
    )
    said = f"{what} {who}"
    if not adjusts:
        return said
    closed = _("{month} is closed, so its days are adjustments in the first open month.", month=adjusts)
    return f"{said} {closed}"
