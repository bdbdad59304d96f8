"""Spans of retrievals and of tools' calls: kept once, and what they add to the signals."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from trivet.ingest.request.fact import LookupFact
from trivet.ingest.signal.deltas import deltas_of
from trivet.ingest.signal.of_requests import Point, call_points, lookup_detail, lookup_points
from trivet.ingest.store.ids import array_of, span_bytes, span_number
from trivet.ingest.store.row import RowKey, instant

_PUT = """
    INSERT INTO cache_lookup (tenant_id, started_at, trace_id, span_id, ended_at, scenario_id, backend_id, details)
    SELECT tenant_id, started_at, trace_id, span_id, ended_at, scenario_id, backend_id,
        ARRAY(SELECT jsonb_array_elements_text(details::jsonb))
    FROM unnest(%s::int4[], %s::timestamptz[], %s::uuid[], %s::int8[], %s::timestamptz[], %s::int4[], %s::int4[], %s::text[])
        AS n (tenant_id, started_at, trace_id, span_id, ended_at, scenario_id, backend_id, details)
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, (extract(epoch FROM started_at) * 1000000)::int8, trace_id, span_id
"""


@dataclass(slots=True)
class Found:
    """A span with the ids of its names; 0 where it named none. `callee`: the tool, `overflow` past the limit of names."""

    fact: LookupFact
    tenant_id: int
    scenario_id: int
    backend_id: int
    callee: str = ""

    @property
    def key(self) -> RowKey:
        return self.tenant_id, self.fact.start_us, self.fact.trace_id, self.fact.span_id


def store(cursor: Cursor[Any], found: Sequence[Found]) -> list[tuple[Any, ...]]:
    """Keep spans not kept before, by the order of their key; rows of `signal_delta` that the new ones add."""
    unique = {each.key: each for each in reversed(found)}
    ordered = [unique[key] for key in sorted(unique)]
    if not ordered:
        return []
    cursor.execute(_PUT, _columns(ordered))
    new = [unique[tenant, start_us, trace.bytes, span_bytes(span)] for tenant, start_us, trace, span in cursor]
    return deltas_of(point for each in new for point in _points(each))


def _points(each: Found) -> Iterator[Point]:
    ids, fact = (each.tenant_id, each.scenario_id, 0, each.backend_id, 0), each.fact
    yield from lookup_points(ids, fact.end_us, fact.lookups)
    yield from call_points(ids, fact.end_us, fact.called, each.callee)


def _columns(ordered: Sequence[Found]) -> tuple[Any, ...]:
    facts = [each.fact for each in ordered]
    return (
        [each.tenant_id for each in ordered],
        [instant(fact.start_us) for fact in facts],
        array_of(fact.trace_id for fact in facts),
        [span_number(fact.span_id) for fact in facts],
        [instant(fact.end_us) for fact in facts],
        [each.scenario_id for each in ordered],
        [each.backend_id for each in ordered],
        [json.dumps(_details(each)) for each in ordered],
    )


def _details(each: Found) -> list[str]:
    """What the span says: its looks into caches, and the tool it called."""
    called = [f"{each.fact.called}/{each.callee}"] if each.callee else []
    return [lookup_detail(lookup) for lookup in each.fact.lookups] + called
