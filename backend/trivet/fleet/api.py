"""Serving backends, pools and GPUs over REST."""

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.fleet import cards, interruptions, service
from trivet.fleet.answers import Cards, Interruption, Interruptions, Pools
from trivet.fleet.models import Backend, Gpu, Pool, PoolTerm
from trivet.fleet.terms import AMOUNTS, MONTHS_MAX, Told
from trivet.fleet.terms import body as term_body
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers
from trivet.kit.body import Amount, Asked, Body, Currency, Instant, Name
from trivet.kit.clock import utc_now, when
from trivet.kit.page import INT4, from_cursor, page
from trivet.tenant.models import Scenario

router = APIRouter(tags=["fleet"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("admin", "finance", "operations"))]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = str | None


class NewBackend(Body):
    name: Name
    scenarios: list[Name] = Field(default_factory=list, max_length=500)


class NewPool(Body):
    name: Name
    gpu_type: Name
    gpus: int = Field(0, ge=0, le=1_000_000)
    price_per_gpu_hour: Amount | None = Field(
        None, description="Without it the price book's, by GPU type and kind of purchase."
    )
    currency: Currency
    purchase: str = "on_demand"
    effective_from: Instant
    purchase_price: Amount | None = Field(None, description="Of all owned cards of the pool.")
    residual: Amount | None = None
    amortisation_months: int | None = Field(None, ge=1, le=MONTHS_MAX)
    commitment_cost: Amount | None = Field(None, description="What a reservation costs in all, used or not.")
    commitment_months: int | None = Field(None, ge=1, le=MONTHS_MAX)
    spread_from: Instant | None = Field(
        None, description="From when a purchase or commitment is spread; `effective_from` where it is not given."
    )
    power_price_per_kwh: Amount | None = None
    pue: Amount | None = None
    watts_per_gpu: Amount | None = Field(None, description="Taken for owned cards that say no energy.")
    operations_per_month: Amount | None = None
    units: int | None = Field(None, ge=0, le=1_000_000, description="Of provisioned throughput.")
    price_per_unit_hour: Amount | None = None
    work_per_unit_hour: Amount | None = Field(None, description="Work units that a unit serves in an hour.")
    load_test_tokens_per_gpu_hour: Amount | None = Field(None, description="In work units.")
    planned_utilisation: Amount | None = Field(None, description="A share, such as 0.6.")
    max_concurrency: int | None = Field(None, ge=1, le=1_000_000)
    idle_policy: str = "apart"
    headroom_policy: str = "spread_use"

    def told(self) -> Told:
        """What is told beside size, price and kind."""
        given: dict[str, Any] = self.model_dump(include=set(Told.__dataclass_fields__))
        amounts = {name: Decimal(given[name]) for name in AMOUNTS if given[name] is not None}
        return Told(**given | amounts)


class NewInterruption(Body):
    interrupted_at: Instant
    restored_at: Instant | None = None
    gpus: int | None = Field(None, ge=1, le=1_000_000, description="How many were lost; all where it is not given.")
    cause: Name


@router.post("/backends", status_code=201)
def register_backend(body: NewBackend, principal: Write) -> dict[str, Any]:
    """Register a backend with the scenarios it serves. Named again, its list is replaced."""
    with db.transaction() as session:
        row = service.register_backend(
            session, name=body.name, scenarios=body.scenarios, actor=principal.actor, now=utc_now()
        )
        return _backend(row, _names(session, row.scenario_ids))


@router.get("/backends")
def list_backends(_: Read, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    query = select(Backend).order_by(Backend.id).limit(limit + 1)
    if cursor:
        query = query.where(Backend.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        rows = session.scalars(query).all()
        names = _names(session, {row_id for row in rows for row_id in row.scenario_ids})
    return page([_backend(row, names) for row in rows], limit, lambda item: [item["id"]])


@router.post("/pools", status_code=201)
def add_pool(body: NewPool, principal: Write) -> dict[str, Any]:
    """A pool, or the next term of one: size and price from `effective_from` on."""
    with db.transaction() as session:
        term = service.add_pool_term(
            session,
            name=body.name,
            gpu_type=body.gpu_type,
            gpus=body.gpus,
            price_per_gpu_hour=None if body.price_per_gpu_hour is None else Decimal(body.price_per_gpu_hour),
            currency=body.currency,
            purchase=body.purchase,
            effective_from=body.effective_from,
            actor=principal.actor,
            now=utc_now(),
            told=body.told(),
        )
        return {"id": term.pool_id, "name": body.name} | term_body(term)


@router.post("/pools/{name:path}/interruptions", status_code=201, response_model=Interruption)
def record_interruption(name: Asked, body: NewInterruption, principal: Write) -> dict[str, Any]:
    """A pool lost GPUs: its requests that failed then are marked, and what they cost is told with its hours.

    The same `interrupted_at` again, with `restored_at`, says when they came back.
    """
    with db.transaction() as session:
        row = interruptions.record(session, name=name, actor=principal.actor, now=utc_now(), **body.model_dump())
        return interruptions.body(row, name)


@router.get("/pools/{name:path}/interruptions", response_model=None, responses=answers(Interruptions))
def list_interruptions(name: Asked, _: Read, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """Interruptions of a pool, as they were entered, newest first."""
    with db.transaction() as session:
        before = from_cursor(cursor, INT4)[0] if cursor else None
        rows = interruptions.newest(session, name=name, before=before, limit=limit + 1)
        return page([interruptions.body(row, name) for row in rows], limit, lambda item: [item["id"]])


@router.get("/pools", response_model=None, responses=answers(Pools))
def list_pools(_: Read, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """Registered or only seen, each with all its terms, oldest first."""
    query = select(Pool).order_by(Pool.id).limit(limit + 1)
    if cursor:
        query = query.where(Pool.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        rows = session.scalars(query).all()
        by_pool: dict[int, list[dict[str, Any]]] = {row.id: [] for row in rows}
        found = select(PoolTerm).where(PoolTerm.pool_id.in_(by_pool)).order_by(PoolTerm.effective_from)
        for term in session.scalars(found):
            by_pool[term.pool_id].append(term_body(term))
        seen = service.gpu_counts(session)
    items = [_pool(row) | {"terms": by_pool[row.id], "gpus_seen": seen.get(row.id, 0)} for row in rows]
    return page(items, limit, lambda item: [item["id"]])


@router.get("/gpus", response_model=None, responses=answers(Cards))
def list_gpus(_: Read, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """Every card and MIG instance: how it is now, and what it counted in the last day, to the hour.

    A metric without a recent reading is absent, never zero; what was never counted in the day is absent as well.
    """
    query = select(Gpu).order_by(Gpu.id).limit(limit + 1)
    if cursor:
        query = query.where(Gpu.id > from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        items = cards.shown(session, session.scalars(query).all(), utc_now())
    return page(items, limit, lambda item: [item["id"]])


def _names(session: Session, scenario_ids: Collection[int]) -> dict[int, str]:
    return {row.id: row.name for row in session.scalars(select(Scenario).where(Scenario.id.in_(scenario_ids)))}


def _backend(row: Backend, scenarios: dict[int, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scenarios": sorted(scenarios[i] for i in row.scenario_ids if i in scenarios),
        "registered_at": when(row.registered_at),
    }


def _pool(row: Pool) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "registered_at": when(row.registered_at),
    }
