"""What the overview is asked to show: which scenarios, and which of them stand open. Pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from trivet.console import sentence
from trivet.console.address import Address, Link, Times
from trivet.console.queries import CRITICAL_FIRST, ScenarioFacts
from trivet.console.tongue import N_, _

RANGES: Final = ("15m", "1h", "6h", "24h", "7d")
CRITICALITY_WORDS: Final = (N_("core"), N_("auxiliary"), N_("experimental"))
ALL_OPEN_MAX: Final = 6  # so few scenarios all stand open
OPEN_MAX: Final = 6  # of more, so many that are in trouble
BRIEFS_MAX: Final = 40  # in one line each, until somebody asks for all


class OverviewQuery(Times):
    """`q` is part of a name; `open` names a scenario to show in full; `all` shows all of them."""

    q: Annotated[str, Field(max_length=200)] = ""
    criticality: Annotated[str, Field(max_length=20)] = ""
    trouble: Annotated[str, Field(max_length=5)] = ""
    open: Annotated[str, Field(max_length=200)] = ""
    all: Annotated[str, Field(max_length=5)] = ""


def chosen(
    scenarios: Sequence[ScenarioFacts], standings: Mapping[int, sentence.Standing], asked: OverviewQuery
) -> list[ScenarioFacts]:
    """Those that the filters leave, troubled ones first and the worst of them before the others."""
    wanted = asked.q.casefold().strip()
    left = [
        s
        for s in scenarios
        if wanted in s.name.casefold()
        and (asked.criticality not in CRITICAL_FIRST or s.criticality == asked.criticality)
        and (not asked.trouble or sentence.is_troubled(standings[s.id]))
    ]
    troubled = [s for s in left if sentence.is_troubled(standings[s.id])]
    ids = {s.id for s in troubled}
    return sorted(troubled, key=lambda s: sentence.rank(standings[s.id])) + [s for s in left if s.id not in ids]


def standing_open(
    found: Sequence[ScenarioFacts], standings: Mapping[int, sentence.Standing], asked: OverviewQuery
) -> tuple[list[ScenarioFacts], set[int]]:
    """Which stand open, and the ids of those that stand open by themselves."""
    if len(found) <= ALL_OPEN_MAX:
        return list(found), {s.id for s in found}
    worst = [s for s in found if sentence.is_troubled(standings[s.id])][:OPEN_MAX]
    ids = {s.id for s in worst}
    return [*worst, *(s for s in found if s.name == asked.open and s.id not in ids)], ids


def filters(address: Address, asked: OverviewQuery) -> tuple[Link, ...]:
    """Each filter that is set, with the address that takes it away."""
    found = [Link(_("name has “{text}”", text=asked.q), address.url(q=""))] if asked.q.strip() else []
    if asked.criticality in CRITICAL_FIRST:
        found.append(Link(_(asked.criticality), address.url(criticality="")))
    if asked.trouble:
        found.append(Link(_("only in trouble"), address.url(trouble="")))
    return tuple(found)
