"""Reservations over REST: estimate, hold, extend, post, void, batches, and what stands.

For a key with the scope `policy` (a backend's) or `ingest` (an application's); one bound to a tenant holds for that tenant
whatever it names, and sees and touches only its reservations.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from trivet import db
from trivet.budget.reserve import answers, commit, listing
from trivet.budget.reserve.ask import Caller, Operation, Told, Void
from trivet.budget.reserve.bodies import Actual, Batch, NewExtension, NewHold, OneCall
from trivet.budget.reserve.costs import Market, bounded, named
from trivet.identity.auth import Principal, requires
from trivet.kit.answer import answers as described
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError
from trivet.pricing import service as pricing

router = APIRouter(tags=["reservation"], prefix="/api/v1/reservations")
SCOPES = ("policy", "ingest")
Reader = Annotated[Principal, Depends(requires("read", *SCOPES))]


async def _caller(principal: Annotated[Principal, Depends(requires(*SCOPES))]) -> Caller:
    """Who asks."""
    return Caller(principal.actor, principal.key_id, principal.tenant_id)


By = Annotated[Caller, Depends(_caller)]


@router.post("", status_code=201)
async def hold(body: NewHold, caller: By) -> JSONResponse:
    """Hold what the calls may cost at most, of every budget they fall under: all or none, never less than asked."""
    return JSONResponse(answers.granted(await _one(body.hold(caller))), 201)


@router.post("/batch")
async def batch(body: Batch, caller: By) -> JSONResponse:
    """Up to 500 operations in one transaction, each granted or refused on its own."""
    return JSONResponse(answers.batch(await commit.submit(body.operations(caller))))


@router.post("/estimate")
def estimate(body: OneCall, _: Reader) -> dict[str, Any]:
    """What one call may cost at most, line by line. Nothing is held."""
    costs, now = body.costs(), utc_now()
    with db.transaction() as session:
        if costs.model:
            pricing.on_first_sight(session, [named(costs)], now=now)
        return answers.estimated(bounded(Market.of(session, now), costs))


@router.post("/{reservation_id}/extend")
async def extend(reservation_id: UUID, body: NewExtension, caller: By) -> JSONResponse:
    """Another bound for its open calls, such as a dearer model's: every layer is checked again, and where one does not
    fit nothing changes.
    """
    return JSONResponse(answers.granted(await _one(body.extend(caller, reservation_id))))


@router.post("/{reservation_id}/post")
async def post(reservation_id: UUID, body: Actual, caller: By) -> JSONResponse:
    """What calls came to. It is held until their spans are counted as spent, also where it is more than was granted."""
    return JSONResponse(answers.granted(await _one(body.post(caller, reservation_id))))


@router.post("/{reservation_id}/void")
async def void(reservation_id: UUID, caller: By) -> JSONResponse:
    """The calls that were not posted are not going to be made: what they hold is free at once."""
    return JSONResponse(answers.granted(await _one(Void(caller, reservation_id))))


@router.get("", responses=described(answers.Reservations))
def reservations(
    principal: Reader,
    state: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Newest first; a key bound to a tenant sees that tenant's."""
    with db.transaction() as session:
        return listing.page_of(session, principal.tenant_id, state, limit, cursor)


@router.get("/{reservation_id}", responses=described(answers.OneReservation))
def reservation(reservation_id: UUID, principal: Reader) -> dict[str, Any]:
    """Where it stands; also for some time after it holds nothing more."""
    with db.transaction() as session:
        return listing.one(session, principal.tenant_id, reservation_id)


async def _one(operation: Operation) -> Told:
    [came] = await commit.submit([operation])
    if isinstance(came, TrivetError):
        raise came
    return came
