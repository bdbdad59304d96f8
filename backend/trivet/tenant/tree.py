"""The tree of cost centres as it held at an instant. The walks are pure, over child id -> parent id."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.tenant.models import CostCentre, CostCentreParent

DEPTH_MAX = 8  # levels from a top to the lowest
Parents = Mapping[int, int]


def parents(session: Session, at: datetime | None = None) -> dict[int, int]:
    """Parent by cost centre, at an instant (now where none is given); a top is not there."""
    found = session.execute(
        select(CostCentreParent.cost_centre_id, CostCentreParent.parent_id)
        .where(CostCentreParent.effective_from <= (func.now() if at is None else at))
        .ext(distinct_on(CostCentreParent.cost_centre_id))
        .order_by(CostCentreParent.cost_centre_id, CostCentreParent.effective_from.desc())
    )
    return {child: parent for child, parent in found if parent is not None}


def paths(session: Session, at: datetime | None = None) -> dict[int, tuple[str, ...]]:
    """By cost centre the names from its top down to its own."""
    names = dict(session.execute(select(CostCentre.id, CostCentre.name)).all())
    above = parents(session, at)
    return {id_: tuple(names[one] for one in reversed(lineage(above, id_))) for id_ in names}


def lineage(above: Parents, centre_id: int) -> list[int]:
    """The cost centre, its parent, and so on up to its top; where they go in a circle, up to the first met again."""
    found = [centre_id]
    while (parent := above.get(found[-1])) is not None:
        found.append(parent)
        if parent in found[:-1]:
            break
    return found


def circle(above: Parents, centre_id: int) -> list[int]:
    """The way from a cost centre up and back to itself, both ends named; empty where it leads to a top."""
    found = lineage(above, centre_id)
    return found if len(found) > 1 and found[-1] == centre_id else []


def beneath(above: Parents, centre_id: int) -> list[int]:
    """The cost centre itself, then everything beneath it, by id."""
    children = _children(above)
    found, waiting = [], [centre_id]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(child for child in children.get(one, ()) if child not in found)
    return [centre_id, *sorted(found[1:])]


def levels(above: Parents, centre_id: int) -> int:
    """Levels of the deepest branch through a cost centre: those above it, itself, those beneath."""
    return max(len(lineage(above, one)) for one in beneath(above, centre_id))


def nearest(above: Parents, centre_id: int, named: Iterable[int]) -> int:
    """The cost centre or the first above it that is among `named`; 0 where none is."""
    wanted = set(named)
    return next((one for one in lineage(above, centre_id) if one in wanted), 0)


def _children(above: Parents) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for child, parent in above.items():
        found.setdefault(parent, []).append(child)
    return found
