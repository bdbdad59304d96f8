"""Scenarios, presets, and revisions on their way to being approved."""

import unicodedata
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import exists, select

from trivet import db
from trivet.card import answers, service
from trivet.card.models import Activation, CardRevision
from trivet.card.presets import DEFAULT, presets
from trivet.identity import brake
from trivet.identity import service as identity
from trivet.identity.auth import Principal, person, platform
from trivet.kit.answer import answers as answer
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.errors import Forbidden, NotFound
from trivet.kit.page import from_cursor, page
from trivet.tenant.models import Scenario

router = APIRouter(tags=["card"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("product", "operations"))]
Number = Annotated[int, Path(ge=1, lt=2**31)]
Limit = Annotated[int, Query(ge=1, le=500)]
BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols by their category, drawn as nothing


def _told_apart(name: str) -> str:
    """A scenario's name is part of addresses and read by people."""
    if name in (".", ".."):
        raise ValueError("an address cannot hold this name")
    if all(unicodedata.category(c)[0] in "CZM" or c in BLANK for c in name):
        raise ValueError("a name needs a character that can be seen")
    return name


class Body(BaseModel):
    """A misspelt field is refused: left out, it would widen what was asked."""

    model_config = ConfigDict(extra="forbid")


class NewScenario(Body):
    name: Annotated[str, AfterValidator(_told_apart)] = Field(
        min_length=1, max_length=200, pattern=r"^[^\s/?#\x00]([^/?#\x00]*[^\s/?#\x00])?$"
    )
    preset: str | None = Field(DEFAULT, max_length=100)
    criticality: Literal["core", "auxiliary", "experimental"] = "core"


class NewRevision(Body):
    card: dict[str, Any]


class Approval(Body):
    """`email` and `password` where a person approves and the key only carries what they say."""

    side: Literal["product", "operations"] | None = Field(None, alias="for")
    email: str | None = Field(None, max_length=200)
    password: SecretStr | None = Field(None, max_length=200)


@router.post("/scenarios", status_code=201)
def register(body: NewScenario, principal: Write) -> dict[str, Any]:
    """Its preset becomes the active revision 1."""
    with db.transaction() as session:
        id_ = service.register(
            session, name=body.name, preset_name=body.preset, criticality=body.criticality, actor=principal.actor,
            now=utc_now(),
        )  # fmt: skip
        return {"id": id_, "name": body.name, "preset": body.preset, "revision": 1, "status": "active"}


