"""What the page of GPUs says first. Pure."""

from collections.abc import Sequence

from trivet.console import format as say
from trivet.console.fleet.heat import Group
from trivet.console.tongue import _, _n


def sentence(groups: Sequence[Group]) -> str:
    """How many cards, how busy, and how many are silent."""
    cards = sum(group.cards for group in groups)
    if not cards:
        return _("No card has been heard of since yesterday.")
    silent = sum(cell.silent for group in groups for cell in group.cells)
    read = [(group.used, group.cards) for group in groups if group.used is not None]
    used = sum(used * count for used, count in read) / sum(count for _, count in read) if read else None
    many = _n("{n} card in {pools}", "{n} cards in {pools}", cards, pools=_n("{n} pool", "{n} pools", len(groups)))
    if used is None:
        whole = _("{cards}; none says how busy it is.", cards=many)
    else:
        whole = _("{cards}, {used} utilised on average.", cards=many, used=say.share(used))
    return f"{whole} {_n('{n} is silent.', '{n} are silent.', silent)}" if silent else whole
