"""Single requests searched by whatever a request holds: newest first, a page at a time, in a bounded time.

An id (of a trace, of a conversation) is found by its index. Everything else is looked for in stretches of time that grow
backwards from the newest, each by the primary key, tenant by tenant; after `PATIENCE_S` the page ends where it has come to, and
its cursor goes on from there. So the cost of a page grows with what it shows and not with the requests there are.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.ingest.models import OUTCOMES
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import to_picos
from trivet.kit.page import to_cursor
from trivet.report import names, rows

FIRST, GROWS = timedelta(minutes=5), 4
PATIENCE_S = 1.0
INSTANT = timedelta(microseconds=1)
COST_MAX = Decimal(9_000_000)  # what a request's picos hold
_COLUMNS = {"level": "degrade_level", "revision": "policy_revision"} | rows.OR_NONE

_BY_ID = """
    SELECT r.*, coalesce(p.currency, 'USD') AS currency FROM request r LEFT JOIN price p ON p.id = r.price_id
    WHERE started_at >= :start AND started_at < :end
      AND (CAST(:tenants AS int4[]) IS NULL OR tenant_id = ANY(:tenants)) {filters}
    ORDER BY r.started_at DESC, r.tenant_id DESC, r.trace_id DESC, r.span_id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Sought:
    """What a request must be, beside the names it has. Empty: whatever. `conversation_prefix`: how its id begins."""

    outcomes: tuple[str, ...] = ()
    latency_ms: float | None = None  # at least
    cost: Decimal | None = None  # at least, in the currency of its price
    trace: str = ""
    response: str = ""
    conversation: str = ""
    conversation_prefix: str = ""

    @property
    def by_id(self) -> bool:
        """Whether an index finds it, wherever in time it is."""
        return bool(self.trace or self.conversation)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of requests as `rows.request_item` says them, and where the next begins; None: there is nothing older.

    `looked_back_to` is where the page ended because its time was over, None where it ended by itself.
    """

    items: list[dict[str, Any]]
    next_cursor: str | None
    looked_back_to: datetime | None = None


def search(
    session: Session,
    interval: Interval,
    where: Mapping[str, Sequence[Any]],
    sought: Sought,
    *,
    limit: int,
    cursor: str | None = None,
) -> Found:
    """Up to `limit` requests that started in an interval. `where` is ids by column (`names.where`)."""
    filters, values = _filters(where, sought)
    if cursor:
        values |= rows.after(cursor)
        filters.append(rows.AFTER)
        interval = Interval(interval.start, max(min(interval.end, values["at"] + INSTANT), interval.start))
    query = text((_BY_ID if sought.by_id else rows.NEWEST).format(filters=" ".join(filters)))
    found: list[dict[str, Any]] = []
    until = time.monotonic() + PATIENCE_S
    back: datetime | None = None
    for piece in [interval] if sought.by_id else pieces(interval):
        given = values | {"start": piece.start, "end": piece.end, "limit": limit + 1 - len(found)}
        found += [dict(row) for row in session.execute(query, given).mappings()]
        if len(found) > limit:
            break
        if time.monotonic() > until and piece.start > interval.start:
            back = piece.start
            break
    labels = names.labels(session, rows.REQUEST_BY, found)
    items = [rows.request_item(row, labels) for row in found[:limit]]
    if len(found) > limit:
        return Found(items, to_cursor(rows.request_key(items[-1])))
    return Found(items, to_cursor([rfc3339(back), 0, "0" * 32, "0" * 16]) if back else None, back)


def pieces(interval: Interval) -> Iterator[Interval]:
    """The interval from its end, each piece longer than the one before."""
    end, width = interval.end, FIRST
    while end > interval.start:
        start = max(end - width, interval.start)
        yield Interval(start, end)
        end, width = start, width * GROWS


def _filters(where: Mapping[str, Sequence[Any]], sought: Sought) -> tuple[list[str], dict[str, Any]]:
    filters = [f"AND {_COLUMNS.get(name, name)} = ANY(:{name})" for name in where if name != "tenant_id"]
    values: dict[str, Any] = {name: list(ids) for name, ids in where.items() if name != "tenant_id"}
    values["tenants"] = list(where["tenant_id"]) if "tenant_id" in where else None
    for words, name, value in _wanted(sought):
        filters.append(f"AND {words}")
        values[name] = value
    return filters, values


def _wanted(sought: Sought) -> Iterator[tuple[str, str, Any]]:
    if sought.outcomes:
        yield "outcome = ANY(:outcomes)", "outcomes", [OUTCOMES.index(name) for name in sought.outcomes]
    if sought.latency_ms is not None:
        yield "ended_at - started_at >= :slower", "slower", timedelta(milliseconds=sought.latency_ms)
    if sought.cost is not None:
        yield "cost_picos >= :dearer", "dearer", to_picos(min(sought.cost, COST_MAX))
    if sought.trace:
        yield "uuid_hash(trace_id) = uuid_hash(:trace_of) AND trace_id = :trace_of", "trace_of", trace_id(sought.trace)
    if sought.response:
        yield "response_id = :response", "response", sought.response
    if sought.conversation:
        yield "conversation_id = :conversation", "conversation", sought.conversation
    if sought.conversation_prefix:
        yield "starts_with(conversation_id, :prefix)", "prefix", sought.conversation_prefix


def trace_id(text_: str) -> UUID:
    """A trace's id out of its 32 hexadecimal digits, else `Invalid`."""
    try:
        return UUID(hex=text_)
    except ValueError as bad:
        raise Invalid("A trace id is 32 hexadecimal digits.", field="trace") from bad
