"""Cost centres as a tree, for reports: one asked for stands for its descendants, and one shown may stand for them too.

The tree is the one that held at the end of the interval: a past report gives the same number again.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.errors import Invalid
from trivet.report.gathered import CENTRE
from trivet.report.names import Labels
from trivet.tenant import tree


def with_descendants(
    session: Session, where: Mapping[str, Collection[Any]], at: datetime
) -> Mapping[str, Collection[Any]]:
    """The same filters, each cost centre with all that is beneath it at an instant."""
    if not any(where.get(CENTRE, ())):
        return where
    above = tree.parents(session, at)
    wanted = {below for one in where[CENTRE] for below in (tree.beneath(above, one) if one else [0])}
    return {**where, CENTRE: sorted(wanted)}


def rolled_up(session: Session, labels: Labels, depth: int | None, at: datetime) -> Labels:
    """Names of cost centres no deeper than `depth` levels from their top: what is deeper goes by the one above it there."""
    if depth is None:
        return labels
    if not 1 <= depth <= tree.DEPTH_MAX:
        raise Invalid(f"`cost_centre_depth` is from 1, the top, to {tree.DEPTH_MAX}.", field="cost_centre_depth")
    shown = labels.by_name.get("cost_centre")
    if shown is None:
        return labels
    paths = tree.paths(session, at)
    return Labels({**labels.by_name, "cost_centre": {one: paths[one][:depth][-1] for one in shown}})
