"""Single requests, newest first, and postings with their entries: bounded pages, never a scan of everything."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trivet.ingest.models import OUTCOMES
from trivet.ingest.request.context import CLASSES, class_of
from trivet.ingest.request.fact import CAUSES, NO_PRICE, SHAPES
from trivet.ingest.store.ids import span_bytes, span_number
from trivet.kit.body import Instant
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import from_picos, money, plain
from trivet.kit.page import FOREIGN, INT4, INT8, from_cursor
from trivet.ledger.models import Entry, Posting
from trivet.report import names
from trivet.report.names import Labels

ENTRIES_MAX = 2_000  # of one posting in one answer
REQUEST_BY = ("tenant", "scenario", "model", "provider", "backend", "pool", "model_version", "region")
POSTED_BY = ("cost_centre", "tenant", "scenario", "model", "pool")
OR_NONE = {name: f"coalesce({name}, 0)" for name in ("version_id", "region_id")}
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

# The newest of each tenant through the primary key (tenant, start, …), then the newest of all: the cost of a page grows
# with tenants × limit and not with the requests there are.
NEWEST = """
    SELECT r.*, coalesce(p.currency, 'USD') AS currency FROM (
        SELECT id FROM tenant WHERE CAST(:tenants AS int4[]) IS NULL OR id = ANY(:tenants)
        UNION ALL SELECT 0 WHERE CAST(:tenants AS int4[]) IS NULL OR 0 = ANY(:tenants)
    ) AS t
    CROSS JOIN LATERAL (
        SELECT * FROM request
        WHERE tenant_id = t.id AND started_at >= :start AND started_at < :end {filters}
        ORDER BY started_at DESC, trace_id DESC, span_id DESC LIMIT :limit
    ) AS r
    LEFT JOIN price p ON p.id = r.price_id
    ORDER BY r.started_at DESC, r.tenant_id DESC, r.trace_id DESC, r.span_id DESC LIMIT :limit
"""
AFTER = "AND (started_at, tenant_id, trace_id, span_id) < (:at, :tenant, :trace, :span)"


def requests(
    session: Session, interval: Interval, where: Mapping[str, Sequence[int]], limit: int, cursor: str | None
) -> list[dict[str, Any]]:
    """Up to `limit` requests that started in an interval, newest first. No prompt is kept, so none is shown."""
    values: dict[str, Any] = {
        "start": interval.start, "end": interval.end, "limit": limit,
        "tenants": list(where["tenant_id"]) if "tenant_id" in where else None,
    }  # fmt: skip
    filters = [f"AND {OR_NONE.get(name, name)} = ANY(:{name})" for name in where if name != "tenant_id"]
    values |= {name: list(ids) for name, ids in where.items() if name != "tenant_id"}
    if cursor:
        values |= after(cursor)
        filters.append(AFTER)
    rows = [dict(row) for row in session.execute(text(NEWEST.format(filters=" ".join(filters))), values).mappings()]
    labels = names.labels(session, REQUEST_BY, rows)
    return [request_item(row, labels) for row in rows]


def after(cursor: str) -> dict[str, Any]:
    """Values of `AFTER` out of a cursor; `Invalid` where it is that of another question."""
    at, tenant, trace, span = from_cursor(cursor, str, INT4, str, str)
    try:
        return {
            "at": _INSTANT.validate_python(at),
            "tenant": tenant,
            "trace": UUID(hex=trace),
            "span": span_number(bytes.fromhex(span)),
        }
    except ValueError as foreign:
        raise Invalid(FOREIGN, field="cursor") from foreign


def request_key(item: Mapping[str, Any]) -> list[Any]:
    """Where the next page goes on after a request."""
    return [item["started_at"], item["tenant_id"], item["trace_id"], item["span_id"]]


def request_item(row: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    duration_ms = (row["ended_at"] - row["started_at"]).total_seconds() * 1000
    return {
        "trace_id": row["trace_id"].hex,
        "span_id": span_bytes(row["span_id"]).hex(),
        "tenant_id": row["tenant_id"],
        **dict(zip(REQUEST_BY, labels.key(REQUEST_BY, row), strict=True)),
        "started_at": rfc3339(row["started_at"]),
        "ended_at": rfc3339(row["ended_at"]),
        "duration_ms": round(duration_ms, 3),
        "ttft_ms": None if row["ttft_us"] is None else row["ttft_us"] / 1000,
        "outcome": OUTCOMES[row["outcome"]],
        "cause": CAUSES[row["cause"] or 0] or None,
        "streamed": row["streamed"],
        "context_class": CLASSES[class_of(row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_tokens"])],
        "tokens": {
            kind: row[f"{kind}_tokens"] for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
        },
        "cost": None if row["cost_picos"] is None else money(from_picos(row["cost_picos"]), row["currency"]),
        "price_id": row["price_id"],
        "unpriced_reason": None if row["cost_picos"] is not None else SHAPES[row["shape"] or 0] or NO_PRICE,
        "repeats": None if row["repeats"] is None else span_bytes(row["repeats"]).hex(),
        "level": row["degrade_level"],
        "revision": row["policy_revision"],
        "generation": row["policy_generation"],
        "conversation_id": row["conversation_id"],
        "response_id": row["response_id"],
        "finish_reason": row["finish_reason"],
    }


def postings(session: Session, hours: Interval, limit: int, cursor: str | None) -> list[dict[str, Any]]:
    """Up to `limit` postings of hours in an interval, newest first, each with its entries."""
    query = select(Posting).where(Posting.hour >= hours.start, Posting.hour < hours.end)
    query = query.order_by(Posting.id.desc()).limit(limit)
    if cursor:
        query = query.where(Posting.id < from_cursor(cursor, INT8)[0])
    return [_posting(session, row) for row in session.scalars(query).all()]


def _posting(session: Session, row: Posting) -> dict[str, Any]:
    query = select(Entry).where(Entry.posting_id == row.id).order_by(Entry.line).limit(ENTRIES_MAX + 1)
    entries = session.scalars(query).all()
    ids = [{names.column(name): getattr(entry, names.column(name)) for name in POSTED_BY} for entry in entries]
    labels = names.labels(session, POSTED_BY, ids)
    return {
        "id": row.id,
        "kind": row.kind,
        "source": row.source,
        "hour": rfc3339(row.hour),
        "sequence": row.sequence,
        "period": row.period,
        "method": row.method,
        "reason": row.reason,
        "booked_at": rfc3339(row.booked_at),
        "entries": [
            {
                "account": entry.account,
                **{k: v for k, v in zip(POSTED_BY, labels.key(POSTED_BY, own), strict=True) if own[names.column(k)]},
                "amount": plain(entry.amount),
                "currency": entry.currency,
            }
            for entry, own in zip(entries[:ENTRIES_MAX], ids, strict=False)
        ],
        "entries_left_out": len(entries) > ENTRIES_MAX,
    }
