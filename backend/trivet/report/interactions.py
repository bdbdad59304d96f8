"""An interaction, what a user did once: a trace or a conversation, with totals of its own.

Single ones are found by the indexes on `request`. A list looks at the newest requests there are and never at all of them:
an interaction stands where its newest request does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.ingest.models import OUTCOMES
from trivet.ingest.store.ids import span_bytes
from trivet.kit.body import Instant
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.kit.money import from_picos, money
from trivet.kit.page import FOREIGN, from_cursor
from trivet.report import names, rows
from trivet.report.names import Labels

KindOf = Literal["conversation", "trace"]
COLUMN: Mapping[KindOf, str] = {"conversation": "conversation_id", "trace": "trace_id"}
REQUESTS_MAX = 1_000  # of one interaction; of more, the newest are added up and it is said
LOOKED_AT_MAX = 2_000  # requests behind one page of a list
SHOWN_MAX = 50
TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
BY = ("tenant", "scenario", "model")

_NEWEST = """
    SELECT r.* FROM (
        SELECT id FROM tenant WHERE CAST(:tenants AS int4[]) IS NULL OR id = ANY(:tenants)
        UNION ALL SELECT 0 WHERE CAST(:tenants AS int4[]) IS NULL OR 0 = ANY(:tenants)
    ) AS t
    CROSS JOIN LATERAL (
        SELECT tenant_id, started_at, {column} AS id FROM request
        WHERE tenant_id = t.id AND started_at >= :start AND started_at < :end AND {column} IS NOT NULL {filters}
        ORDER BY started_at DESC LIMIT :limit
    ) AS r
    ORDER BY r.started_at DESC LIMIT :limit
"""
_OF = """
    SELECT wanted.id AS interaction, r.*, coalesce(p.currency, 'USD') AS currency
    FROM unnest(CAST(:tenants AS int4[]), CAST(:ids AS {type}[])) AS wanted(tenant, id)
    CROSS JOIN LATERAL (
        SELECT * FROM request WHERE {same} AND (wanted.tenant IS NULL OR tenant_id = wanted.tenant)
        ORDER BY started_at DESC LIMIT :limit
    ) AS r
    LEFT JOIN price p ON p.id = r.price_id
