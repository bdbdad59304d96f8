"""GET /api/v1/pools/{name}/hours: each posted hour of a pool, line by line."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers
from trivet.kit.body import Asked, Instant
from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.page import from_cursor, page
from trivet.ledger import pool_hours
from trivet.ledger.pool_answers import PoolHours
from trivet.ledger.reading import HOUR_S

LONGEST = timedelta(days=366)
router = APIRouter(tags=["ledger"])
Read = Annotated[Principal, Depends(platform("read"))]


@router.get("/pools/{name:path}/hours", response_model=None, responses=answers(PoolHours))
def list_pool_hours(
    name: Asked,
    _: Read,
    from_: Annotated[Instant, Query(alias="from")],
    to: Instant,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """How each posted hour was split: used, headroom, idle and down, prefill and decode, with the method and what it rests on."""
    interval = Interval(from_, to)
    for field, at in (("from", from_), ("to", to)):
        if floor(at, HOUR_S) != at:
            raise Invalid(f"Pools are posted by whole hours: `{field}` must fall on one.", field=field)
    if to - from_ > LONGEST:
        raise Invalid(f"Ask at most {LONGEST.days} days at once.", field="to")
    after = _instant(cursor) if cursor else None
    with db.transaction() as session:
        pool_id = pool_hours.pool_named(session, name)
        items = pool_hours.hours(session, pool_id, interval, after, limit + 1)
        told = pool_hours.whole(session, pool_id, interval)
    return {"pool": name, **told, **page(items, limit, lambda item: [item["hour"]])}


def _instant(cursor: str) -> datetime:
    (text,) = from_cursor(cursor, str)
    try:
        return datetime.fromisoformat(text)
    except ValueError as bad:
        raise Invalid("This cursor is not one of ours: start again without it.", field="cursor") from bad
