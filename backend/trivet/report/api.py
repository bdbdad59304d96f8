"""Usage, costs, requests and postings over REST. Reading only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.answer import answers
from trivet.kit.body import Asked
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.interval import Interval
from trivet.kit.money import money, plain
from trivet.kit.page import Kind, from_cursor, page, to_cursor
from trivet.report import answers as shapes
from trivet.report import costs as costing
from trivet.report import engines as serving
from trivet.report import interactions, names, rows, signals
from trivet.report import usage as using
from trivet.report.costs import CostRow, Costs, Totals
from trivet.report.limits import Place
from trivet.report.query import (
    CostsQuery,
    InteractionQuery,
    InteractionsQuery,
    PostingsQuery,
    RequestsQuery,
    UsageQuery,
)

router = APIRouter(tags=["report"])
router.include_router(signals.router)
Read = Annotated[Principal, Depends(requires("read"))]
NO_CURRENCY = "USD"  # of a sum of nothing


class Keyed(Protocol):
    """A row that pages can be cut from."""

    @property
    def key(self) -> tuple[Any, ...]: ...

    @property
    def currency(self) -> str: ...


Row = TypeVar("Row", bound=Keyed)


@router.get("/usage")
def get_usage(principal: Read, _: Place, query: Annotated[UsageQuery, Query()]) -> dict[str, Any]:
    """Usage by group, and by bucket where a grain (10s, 1m, 1h, 1d) is given. The ends fall on whole 10 seconds."""
    by = names.parse(query.group_by, names.USAGE_BY)
    interval, after = Interval(query.from_, query.to), _after(query, by)
    with db.transaction() as session:
        where = _where(session, query.given(), principal)
        found = using.page(session, interval, by, where, query.grain, after=after, count=query.limit + 1)
    return _page(found, query.limit, lambda row: using.item(by, row))


@router.get("/costs")
def get_costs(principal: Read, _: Place, query: Annotated[CostsQuery, Query()]) -> dict[str, Any]:
    """Postings up to `as_of`, then the open hours at standard cost: `provisional` says how much of an amount that is.

    `total` is all items and idle. Where there are several currencies it is null and `by_currency` has each.
    """
    by = names.parse(query.group_by, names.COSTS_BY)
    after = _after(query, by)
    with db.transaction() as session:
        where = _where(session, query.given(), principal)
        found = costing.costs(
            session, Interval(query.from_, query.to), by, where, basis=query.basis, grain=query.grain
        )  # fmt: skip
    shown = [row for row in found.rows if after is None or [*row.key, row.currency] > after]
    return _page(shown, query.limit, lambda row: _cost(by, row)) | _totals(found)


@router.get("/requests", response_model=None, responses=answers(shapes.Requests))
def get_requests(principal: Read, _: Place, query: Annotated[RequestsQuery, Query()]) -> dict[str, Any]:
    """Single requests by start, newest first; of the last day where nothing is said."""
    interval = query.interval(utc_now())
    with db.transaction() as session:
        where = _where(session, query.given(), principal)
        found = rows.requests(session, interval, where, query.limit + 1, query.cursor)
    return page(found, query.limit, rows.request_key)


@router.get("/interactions", response_model=None, responses=answers(shapes.Interactions))
def get_interactions(principal: Read, _: Place, query: Annotated[InteractionsQuery, Query()]) -> dict[str, Any]:
    """Conversations, or traces, by the start of their newest request, newest first; of the last day where nothing is said.

    A page looks at the newest 2,000 requests of those asked for, not at all there are; the cursor goes on from there.
    """
    interval = query.interval(utc_now())
    if query.cursor:
        interval = Interval(interval.start, min(interval.end, interactions.end_of(query.cursor)))
    with db.transaction() as session:
        where = _where(session, query.given(), principal)
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
        where = _where(session, {"tenant": [query.tenant] if query.tenant else []}, principal)
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
        found = serving.caches(session, utc_now(), _where(session, {}, principal))
    return {"items": [cache.said() for cache in found], "next_cursor": None}


@router.get("/postings")
def get_postings(
    _: Annotated[Principal, Depends(platform("read"))], __: Place, query: Annotated[PostingsQuery, Query()]
) -> dict[str, Any]:
    """The ledger, newest first, each posting with its entries; `from` and `to` are of the hour posted."""
    with db.transaction() as session:
        found = rows.postings(session, query.interval(), query.limit + 1, query.cursor)
    return page(found, query.limit, lambda item: [item["id"]])


def _where(session: Session, given: Mapping[str, Sequence[Any]], principal: Principal) -> dict[str, list[int]]:
    """Filters as ids by column; a key bound to a tenant sees that one, whatever it asks for."""
    where = names.where(session, given)
    if principal.tenant_id is not None:
        asked = where.get("tenant_id", [principal.tenant_id])
        where["tenant_id"] = [row_id for row_id in asked if row_id == principal.tenant_id]
    return where


def _page(shown: Sequence[Row], limit: int, item: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """The first of some rows, as items."""
    last = shown[limit - 1] if len(shown) > limit else None
    return {
        "items": [item(row) for row in shown[:limit]],
        "next_cursor": to_cursor([*last.key, last.currency]) if last else None,
    }


def _after(query: UsageQuery | CostsQuery, by: Sequence[str]) -> list[Any] | None:
    """The key after which a page begins; `Invalid` where it is that of another question."""
    if query.cursor is None:
        return None
    kinds: list[Kind] = [int if name in names.NUMBERS else str for name in by]
    return from_cursor(query.cursor, *kinds, *([str] if query.grain else []), str)


def _cost(by: Sequence[str], row: CostRow) -> dict[str, Any]:
    return {
        **dict(zip([*by, names.BUCKET], row.key, strict=False)),
        "amount": plain(row.amount),
        "list_amount": plain(row.list_amount),
        "provisional": plain(row.provisional),
        "currency": row.currency,
    }


def _totals(found: Costs) -> dict[str, Any]:
    each = {currency: _said(totals, currency) for currency, totals in found.totals.items()}
    whole = each or {NO_CURRENCY: _said(Totals(), NO_CURRENCY)}
    single = next(iter(whole.values())) if len(whole) == 1 else dict.fromkeys(_said(Totals(), NO_CURRENCY))
    return single | {"by_currency": list(each.values()), "as_of": rfc3339(found.as_of)}


def _said(totals: Totals, currency: str) -> dict[str, Any]:
    return {
        "total": money(totals.total, currency),
        "unattributed": money(totals.unattributed, currency),
        "idle": money(totals.idle, currency),
        "provisional": money(totals.provisional, currency),
    }
