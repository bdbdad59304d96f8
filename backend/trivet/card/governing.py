"""Which card governs a scenario now, and which one a rollback would return to. Only read here."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from trivet import db
from trivet.card.content import Card, parse
from trivet.card.history import standing
from trivet.card.models import Activation, CardRevision
from trivet.kit.errors import Invalid
from trivet.rollup.read import one_of
from trivet.tenant.models import Scenario

HISTORY_DEPTH = 50  # how many activations back a rollback can look
CARDS_CACHED = 10_000
_cards: dict[tuple[int, datetime], Card | None] = {}  # None: it was kept once and cannot be read now
db.caches.append(_cards.clear)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActiveCard:
    """The revision that governs a scenario since `active_from`; `previous_number` is where a rollback would go.

    `first`: none governed before it.
    """

    scenario_id: int
    scenario: str
    revision_id: int
    number: int
    card: Card
    active_from: datetime
    previous_number: int | None
    first: bool = False


def active(session: Session, scenario_ids: Collection[int] | None = None) -> dict[int, ActiveCard]:
    """The active card of each scenario that has one, by scenario id. One that cannot be read is logged and left out."""
    newest = (
        select(Activation)
        .where(Activation.scenario_id == Scenario.id)
        .order_by(Activation.id.desc())
        .limit(HISTORY_DEPTH)
        .lateral("newest")
    )
    query = (
        select(Scenario.id, Scenario.name, newest.c.number, newest.c.revision_id, newest.c.active_from)
        .add_columns(newest.c.rolled_back_from)
        .join_from(Scenario, newest, true())
        .order_by(Scenario.id, newest.c.id)
    )
    if scenario_ids is not None:
        query = query.where(one_of(Scenario.id, scenario_ids))
    rows: dict[int, list[Any]] = {}
    for row in session.execute(query):
        rows.setdefault(row.id, []).append(row)
    cards = bodies(session, {history[-1].revision_id for history in rows.values()})
    return {
        scenario_id: _active(history, card)
        for scenario_id, history in rows.items()
        if (card := cards[history[-1].revision_id]) is not None
    }


def standing_in(session: Session, scenario_id: int, number: int) -> ActiveCard | None:
    """A scenario whose active card cannot be read, with the card of another of its revisions; None where neither is there."""
    newest = select(Activation).where(Activation.scenario_id == scenario_id).order_by(Activation.id.desc()).limit(1)
    wanted = select(CardRevision.id).where(CardRevision.scenario_id == scenario_id, CardRevision.number == number)
    last, id_ = session.scalar(newest), session.scalar(wanted)
    card = bodies(session, [id_])[id_] if id_ is not None else None
    if last is None or card is None:
        return None
    name = session.scalars(select(Scenario.name).where(Scenario.id == scenario_id)).one()
    return ActiveCard(scenario_id, name, last.revision_id, last.number, card, last.active_from, None)


def _active(history: list[Any], card: Card) -> ActiveCard:
    last = history[-1]
    _, previous = standing([(row.number, row.rolled_back_from) for row in history])
    return ActiveCard(
        scenario_id=last.id,
        scenario=last.name,
        revision_id=last.revision_id,
        number=last.number,
        card=card,
        active_from=last.active_from,
        previous_number=previous,
        first=len(history) == 1,
    )


def bodies(session: Session, revision_ids: Collection[int]) -> dict[int, Card | None]:
    """Cards by revision id. A revision that was ever active never changes, so it is parsed once a process."""
    keys = session.execute(
        select(CardRevision.id, CardRevision.created_at).where(one_of(CardRevision.id, revision_ids))
    )
    found: dict[int, tuple[int, datetime]] = {id_: (id_, created_at) for id_, created_at in keys.all()}
    missing = [id_ for id_, key in found.items() if key not in _cards]
    for id_, body in session.execute(
        select(CardRevision.id, CardRevision.body).where(one_of(CardRevision.id, missing))
    ):
        if len(_cards) >= CARDS_CACHED:
            _cards.clear()
        _cards[found[id_]] = _read(id_, body)
    return {id_: _cards[key] for id_, key in found.items()}


def _read(revision_id: int, body: Any) -> Card | None:
    """A kept card. What a later version refuses must not take the other scenarios' cards away."""
    try:
        return parse(body)
    except Invalid as bad:
        _log.error("The card of revision %d cannot be read and governs nothing: %s", revision_id, bad.detail)
        return None
