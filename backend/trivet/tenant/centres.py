"""Make cost centres, place them in their tree, say who owns them."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.tenant import tree
from trivet.tenant.models import CostCentre, CostCentreParent
from trivet.tenant.service import ALWAYS, HOUR_S, create_cost_centre

OWNERS_MAX = 20
_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")


class GoesInCircles(Invalid):
    """A cost centre cannot be beneath itself."""


class TooDeep(Invalid):
    """More levels than a tree may have."""


def create(
    session: Session,
    *,
    name: str,
    actor: str,
    parent: str | None = None,
    effective_from: datetime | None = None,
    code: str = "",
    owners: Sequence[str] = (),
) -> CostCentre:
    """A new account of finance's, beneath another one where that is named, from always on where nothing is said.

    `Conflict` where the name is taken, `NotFound` where the parent is unknown, `TooDeep`.
    """
    made = create_cost_centre(session, name=name, actor=actor, code=code, owners=_addresses(owners), parent=parent)
    if parent is not None:
        _place(session, made, parent, effective_from or ALWAYS)
    return made


def move(
    session: Session,
    *,
    name: str,
    parent: str | None,
    effective_from: datetime | None,
    actor: str,
    now: datetime,
) -> datetime:
    """Place a cost centre beneath another one, or at the top, from an hour on (the current one where none is said).

    The first place it is ever given holds from always on. Says from when. `GoesInCircles`, `TooDeep`, `NotFound`;
    `Conflict` where it was placed from that instant on already.
    """
    centre = named(session, name)
    placed = session.scalar(select(CostCentreParent.id).where(CostCentreParent.cost_centre_id == centre.id).limit(1))
    start = effective_from or (floor(now, HOUR_S) if placed else ALWAYS)
    before = tree.paths(session, start)[centre.id]
    _place(session, centre, parent, start)
    outbox.send(session, "ledger.tree_changed", rfc3339(start))
    audit.record(
        session, actor=actor, action="cost_centre.move", subject=f"cost_centre:{name}",
        before={"path": list(before)}, after={"parent": parent, "effective_from": rfc3339(start)},
    )  # fmt: skip
    return start


def describe(
    session: Session, *, name: str, actor: str, code: str | None = None, owners: Sequence[str] | None = None
) -> CostCentre:
    """Another code or other owners; what is None stays. No figure depends on them, so they are not dated."""
    centre = named(session, name)
    before = {"code": centre.code, "owners": list(centre.owners)}
    if code is not None:
        centre.code = code
    if owners is not None:
        centre.owners = _addresses(owners)
    session.flush()
    audit.record(
        session, actor=actor, action="cost_centre.describe", subject=f"cost_centre:{name}", before=before,
        after={"code": centre.code, "owners": list(centre.owners)},
    )  # fmt: skip
    return centre


def named(session: Session, name: str, field: str = "name") -> CostCentre:
    """The cost centre of that name; `NotFound` otherwise."""
    found = session.scalar(select(CostCentre).where(CostCentre.name == name))
    if found is None:
        raise NotFound(f"There is no cost centre {name}: make it with POST /api/v1/cost-centres.", field=field)
    return found


def _place(session: Session, centre: CostCentre, parent: str | None, start: datetime) -> None:
    """Add the row; every tree from then on is checked, those that later rows make too."""
    if floor(start, HOUR_S) != start:
        raise Invalid("A place in the tree starts with a whole hour: 2026-11-21T07:00:00Z.", field="effective_from")
    above = named(session, parent, "parent") if parent is not None else None
    session.execute(text("LOCK TABLE cost_centre_parent IN SHARE ROW EXCLUSIVE MODE"))  # two moves can make a circle
    row = {"cost_centre_id": centre.id, "parent_id": above.id if above else None, "effective_from": start}
    put = insert(CostCentreParent).values(row).on_conflict_do_nothing().returning(CostCentreParent.id)
    if session.scalar(put) is None:
        raise Conflict(
            f"{centre.name} was placed from {rfc3339(start)} on already, and places are not overwritten: give a later "
            "effective_from.",
            field="effective_from",
        )
    later = select(CostCentreParent.effective_from).where(CostCentreParent.effective_from > start).distinct()
    for at in (start, *session.scalars(later.order_by(CostCentreParent.effective_from))):
        _check(session, centre.id, at)


def _check(session: Session, centre_id: int, at: datetime) -> None:
    above = tree.parents(session, at)
    round_trip = tree.circle(above, centre_id)
    if round_trip:
        names = dict(session.execute(select(CostCentre.id, CostCentre.name)).all())
        way = " > ".join(names[one] for one in reversed(round_trip))
        raise GoesInCircles(f"From {rfc3339(at)} on it would be beneath itself: {way}.", field="parent")
    if tree.levels(above, centre_id) > tree.DEPTH_MAX:
        raise TooDeep(
            f"From {rfc3339(at)} on the tree would be more than {tree.DEPTH_MAX} levels deep.", field="parent"
        )


def _addresses(owners: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(owner.strip().lower() for owner in owners))
    wrong = [owner for owner in found if not _ADDRESS.fullmatch(owner)]
    if wrong:
        raise Invalid(f"{wrong[0]!r} is no mail address.", field="owners")
    if len(found) > OWNERS_MAX:
        raise Invalid(f"A cost centre has at most {OWNERS_MAX} owners.", field="owners")
    return found
