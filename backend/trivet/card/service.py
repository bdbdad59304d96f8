"""Revisions of cards: registered, written, submitted, approved, activated, rolled back.

Activation and rollback change what should hold, so callers go through `command`, which locks the scenario's generation
first; these functions only write the card's own rows.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.card import beside, carried, limits, priced, solo
from trivet.card.content import Card, parse
from trivet.card.governing import HISTORY_DEPTH, ActiveCard, active, standing_in
from trivet.card.models import Activation, CardRevision
from trivet.card.presets import preset
from trivet.card.whole import checked
from trivet.identity import audit
from trivet.identity.approval import same_person
from trivet.identity.auth import Principal
from trivet.kit.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.tenant.models import Scenario

__all__ = ["HISTORY_DEPTH", "ActiveCard", "active", "standing_in"]
SIDES = ("product", "operations")


class RolledBackBefore(Conflict):
    """The revision to go back to was itself rolled back: whoever wants it all the same says so."""


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
    revision = CardRevision(
        scenario_id=scenario.id, number=1, status="active", author=actor, created_at=now, submitted_at=now,
        body=card.model_dump(mode="json") | {"criticality": criticality},
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
    """A new revision. It is checked whole before it is kept, its levels also by what their models cost."""
    card = check(session, body, now)
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


def check(session: Session, body: Any, now: datetime) -> Card:
    """A card that could be drafted, or `Invalid` with the field."""
    return checked(body, priced.of_models(session, parse(body).cost.currency, now))


def submit(session: Session, *, scenario: str, number: int, actor: str, now: datetime) -> CardRevision:
    """Draft → in review. From here on the revision does not change. A guard that nobody measures is refused."""
    revision = revision_named(session, scenario, number, lock=True)
    _expect(revision, "draft", "submitted")
    carried.refuse_unmeasured(session, revision.scenario_id, parse(revision.body), now)
    revision.status, revision.submitted_at = "in_review", now
    was, is_ = {"status": "draft"}, {"status": "in_review"}
    _record(session, scenario, revision, action="card.submit", actor=actor, before=was, after=is_)
    return revision


def approve(session: Session, *, scenario: str, number: int, side: str | None, principal: Principal) -> CardRevision:
    """One side's consent: `product` or `operations`. The two come from different people, but in solo mode."""
    revision = revision_named(session, scenario, number, lock=True)
    _expect(revision, "in_review", "approved")
    side = side or _side_of(principal, revision)
    if side not in SIDES:
        raise Invalid("A revision is approved for `product` or for `operations`.", field="for")
    if not principal.may(side):
        role = "product_owner" if side == "product" else "sre"
        raise Forbidden(f"Approval for {side} takes the role {role} or admin; {principal.actor} has neither.")
    mine, other = f"approved_{side}_by", f"approved_{'operations' if side == 'product' else 'product'}_by"
    if getattr(revision, mine) is not None:
        raise Conflict(f"Revision {number} is approved for {side} already, by {getattr(revision, mine)}.")
    revision.solo = _alone(session, getattr(revision, other), principal.actor)
    setattr(revision, mine, principal.actor)
    after = {"for": side} | ({"solo": True} if revision.solo else {})
    _record(session, scenario, revision, action="card.approve", actor=principal.actor, before=None, after=after)
    return revision


def _alone(session: Session, first: str | None, second: str) -> bool:
    """Whether one person gives both. Activation takes two people, and a key speaks for whoever made it."""
    who = same_person(session, first, second) if first else None
    if who is None:
        return False
    if solo.is_on(session):
        return True
    whose = "" if who == second else f", who answers for {second} too,"
    raise Conflict(
        f"{who}{whose} approved the other side: activation takes two different people. A team of one switches solo mode "
        "on: POST /api/v1/solo-mode."
    )


