"""Usage, costs, requests and postings over REST. Reading only."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers
from trivet.kit.body import Asked
from trivet.kit.clock import utc_now
from trivet.kit.interval import Interval
from trivet.kit.page import page, to_cursor
from trivet.report import answers as shapes
from trivet.report import (
    asking,
    costs_api,
    gaps_api,
    interactions,
    names,
    questions_api,
    rows,
    scaling_api,
    signals,
    values_api,
)
from trivet.report import engines as serving
from trivet.report import search as searching
from trivet.report import usage as using
from trivet.report.asking import Read
from trivet.report.files import files_api, later_api, schedules_api
from trivet.report.limits import Place
from trivet.report.query import (
    InteractionQuery,
    InteractionsQuery,
    PostingsQuery,
    SearchQuery,
    UsageQuery,
)

router = APIRouter(tags=["report"])
router.include_router(signals.router)
router.include_router(costs_api.router)
router.include_router(questions_api.router)
router.include_router(values_api.router)
router.include_router(files_api.router)
router.include_router(later_api.router)
router.include_router(schedules_api.router)
router.include_router(gaps_api.router)
router.include_router(scaling_api.router)


@router.get("/usage")
def get_usage(principal: Read, _: Place, query: Annotated[UsageQuery, Query()]) -> dict[str, Any]:
    """Usage by group, and by bucket where a grain (10s, 1m, 1h, 1d) is given. The ends fall on whole 10 seconds."""
    by = names.parse(query.group_by, names.USAGE_BY)
    interval = Interval(query.from_, query.to)
    after = asking.after(query.cursor, by, by_bucket=query.grain is not None)
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = using.page(session, interval, by, where, query.grain, after=after, count=query.limit + 1)
    return asking.page_of(found, query.limit, lambda row: using.item(by, row))


@router.get("/requests", response_model=None, responses=answers(shapes.Requests))
def get_requests(principal: Read, _: Place, query: Annotated[SearchQuery, Query()]) -> dict[str, Any]:
    """Single requests by start, newest first; of the last day where nothing is said. A search that finds few may end its page
    before it is full: the cursor goes on.
    """
    interval, sought = query.interval(utc_now()), query.sought()
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found = searching.search(session, interval, where, sought, limit=query.limit, cursor=query.cursor)
    return {"items": found.items, "next_cursor": found.next_cursor}


@router.get("/interactions", response_model=None, responses=answers(shapes.Interactions))
def get_interactions(principal: Read, _: Place, query: Annotated[InteractionsQuery, Query()]) -> dict[str, Any]:
    """Conversations, or traces, by the start of their newest request, newest first; of the last day where nothing is said.

    A page looks at the newest 2,000 requests of those asked for, not at all there are; the cursor goes on from there.
    """
    interval = query.interval(utc_now())
    if query.cursor:
        interval = Interval(interval.start, min(interval.end, interactions.end_of(query.cursor)))
    with db.transaction() as session:
        where = asking.where(session, query.given(), principal)
        found, next_end = interactions.newest(session, query.kind, interval, where, query.limit)
        items = interactions.told(session, found)
    return {"items": items, "next_cursor": to_cursor([next_end.isoformat()]) if next_end else None}


@router.get("/interactions/{kind}/{id:path}", response_model=None, responses=answers(shapes.InteractionWhole))
def get_interaction(
    principal: Read,
    _: Place,
    kind: Literal["conversation", "trace"],
    id_: Annotated[Asked, Path(alias="id")],
    query: Annotated[InteractionQuery, Query()],
) -> dict[str, Any]:
    """One interaction: its totals and its requests, newest first, of more than 1,000 the newest."""
    with db.transaction() as session:
        where = asking.where(session, {"tenant": [query.tenant] if query.tenant else []}, principal)
        found = interactions.one(session, kind, id_, where.get("tenant_id"))
        return interactions.told(session, [found], whole=True)[0]


@router.get("/engines", response_model=None, responses=answers(shapes.Engines))
def get_engines(_: Annotated[Principal, Depends(platform("read"))], __: Place) -> dict[str, Any]:
    """What serving backends say of themselves: queue, caches, cap on concurrency now; counts of the last hour."""
    with db.transaction() as session:
        return {"items": [engine.said() for engine in serving.engines(session, utc_now())], "next_cursor": None}


@router.get("/caches", response_model=None, responses=answers(shapes.Caches))
def get_caches(principal: Read, _: Place) -> dict[str, Any]:
    """Looks of the last hour into prompt, KV, retrieval and response caches, each kind apart."""
    with db.transaction() as session:
        found = serving.caches(session, utc_now(), asking.where(session, {}, principal))
    return {"items": [cache.said() for cache in found], "next_cursor": None}


@router.get("/postings")
def get_postings(
    _: Annotated[Principal, Depends(platform("read"))], __: Place, query: Annotated[PostingsQuery, Query()]
) -> dict[str, Any]:
    """The ledger, newest first, each posting with its entries; `from` and `to` are of the hour posted."""
    with db.transaction() as session:
        found = rows.postings(session, query.interval(), query.limit + 1, query.cursor)
    return page(found, query.limit, lambda item: [item["id"]])
