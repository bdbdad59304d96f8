"""Revisions of cards: written, submitted, approved by two people, activated, rolled back. What is active is read here.

Activation and rollback change what should hold, so callers go through `command`, which locks the scenario's generation
first; these functions only write the card's own rows.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.card.content import Card, parse
from trivet.card.history import standing
from trivet.card.models import Activation, CardRevision
from trivet.card.presets import preset
from trivet.identity import audit
from trivet.identity.approval import same_person
from trivet.identity.auth import Principal
from trivet.kit.errors import Conflict, Forbidden, Invalid, NotFound
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
        query = query.where(Scenario.id.in_(scenario_ids))
    rows: dict[int, list[Any]] = {}
    for row in session.execute(query):
        rows.setdefault(row.id, []).append(row)
    cards = _bodies(session, {history[-1].revision_id for history in rows.values()})
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
    card = _bodies(session, [id_])[id_] if id_ is not None else None
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


def _bodies(session: Session, revision_ids: Collection[int]) -> dict[int, Card | None]:
    """Cards by revision id. A revision that was ever active never changes, so it is parsed once a process."""
    keys = session.execute(select(CardRevision.id, CardRevision.created_at).where(CardRevision.id.in_(revision_ids)))
    found: dict[int, tuple[int, datetime]] = {id_: (id_, created_at) for id_, created_at in keys.all()}
    missing = [id_ for id_, key in found.items() if key not in _cards]
    for id_, body in session.execute(select(CardRevision.id, CardRevision.body).where(CardRevision.id.in_(missing))):
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


def scenario_named(session: Session, name: str, *, lock: bool = False) -> Scenario:
    """The scenario, or `NotFound`. Locked, its card's changes wait for each other."""
    query = select(Scenario).where(Scenario.name == name)
    # A name with a NUL character cannot be there, and cannot be asked for either.
    scenario = session.scalar(query.with_for_update(key_share=True) if lock else query) if "\0" not in name else None
    if scenario is None:
        raise NotFound(f"There is no scenario {name!r}. Register it: POST /api/v1/scenarios.")
    return scenario


def register(
    session: Session, *, name: str, preset_name: str | None, criticality: str, actor: str, now: datetime
) -> int:
    """Register a scenario; its preset becomes the active revision 1. One first met in spans is registered now."""
    card = preset(preset_name)
    session.execute(insert(Scenario).values(name=name).on_conflict_do_nothing())
    scenario = scenario_named(session, name, lock=True)
    if scenario.registered_at is not None:
        raise Conflict(
            f"Scenario {name!r} is registered already. Change its card: POST /api/v1/cards/{name}/revisions."
        )
    scenario.registered_at = now
    scenario.criticality = criticality
    revision = CardRevision(
        scenario_id=scenario.id, number=1, status="active", body=card.model_dump(mode="json"), author=actor,
        created_at=now, submitted_at=now,
    )  # fmt: skip
    session.add(revision)
    session.flush()
    _activation(session, revision, actor=actor, reason=f"preset {preset_name or 'by default'}", now=now)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="scenario.register",
        subject=f"scenario:{name}",
        after={"preset": preset_name, "revision": 1, "criticality": criticality},
    )
    return scenario.id


def draft(session: Session, *, scenario: str, body: Any, actor: str, now: datetime) -> CardRevision:
    """A new revision. It is checked whole before it is kept."""
    card = parse(body)
    row = scenario_named(session, scenario, lock=True)
    last = session.scalar(select(func.max(CardRevision.number)).where(CardRevision.scenario_id == row.id)) or 0
    revision = CardRevision(
        scenario_id=row.id, number=last + 1, status="draft", body=card.model_dump(mode="json"), author=actor,
        created_at=now,
    )  # fmt: skip
    session.add(revision)
    session.flush()
    _record(session, scenario, revision, action="card.draft", actor=actor, before=None, after={"author": actor})
    return revision


def submit(session: Session, *, scenario: str, number: int, actor: str, now: datetime) -> CardRevision:
    """Draft → in review. From here on the revision does not change."""
    revision = revision_named(session, scenario, number, lock=True)
    _expect(revision, "draft", "submitted")
    revision.status, revision.submitted_at = "in_review", now
    _record(
        session,
        scenario,
        revision,
        action="card.submit",
        actor=actor,
        before={"status": "draft"},
        after={"status": "in_review"},
    )
    return revision


