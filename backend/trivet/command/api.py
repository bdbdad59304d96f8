"""Commands: give, preview, list; activation and rollback of cards, which are commands too."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.command import card_api, events, listing, ofrep, service, webhook_api
from trivet.command import scope as scopes
from trivet.command.listing import Wanted
from trivet.command.models import Command
from trivet.command.preview import preview
from trivet.command.standing import give_once
from trivet.fleet.models import Backend
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.body import EARLIEST, LATEST, Body, Instant, Name, Words
from trivet.kit.clock import utc_now, when
from trivet.kit.errors import Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.kit.page import from_cursor, page
from trivet.settings import get_settings

__all__ = ["root_router", "router"]

router = APIRouter(tags=["command"])
router.include_router(card_api.router)
router.include_router(webhook_api.router)
root_router = APIRouter()
root_router.include_router(ofrep.root_router)
root_router.include_router(events.router)
Read = Annotated[Principal, Depends(requires("read"))]
Commander = Annotated[Principal, Depends(platform("command"))]
Limit = Annotated[int, Query(ge=1, le=500)]


class NewCommand(Body):
    kind: Literal["degrade", "restore", "rollback", "break"]
    scenario: Name
    tenant: Name | None = None
    backend: Name | None = None
    level: int | None = None
    reason: Words
    message: Words | None = None
    expires_in_s: float | None = None


class CommandPreview(NewCommand):
    """`to` names the revision that a rollback would go to; the previous one where it is left out."""

    reason: Words = ""
    to: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    although_rolled_back: bool = False


@router.post("/commands", status_code=201)
def give(body: NewCommand, principal: Commander, response: Response) -> dict[str, Any]:
    """201 with the new command; 200 with the one that stands where somebody asks for what was commanded already."""
    with db.transaction() as session:
        command, new = give_once(
            session, kind=body.kind, level=body.level, reason=body.reason, message=body.message,
            actor=principal.actor, expires_in_s=body.expires_in_s, now=utc_now(), **_scope(session, body),
        )  # fmt: skip
        response.status_code = 201 if new else 200
        return _given(command)


@router.post("/commands/preview")
def look_ahead(body: CommandPreview, _: Commander) -> dict[str, Any]:
    """What the command would change and for whom, in one sentence, with the facts."""
    with db.transaction() as session:
        found = preview(
            session, kind=body.kind, level=body.level, reason=body.reason, expires_in_s=body.expires_in_s,
            to=body.to, although_rolled_back=body.although_rolled_back, now=utc_now(), **_scope(session, body),
        )  # fmt: skip
    return {
        "sentence": found.sentence,
        "level": {"from": found.level_from, "to": found.level_to},
        "revision": {"from": found.revision_from, "to": found.revision_to},
        "flags": found.flags,
        "backends": found.backends,
        "requests_per_s": found.requests_per_s,
        "tenants": found.tenants,
        "learn": found.learn,
        "overrides": found.overrides,
        "last_hour": {
            "requests": found.requests_last_hour,
            "share_of_requests": found.share_last_hour,
            "cost": [
                {"currency": currency, "amount": str(cost.amount), "share": cost.share}
                for currency, cost in found.costs_last_hour.items()
            ],
        },
    }


@router.get("/commands")
def commands(
    principal: Read,
    *,
    scenario: Name | None = None,
    kind: Literal["degrade", "restore", "rollback", "break", "activate", "trial"] | None = None,
    status: Literal["pending", "observed", "effective", "superseded", "expired"] | None = None,
    actor: Name | None = None,
    from_: Annotated[Instant | None, Query(alias="from")] = None,
    to: Instant | None = None,
    limit: Limit = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Newest first. `actor` is an address, `ladder`, `expiry`, or `people` for whoever is no automaton."""
    before_id = from_cursor(cursor, int)[0] if cursor else None
    interval = Interval(from_ or EARLIEST, to or LATEST) if from_ or to else None
    wanted = Wanted(scenario or "", kind or "", status or "", actor or "", interval, principal.tenant_id)
    with db.transaction() as session:
        rows = listing.newest(session, wanted, limit=limit + 1, before_id=before_id)
    return page([_command(*row) for row in rows], limit, lambda item: [item["id"]])


@router.get("/commands/{command_id}")
def command(command_id: Annotated[int, Path(ge=1, lt=2**63)], principal: Read) -> dict[str, Any]:
    """The command, and what each backend of its scope was seen to hold."""
    with db.transaction() as session:
        row = session.execute(_rows(principal).where(Command.id == command_id)).first()
        if row is None:
            raise NotFound(f"There is no command {command_id}.")
        return _command(*row) | {"backends": backends(session, row[0], utc_now())}


def backends(session: Session, command: Command, now: datetime) -> list[dict[str, Any]]:
    """`[{"backend", "generation", "observed_at", "effective_at"}]` of those seen lately in the command's scope."""
    there = scopes.present(session, now, get_settings().backend_seen_s)
    held = scopes.holdings(session, [command.scenario_id])
    return [
        {
            "backend": one.backend,
            "generation": max(one.observed_generation, one.effective_generation, 0),
            "observed_at": when(one.held_since(command.generation)) if one.holds(command.generation) else None,
            "effective_at": when(one.effective_at) if one.acts(command.generation) else None,
        }
        for one in scopes.seen(there, held, scopes.proofs(session, [command]), command)
    ]


def _scope(session: Session, body: NewCommand) -> dict[str, Any]:
    return {
        "scenario_id": cards.scenario_named(session, body.scenario).id,
        "tenant_id": service.tenant_id_of(session, body.tenant) if body.tenant else None,
        "backend_id": _backend_id_of(session, body.backend) if body.backend else None,
    }


def _backend_id_of(session: Session, name: str) -> int:
    found = session.scalar(select(Backend.id).where(Backend.name == name))
    if found is None:
        raise Invalid(f"There is no backend {name!r}: check the name; it is case-sensitive.", field="backend")
    return found


def _rows(principal: Principal) -> Select[Command, str, str, str]:
    """Commands with the names of their scope; a key bound to a tenant sees that tenant's."""
    query = listing.query()
    return query if principal.tenant_id is None else query.where(Command.tenant_id == principal.tenant_id)


def _given(command: Command) -> dict[str, Any]:
    return {"id": command.id, "status": command.status, "generation": command.generation}


def _command(row: Command, scenario: str, tenant: str | None, backend: str | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "scenario": scenario,
        "tenant": tenant,
        "backend": backend,
        "level": row.level,
        "share": row.share,  # of conversations that have that level by way of trial; null: everyone
        "revision": row.revision,
        "generation": row.generation,
        "status": row.status,
        "actor": row.actor,
        "reason": row.reason,
        "outcome": row.outcome,
        "breach_id": row.breach_id,
        "created_at": when(row.created_at),
        "expires_at": when(row.expires_at),
        "observed_at": when(row.observed_at),
        "effective_at": when(row.effective_at),
        "ended_at": when(row.ended_at),
    }
