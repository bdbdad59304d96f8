"""The choices on the line under a sentence about costs, each with the address it leads to. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta

from trivet.console.address import Link
from trivet.console.money.costs_asked import GROUPS, TIMES, Asked, word
from trivet.console.money.costs_views import Menu
from trivet.console.tongue import N_, _

BASES = {"allocation": N_("as allocated"), "usage": N_("at standard cost")}
COMPARES = {"previous": N_("the time before"), "budget": N_("budget")}


def menus(asked: Asked, currencies: Sequence[str], currency: str, closes: Sequence[str]) -> tuple[Menu, ...]:
    """Rows, columns, basis, what it is held against, as of which close, currency: those that offer a choice."""
    found = [
        Menu(_("By"), tuple(Link(_(word(name)), asked.url(group=name), name == asked.group) for name in GROUPS)),
        Menu(_("Across"), _across(asked)),
        basis(asked),
    ]
    if not asked.across and asked.group not in TIMES:
        links = (Link(_(words), asked.url(compare=key), key == asked.compare) for key, words in COMPARES.items())
        found.append(Menu(_("Against"), tuple(links)))
    if closes:
        now = Link(_("now"), _as_of(asked, asked.as_of), not asked.as_of)
        links = (Link(month, _as_of(asked, month), month == asked.as_of) for month in closes)
        found.append(Menu(_("As of the close of"), (now, *links)))
    if len(currencies) > 1:
        found.append(Menu(_("Currency"), tuple(Link(c, asked.url(currency=c), c == currency) for c in currencies)))
    return tuple(found)


def basis(asked: Asked) -> Menu:
    """Which basis amounts are on."""
    return Menu(
        _("Basis"), tuple(Link(_(words), asked.url(basis=key), key == asked.basis) for key, words in BASES.items())
    )


def _across(asked: Asked) -> tuple[Link, ...]:
    none = Link(_("nothing"), asked.url(across=""), not asked.across)
    names = [
        name for name in GROUPS if name != asked.group and not (name in TIMES and asked.group in TIMES)
    ]  # two kinds of time are one
    return (none, *(Link(_(word(name)), asked.url(across=name), name == asked.across) for name in names))


def _as_of(asked: Asked, month: str) -> str:
    """A closed month as it stood at its close; chosen again, as it stands now."""
    if month == asked.as_of:
        return asked.url(as_of="", range="", since="", until="")
    first = date.fromisoformat(f"{month}-01")
    after = (first + timedelta(days=31)).replace(day=1)
    return asked.url(as_of=month, range="days", since=first.isoformat(), until=after.isoformat())