def activate(session: Session, *, scenario: str, number: int, actor: str, reason: str, now: datetime) -> CardRevision:
    """In review → active, the one before it → retired. Only `command.service` calls this."""
    revision = revision_named(session, scenario, number, lock=True)
    _expect(revision, "in_review", "activated")
    must_be_approved(revision)
    _retire_active(session, revision.scenario_id, f"superseded by revision {number}")
    revision.status = "active"
    _activation(session, revision, actor=actor, reason=reason, now=now)
    beside.end(session, revision.scenario_id, number, f"revision {number} was activated", now)
    session.flush()
    return revision


def must_be_approved(revision: CardRevision) -> None:
    """`Conflict` that names the side still missing. Where the glass was broken, nobody is waited for."""
    missing = [side for side in SIDES if getattr(revision, f"approved_{side}_by") is None]
    if missing and revision.glass_broken_at is None:
        raise Conflict(f"Revision {revision.number} still needs the approval of {' and '.join(missing)}.")


def rollback(
    session: Session,
    *,
    scenario_id: int,
    actor: str,
    reason: str,
    now: datetime,
    to: int | None = None,
    although_rolled_back: bool = False,
) -> tuple[int, int]:
    """Back to the previous revision, or to any that governed before: (from, to). The bad one does not come back by itself.

    Only `command.service` calls this.
    """
    session.scalar(select(Scenario.id).where(Scenario.id == scenario_id).with_for_update(key_share=True))
    card = active(session, [scenario_id]).get(scenario_id)
    if card is None:
        raise Conflict("This scenario has no active card, so there is nothing to roll back.")
    target = card.previous_number if to is None else to
    if target is None:
        raise Conflict(f"Revision {card.number} is the first of {card.scenario}: there is none to go back to.")
    if to is not None:
        may_return(session, card, to, although_rolled_back=although_rolled_back)
    _retire_active(session, scenario_id, f"rolled back by {actor}: {reason}")
    previous = revision_named(session, card.scenario, target, lock=True)
    previous.status, previous.retired_reason = "active", None
    _activation(session, previous, actor=actor, reason=reason, now=now, rolled_back_from=card.number)
    beside.end(session, scenario_id, None, f"revision {card.number} was rolled back to {target}", now)
    session.flush()
    return card.number, previous.number


def may_return(session: Session, card: ActiveCard, to: int, *, although_rolled_back: bool) -> None:
    """Only to what governed before, and to one that was itself rolled back only by somebody who says that they know."""
    own = select(Activation).where(Activation.scenario_id == card.scenario_id).order_by(Activation.id.desc())
    if to == card.number:
        raise Conflict(f"Revision {to} governs {card.scenario} already.")
    if session.scalar(own.where(Activation.number == to).limit(1)) is None:
        raise Conflict(f"Revision {to} never governed {card.scenario}: activate it, or roll back to one that did.")
    bad = session.scalar(own.where(Activation.rolled_back_from == to).limit(1))
    if bad is not None and not although_rolled_back:
        raise RolledBackBefore(
            f"Revision {to} was itself rolled back on {bad.active_from:%Y-%m-%d} by {bad.actor}: {bad.reason}. Say "
            "`although_rolled_back` to return to it all the same.",
            field="although_rolled_back",
        )


def revision_named(session: Session, scenario: str, number: int, *, lock: bool = False) -> CardRevision:
    row = scenario_named(session, scenario, lock=lock)
    query = select(CardRevision).where(CardRevision.scenario_id == row.id, CardRevision.number == number)
    revision = session.scalar(query.execution_options(populate_existing=lock))
    if revision is None:
        raise NotFound(f"Scenario {scenario!r} has no revision {number}.")
    return revision


def _side_of(principal: Principal, revision: CardRevision) -> str:
    """Which side an approval is for when the caller did not say: what the role can give and what is still missing."""
    missing = [s for s in SIDES if getattr(revision, f"approved_{s}_by") is None and principal.may(s)]
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
    """From now on the revision governs, and its scenario is as critical as the card says."""
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
    with suppress(Invalid):  # a kept card that cannot be read any more has no guards to count for
        limits.agree(session, revision.scenario_id, parse(revision.body).guards, now)
    if said := revision.body.get("criticality"):  # cards written before it was part of them say nothing
        session.execute(update(Scenario).where(Scenario.id == revision.scenario_id).values(criticality=said))


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
