"""What the page of a price list says before it is entered. Pure."""

from trivet.console.money.prices_words import KINDS
from trivet.console.tongue import _
from trivet.pricing.dated import plain
from trivet.pricing.importing.preview import Move, Preview


def preview(seen: Preview) -> str:
    """What a list would enter, and what it leaves out."""
    counts = seen.counts
    said = _(
        "Would enter {new} new and {changed} changed prices from {source}; {same} are as they were and {left} entries are left "
        "out.",
        new=counts["new"], changed=counts["changed"], source=seen.source, same=counts["unchanged"],
        left=counts["unsayable"],
    )  # fmt: skip
    if not counts["overridden"]:
        return said
    beneath = _("{n} of them lie beneath a price that a person entered.", n=counts["overridden"])
    return f"{said} {beneath}"


def moved(move: Move) -> str:
    """`input 2.5 → 2 (-20.0 %)`."""
    kind = _(KINDS.get(move.kind, move.kind))
    kind = _("{kind} beyond {n} tokens", kind=kind, n=f"{move.over:,}") if move.over else kind
    if move.old is None:
        return f"{kind} {plain(move.new)}"
    percent = "" if move.percent is None else f" ({move.percent:+} %)"
    will = _("none") if move.new is None else plain(move.new)
    return f"{kind} {plain(move.old)} → {will}{percent}"