def approve(session: Session, *, scenario: str, number: int, side: str | None, principal: Principal) -> CardRevision:
    """One side's consent: `product` or `operations`. The two come from different people."""
    revision = revision_named(session, scenario, number, lock=True)
    _expect(revision, "in_review", "approved")
    side = side or _side_of(principal, revision)
    if side not in ("product", "operations"):
        raise Invalid("A revision is approved for `product` or for `operations`.", field="for")
    if not principal.may(side):
        role = "product_owner" if side == "product" else "sre"
        raise Forbidden(f"Approval for {side} takes the role {role} or admin; {principal.actor} has neither.")
    mine, other = f"approved_{side}_by", f"approved_{'operations' if side == 'product' else 'product'}_by"
    if getattr(revision, mine) is not None:
        raise Conflict(f"Revision {number} is approved for {side} already, by {getattr(revision, mine)}.")
    _refuse_the_same(session, getattr(revision, other), principal.actor)
    setattr(revision, mine, principal.actor)
    _record(session, scenario, revision, action="card.approve", actor=principal.actor, before=None, after={"for": side})
    return revision


def _refuse_the_same(session: Session, first: str | None, second: str) -> None:
    """Activation takes two people, and a key speaks for whoever made it."""
    who = same_person(session, first, second) if first else None
    if who is not None:
        whose = "" if who == second else f", who answers for {second} too,"
        raise Conflict(f"{who}{whose} approved the other side: activation takes two different people.")


def activate(session: Session, *, scenario: str, number: int, actor: str, reason: str, now: datetime) -> CardRevision:
    """In review → active, the one before it → retired. Only `command.service` calls this."""
    revision = revision_named(session, scenario, number, lock=True)
    _expect(revision, "in_review", "activated")
    product, operations = revision.approved_product_by, revision.approved_operations_by
    if product is None or operations is None:
        missing = " and ".join(s for s, who in (("product", product), ("operations", operations)) if who is None)
        raise Conflict(f"Revision {number} still needs the approval of {missing}.")
    _retire_active(session, revision.scenario_id, f"superseded by revision {number}")
    revision.status = "active"
    _activation(session, revision, actor=actor, reason=reason, now=now)
    session.flush()
    return revision


def rollback(session: Session, *, scenario_id: int, actor: str, reason: str, now: datetime) -> tuple[int, int]:
    """Back to the previous revision: (from, to). The bad one is retired and does not come back by itself.

    Only `command.service` calls this.
    """
    session.scalar(select(Scenario.id).where(Scenario.id == scenario_id).with_for_update(key_share=True))
    card = active(session, [scenario_id]).get(scenario_id)
    if card is None:
        raise Conflict("This scenario has no active card, so there is nothing to roll back.")
    if card.previous_number is None:
        raise Conflict(f"Revision {card.number} is the first of {card.scenario}: there is none to go back to.")
    _retire_active(session, scenario_id, f"rolled back by {actor}: {reason}")
    previous = revision_named(session, card.scenario, card.previous_number, lock=True)
    previous.status, previous.retired_reason = "active", None
    _activation(session, previous, actor=actor, reason=reason, now=now, rolled_back_from=card.number)
    session.flush()
    return card.number, previous.number


def revision_named(session: Session, scenario: str, number: int, *, lock: bool = False) -> CardRevision:
    row = scenario_named(session, scenario, lock=lock)
    revision = session.scalar(
        select(CardRevision).where(CardRevision.scenario_id == row.id, CardRevision.number == number)
    )
    if revision is None:
        raise NotFound(f"Scenario {scenario!r} has no revision {number}.")
    return revision


def _side_of(principal: Principal, revision: CardRevision) -> str:
    """Which side an approval is for when the caller did not say: what the role can give and what is still missing."""
    missing = [
        side
        for side in ("product", "operations")
        if getattr(revision, f"approved_{side}_by") is None and principal.may(side)
    ]
    if missing:
        return missing[0]
    return "product" if principal.may("product") else "operations"


def _expect(revision: CardRevision, status: str, done: str) -> None:
    if revision.status != status:
        words = f"Revision {revision.number} is {revision.status}: only one that is {status} can be {done}."
        raise Conflict(words.replace("_", " "))


def _retire_active(session: Session, scenario_id: int, reason: str) -> None:
    session.execute(
        update(CardRevision)
        .where(CardRevision.scenario_id == scenario_id, CardRevision.status == "active")
        .values(status="retired", retired_reason=reason)
    )


def _activation(
    session: Session,
    revision: CardRevision,
    *,
    actor: str,
    reason: str,
    now: datetime,
    rolled_back_from: int | None = None,
) -> None:
    session.add(
        Activation(
            scenario_id=revision.scenario_id,
            revision_id=revision.id,
            number=revision.number,
            active_from=now,
            actor=actor,
            reason=reason,
            rolled_back_from=rolled_back_from,
        )
    )


def _record(
    session: Session,
    scenario: str,
    revision: CardRevision,
    *,
    action: str,
    actor: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    session.flush()
    subject = f"card:{scenario}:{revision.number}"
    audit.record(session, actor=actor, action=action, subject=subject, before=before, after=after)
