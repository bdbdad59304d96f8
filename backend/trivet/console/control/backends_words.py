"""What the page of backends says. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from trivet.console.tongue import N_, _, _n

WAYS: Final[Mapping[str, str]] = {
    "listens": N_("listens"), "webhook": N_("webhook"), "polls": N_("polls"), "silent": N_("silent"),
}  # fmt: skip
WHEN: Final[Mapping[str, str]] = {
    "listens": N_("at once"), "webhook": N_("by a signed message"), "polls": N_("at its next poll"),
    "silent": N_("when it asks"),
}  # fmt: skip
NAMED_MAX = 5


def sentence(ways: Sequence[str], behind: int) -> str:
    """Who is there, how they learn, and whether anything that should hold is not held yet."""
    there = [way for way in ways if way != "silent"]
    if not ways:
        return _("No backend is known yet, so a command would reach nobody.")
    if not there:
        return _("No backend has asked in the last minute, so a command would reach nobody yet.")
    said = _join(
        [
            _n("{n} listens", "{n} listen", there.count("listens")) if "listens" in there else "",
            _("{n} told by webhook", n=there.count("webhook")) if "webhook" in there else "",
            _n("{n} polls", "{n} poll", there.count("polls")) if "polls" in there else "",
        ]
    )
    if behind:
        return _n(
            "{total} in sight: {how}; {n} of them does not hold what it should.",
            "{total} in sight: {how}; {n} of them do not hold what they should.",
            behind, total=_total(len(there)), how=said,
        )  # fmt: skip
    return _("{total} in sight: {how}; all hold what they should.", total=_total(len(there)), how=said)


def _total(count: int) -> str:
    return _n("{n} backend", "{n} backends", count)


def _join(parts: Sequence[str]) -> str:
    return ", ".join(part for part in parts if part)


def holds(has: int, whole: int) -> str:
    """How many of the scenarios that it serves it holds as they should be."""
    return _("holds {has} of {whole}", has=has, whole=whole)


def lacks(scenarios: Sequence[str]) -> str:
    """Which it does not hold."""
    more = len(scenarios) - NAMED_MAX
    named = ", ".join(scenarios[:NAMED_MAX])
    return (
        _("does not hold {names} and {n} more", names=named, n=more)
        if more > 0
        else _("does not hold {names}", names=named)
    )