@router.get("/scenarios")
def scenarios(_: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    query = select(Scenario).order_by(Scenario.id).limit(limit + 1)
    if cursor:
        query = query.where(Scenario.id > from_cursor(cursor, int)[0])
    with db.transaction() as session:
        rows = session.scalars(query).all()
        cards = service.active(session, [row.id for row in rows])
        items = [_scenario(row, cards.get(row.id)) for row in rows]
    return page(items, limit, lambda item: [item["id"]])


@router.get("/presets")
def list_presets(_: Read) -> dict[str, Any]:
    items = [{"name": name, "card": card.model_dump(mode="json")} for name, card in presets().items()]
    return {"items": items, "next_cursor": None}


@router.get("/cards")
def cards_of_all(_: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """The active card of every scenario that has one."""
    query = (
        select(Scenario)
        .where(exists().where(Activation.scenario_id == Scenario.id))
        .order_by(Scenario.id)
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(Scenario.id > from_cursor(cursor, int)[0])
    with db.transaction() as session:
        rows = session.scalars(query).all()
        active = service.active(session, [row.id for row in rows])
        items = [_scenario(row, active.get(row.id)) | {"card": _body(active.get(row.id))} for row in rows]
    return page(items, limit, lambda item: [item["id"]])


@router.get("/cards/{scenario}", responses=answer(answers.Governing))
def card(scenario: str, _: Read) -> dict[str, Any]:
    """The active card."""
    with db.transaction() as session:
        row = service.scenario_named(session, scenario)
        found = service.active(session, [row.id]).get(row.id)
        if found is None:
            raise NotFound(f"Scenario {scenario!r} has no active card. Register it: POST /api/v1/scenarios.")
        revision = service.revision_named(session, scenario, found.number)
        return revision_body(revision, scenario) | {
            "active_from": rfc3339(found.active_from),
            "previous_revision": found.previous_number,
        }


@router.get("/cards/{scenario}/revisions", responses=answer(answers.Revisions))
def revisions(scenario: str, _: Read, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Newest first."""
    with db.transaction() as session:
        row = service.scenario_named(session, scenario)
        query = select(CardRevision).where(CardRevision.scenario_id == row.id)
        if cursor:
            query = query.where(CardRevision.number < from_cursor(cursor, int)[0])
        found = session.scalars(query.order_by(CardRevision.number.desc()).limit(limit + 1))
        return page([revision_body(r, scenario) for r in found], limit, lambda item: [item["revision"]])


@router.get("/cards/{scenario}/revisions/{number}", responses=answer(answers.Revision))
def revision(scenario: str, number: Number, _: Read) -> dict[str, Any]:
    with db.transaction() as session:
        return revision_body(service.revision_named(session, scenario, number), scenario)


@router.post("/cards/{scenario}/revisions", status_code=201, responses={201: {"model": answers.Revision}})
def draft(scenario: str, body: NewRevision, principal: Write) -> dict[str, Any]:
    with db.transaction() as session:
        made = service.draft(session, scenario=scenario, body=body.card, actor=principal.actor, now=utc_now())
        return revision_body(made, scenario)


@router.post("/cards/{scenario}/revisions/{number}/submit", responses=answer(answers.Revision))
def submit(scenario: str, number: Number, principal: Write) -> dict[str, Any]:
    with db.transaction() as session:
        now = utc_now()
        return revision_body(
            service.submit(session, scenario=scenario, number=number, actor=principal.actor, now=now), scenario
        )


@router.post("/cards/{scenario}/revisions/{number}/approve", responses=answer(answers.Revision))
def approve(
    request: Request, scenario: str, number: Number, principal: Write, body: Approval | None = None
) -> dict[str, Any]:
    """For the caller's side; who may speak for both says which: `{"for": "product"}`.

    A person approves through any key that may with their `email` and `password`: two keys of one maker are one person.
    Wrong passwords count as tries to sign in do: 429 after too many.
    """
    said = body or Approval.model_validate({})
    who = approver(said, principal, request.client.host if request.client else "")
    with db.transaction() as session:
        done = service.approve(session, scenario=scenario, number=number, side=said.side, principal=who)
        return revision_body(done, scenario)


def approver(said: Approval, principal: Principal, address: str) -> Principal:
    """Who approves: the person whose email and password the body carries, else the caller; `address`: where from."""
    if said.email is None and said.password is None:
        return principal
    given = said.password.get_secret_value() if said.password else ""
    email = _clean(said.email or "")
    counts = (brake.from_address(address), brake.at_account(email))
    brake.check(counts, utc_now())
    with db.transaction() as session:
        user = identity.right_password(session, email, given)
        if user is None:
            raise Forbidden("This is not the email and the password of a person with an account.")
        brake.give_back(session, counts)
        return person(user.email, user.role, user.tenant_id)


def _clean(email: str) -> str:
    return email if "\0" not in email else ""


def _body(active: service.ActiveCard | None) -> dict[str, Any] | None:
    """None where the stored card cannot be read: the log says why."""
    return active.card.model_dump(mode="json") if active else None


def _scenario(row: Scenario, active: service.ActiveCard | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "criticality": row.criticality,
        "registered_at": when(row.registered_at),
        "revision": active.number if active else None,
        "active_from": when(active.active_from if active else None),
    }


def revision_body(row: CardRevision, scenario: str) -> dict[str, Any]:
    """A revision as every endpoint tells it."""
    return {
        "scenario": scenario,
        "revision": row.number,
        "status": row.status,
        "author": row.author,
        "created_at": when(row.created_at),
        "submitted_at": when(row.submitted_at),
        "approved_product_by": row.approved_product_by,
        "approved_operations_by": row.approved_operations_by,
        "solo": row.solo,
        "break_glass": _glass(row),
        "retired_reason": row.retired_reason,
        "card": row.body,
    }


def _glass(row: CardRevision) -> dict[str, Any] | None:
    """None where two people approved, as they should."""
    if row.glass_broken_at is None:
        return None
    return {
        "by": row.glass_broken_by,
        "at": when(row.glass_broken_at),
        "reason": row.glass_reason,
        "reviewed_by": row.reviewed_by,
        "reviewed_at": when(row.reviewed_at),
        "review": row.review_words,
    }
