"""What pages of conversations say first. Pure."""

from collections.abc import Sequence

from trivet.console import format as say
from trivet.console.requests.words import amounts
from trivet.console.tongue import _, _n
from trivet.report.interactions import Interaction, KindOf


def of_one(found: Interaction) -> str:
    """What it took, in a sentence or a few."""
    lasted = say.duration((found.ended - found.started).total_seconds() * 1000)
    calls = say.count(found.requests)
    cost = amounts(found)
    if found.kind == "conversation":
        whole = _n(
            "This conversation took {n} call in {lasted} and cost {cost}.",
            "This conversation took {n} calls in {lasted} and cost {cost}.", found.requests, lasted=lasted, cost=cost,
        )  # fmt: skip
    else:
        whole = _n(
            "This trace took {n} call in {lasted} and cost {cost}.",
            "This trace took {n} calls in {lasted} and cost {cost}.", found.requests, lasted=lasted, cost=cost,
        )  # fmt: skip
    return " ".join([whole, *_more(found, calls)])


def _more(found: Interaction, calls: str) -> Sequence[str]:
    failed = found.requests - found.outcomes[0]
    said = []
    if failed:
        said.append(_n("{n} of them did not end well.", "{n} of them did not end well.", failed))
    if any(found.levels):
        said.append(_("It ran at {levels} of the ladder.", levels=of_levels(found.levels)))
    if found.unpriced:
        said.append(_n("{n} has no price and is in no sum.", "{n} have no price and are in no sum.", found.unpriced))
    if found.repeats:
        said.append(
            _n("{n} more span tells of the same calls.", "{n} more spans tell of the same calls.", found.repeats)
        )
    if found.left_out:
        said.append(_("There are more: these are the newest {n}.", n=calls))
    return said


def of_levels(levels: set[int]) -> str:
    """`level 0`, `levels 0 and 2`."""
    *before, last = sorted(levels)
    if not before:
        return _("level {n}", n=last)
    return _("levels {some} and {last}", some=", ".join(map(str, before)), last=last)


def of_list(kind: KindOf, shown: int, *, more: bool) -> str:
    """What the list is."""
    if kind == "conversation":
        if not shown:
            return _("No conversation was heard of in this time.")
        if more:
            return _("The newest {n} conversations, each with all it took.", n=shown)
        return _n("{n} conversation, with all it took.", "{n} conversations, each with all it took.", shown)
    if not shown:
        return _("No trace was heard of in this time.")
    if more:
        return _("The newest {n} traces, each with all it took.", n=shown)
    return _n("{n} trace, with all it took.", "{n} traces, each with all it took.", shown)
