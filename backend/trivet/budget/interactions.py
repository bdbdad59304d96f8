"""What interactions spent: all requests of one conversation, or of one trace where no conversation is named.

They are read from the requests themselves, by their indexes; those that repeat another's call count nowhere.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.budget.limits import WindowKey
from trivet.budget.sums import Part
from trivet.ingest.request.fact import REJECTED
from trivet.kit.money import from_picos

REQUESTS_MAX = 10_000  # of one interaction
Name = tuple[int, str]  # tenant, and the conversation or the trace in hex
_SUMS = """
    SELECT w.tenant, w.name, coalesce(p.currency, ''), date_trunc('day', r.ended_at, 'UTC'),
        count(*) FILTER (WHERE r.outcome <> :rejected), count(*) FILTER (WHERE r.cost_picos IS NULL),
        sum(r.input_tokens::int8 + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens + r.reasoning_tokens),
        coalesce(sum(r.cost_picos), 0)
    FROM unnest(CAST(:tenants AS int4[]), CAST(:names AS text[]), CAST(:ids AS {type}[])) AS w (tenant, name, id)
    CROSS JOIN LATERAL (
        SELECT * FROM request WHERE {same} AND tenant_id = w.tenant AND repeats IS NULL LIMIT :most
    ) AS r
    LEFT JOIN price p ON p.id = r.price_id
    GROUP BY 1, 2, 3, 4
"""
_BY_CONVERSATION = text(_SUMS.format(type="text", same="conversation_id = w.id"))
_BY_TRACE = text(
    _SUMS.format(
        type="uuid",
        same="uuid_hash(trace_id) = uuid_hash(w.id) AND trace_id = w.id AND conversation_id IS DISTINCT FROM w.name",
    )
)


def parts_of(session: Session, keys: Sequence[WindowKey]) -> dict[WindowKey, Sequence[Part]]:
    """What each interaction's window holds."""
    found = spent(session, [(key.subject_id, key.interaction) for key in keys])
    return {key: found.get((key.subject_id, key.interaction), ()) for key in keys}


def spent(session: Session, names: Collection[Name]) -> dict[Name, list[Part]]:
    """What interactions spent, whenever."""
    made: dict[Name, list[Part]] = defaultdict(list)
    traces = {name: id_ for name in names if (id_ := _trace(name[1])) is not None}
    _collect(made, session, _BY_CONVERSATION, [(*name, name[1]) for name in names])
    _collect(made, session, _BY_TRACE, [(*name, id_) for name, id_ in traces.items()])
    return made


def _collect(
    made: dict[Name, list[Part]], session: Session, query: Any, wanted: Iterable[tuple[int, str, Any]]
) -> None:
    rows = sorted(wanted, key=lambda each: each[:2])
    if not rows:
        return
    tenants, names, ids = map(list, zip(*rows, strict=True))
    given = {"tenants": tenants, "names": names, "ids": ids, "most": REQUESTS_MAX, "rejected": REJECTED}
    for tenant, name, currency, day, requests, unpriced, tokens, picos in session.execute(query, given):
        made[(tenant, name)].append(Part(currency, day, requests, int(tokens), unpriced, from_picos(int(picos))))


def _trace(name: str) -> UUID | None:
    """A trace's id out of its 32 hex digits; None for any other name."""
    if len(name) != 32:  # hex digits of 16 bytes
        return None
    try:
        return UUID(hex=name)
    except ValueError:
        return None