"""
_TYPES: Mapping[KindOf, str] = {"conversation": "text", "trace": "uuid"}
# By the indexes on `request`: that of traces holds four bytes of each.
_SAME: Mapping[KindOf, str] = {
    "conversation": "conversation_id = wanted.id",
    "trace": "uuid_hash(trace_id) = uuid_hash(wanted.id) AND trace_id = wanted.id",
}

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

Row = Mapping[str, Any]
Key = tuple[int | None, Any]  # tenant (None: whichever), id


@dataclass(slots=True)
class Interaction:
    """Requests of one interaction added up. Those that repeat another (one call, told twice) are counted apart."""

    kind: KindOf
    id: str
    requests: int = 0
    repeats: int = 0
    outcomes: Counter[int] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    picos: Counter[str] = field(default_factory=Counter)  # by currency
    unpriced: int = 0
    levels: set[int] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    left_out: bool = False

    def add(self, row: Row) -> None:
        """One more request."""
        self.rows.append(row)
        if row["repeats"] is not None:
            self.repeats += 1
            return
        self.requests += 1
        self.outcomes[row["outcome"]] += 1
        self.tokens.update({kind: row[f"{kind}_tokens"] for kind in TOKENS})
        self.levels.add(row["degrade_level"])
        if row["cost_picos"] is None:
            self.unpriced += 1
        elif (
            row["price_id"] is not None
        ):  # else answered from a cache, of a model without a price: nothing, in no currency
            self.picos[row["currency"]] += row["cost_picos"]

    @property
    def ended(self) -> datetime:
        """When the last of its requests ended."""
        last: datetime = max(row["ended_at"] for row in self.rows)
        return last

    @property
    def started(self) -> datetime:
        """When the first of its requests began."""
        first: datetime = min(row["started_at"] for row in self.rows)
        return first

    @property
    def newest(self) -> datetime:
        """When its newest request began."""
        newest: datetime = max(row["started_at"] for row in self.rows)
        return newest

    def said(self, labels: Labels) -> dict[str, Any]:
        """Its totals, as the API and pages show them."""
        of = {name: sorted({labels.key([name], row)[0] for row in self.rows}) for name in BY}
        outcomes = {OUTCOMES[index]: count for index, count in self.outcomes.items()}
        return {
            "kind": self.kind,
            "id": self.id,
            "tenants": of["tenant"],
            "scenarios": of["scenario"],
            "models": of["model"],
            "levels": sorted(self.levels),
            "requests": self.requests,
            "errors": outcomes.get("error", 0),
            "timeouts": outcomes.get("timeout", 0),
            "refusals": outcomes.get("refused", 0),
            "rejections": outcomes.get("rejected", 0),
            "tokens": {kind: self.tokens[kind] for kind in TOKENS},
            "cost": [money(from_picos(picos), currency) for currency, picos in sorted(self.picos.items())],
            "unpriced_requests": self.unpriced,
            "repeats": self.repeats,
            "started_at": rfc3339(self.started),
            "ended_at": rfc3339(self.ended),
            "duration_ms": round((self.ended - self.started).total_seconds() * 1000, 3),
            "requests_left_out": self.left_out,
        }


def told(session: Session, found: Sequence[Interaction], *, whole: bool = False) -> list[dict[str, Any]]:
    """Interactions as the API shows them, `whole` with their requests."""
    labels = names.labels(session, rows.REQUEST_BY, [row for each in found for row in each.rows])
    return [
        each.said(labels) | ({"items": [_request(row, labels) for row in each.rows]} if whole else {}) for each in found
    ]


def one(session: Session, kind: KindOf, id_: str, tenants: Sequence[int] | None) -> Interaction:
    """One interaction, its requests newest first. `tenants` are those that may be seen, None for all.

    `NotFound`; `Invalid` where the tenants who have a conversation of this name are several: they are not one.
    """
    key = _id(kind, id_)
    wanted: list[Key] = [(None, key)] if tenants is None else [(tenant, key) for tenant in tenants]
    found = _gathered(kind, _of(session, kind, wanted), by_tenant=False)
    if not found:
        raise NotFound(f"There is no {kind} {id_!r}.")
    interaction = found[None, key]
    owners = {row["tenant_id"] for row in interaction.rows} - {0}
    if kind == "conversation" and len(owners) > 1:
        raise Invalid("Several tenants have a conversation of this name: say which with `tenant`.", field="tenant")
    return interaction


def newest(
    session: Session, kind: KindOf, interval: Interval, where: Mapping[str, Sequence[int]], limit: int
) -> tuple[list[Interaction], datetime | None]:
    """Up to `limit` interactions whose newest request began in an interval, and where the next page ends.

    None where the whole interval was looked at.
    """
    limit = min(limit, SHOWN_MAX)
    seen = _newest_requests(session, kind, interval, where)
    firsts: dict[Key, datetime] = {}
    for tenant_id, started_at, id_ in seen:
        firsts.setdefault((tenant_id, id_), started_at)
    keys = list(firsts)[:limit]
    found = _gathered(kind, _of(session, kind, keys), by_tenant=True)
    # One whose newest request began later stands on an earlier page.
    shown = [found[key] for key in keys if key in found and found[key].newest < interval.end]
    return shown, _next_end(seen, list(firsts.values()), limit)


def end_of(cursor: str) -> datetime:
    """Where the page after a cursor ends."""
    try:
        return _INSTANT.validate_python(from_cursor(cursor, str)[0])
    except ValueError as foreign:
        raise Invalid(FOREIGN, field="cursor") from foreign


def _next_end(seen: Sequence[Any], firsts: Sequence[datetime], limit: int) -> datetime | None:
    if len(firsts) > limit:
        return firsts[limit] + timedelta(microseconds=1)
    return seen[-1][1] if len(seen) == LOOKED_AT_MAX else None


def _newest_requests(
    session: Session, kind: KindOf, interval: Interval, where: Mapping[str, Sequence[int]]
) -> Sequence[Any]:
    """(tenant, start, id) of the newest requests that belong to an interaction."""
    values: dict[str, Any] = {
        "start": interval.start, "end": interval.end, "limit": LOOKED_AT_MAX,
        "tenants": list(where["tenant_id"]) if "tenant_id" in where else None,
    }  # fmt: skip
    filters = " ".join(f"AND {name} = ANY(:{name})" for name in where if name != "tenant_id")
    values |= {name: list(ids) for name, ids in where.items() if name != "tenant_id"}
    return session.execute(text(_NEWEST.format(column=COLUMN[kind], filters=filters)), values).all()


def _of(session: Session, kind: KindOf, keys: Sequence[Key]) -> Sequence[Row]:
    """Requests of some interactions, of each the newest up to one more than are added up."""
    query = text(_OF.format(same=_SAME[kind], type=_TYPES[kind]))
    values = {"tenants": [t for t, _ in keys], "ids": [id_ for _, id_ in keys], "limit": REQUESTS_MAX + 1}
    return [dict(row) for row in session.execute(query, values).mappings()] if keys else []


def _gathered(kind: KindOf, found: Iterable[Row], *, by_tenant: bool) -> dict[Key, Interaction]:
    """Interactions by key, their requests newest first."""
    made: dict[Key, Interaction] = {}
    for row in sorted(found, key=lambda row: row["started_at"], reverse=True):
        id_ = row["interaction"]
        key = (row["tenant_id"] if by_tenant else None), id_
        each = made.setdefault(key, Interaction(kind, id_.hex if isinstance(id_, UUID) else id_))
        if len(each.rows) < REQUESTS_MAX:
            each.add(row)
        else:
            each.left_out = True
    return made


def _request(row: Row, labels: Labels) -> dict[str, Any]:
    repeats = row["repeats"]
    return rows.request_item(row, labels) | {"repeats": None if repeats is None else span_bytes(repeats).hex()}


def _id(kind: KindOf, id_: str) -> str | UUID:
    if kind == "conversation":
        return id_
    try:
        return UUID(hex=id_)
    except ValueError as bad:
        raise Invalid("A trace id is 32 hexadecimal digits.", field="id") from bad
