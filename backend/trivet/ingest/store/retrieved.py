"""Retrieval spans that looked into a cache: kept once, and what they add to the signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Cursor

from trivet.ingest.request.fact import LookupFact
from trivet.ingest.signal.deltas import deltas_of
from trivet.ingest.signal.of_requests import lookup_detail, lookup_points
from trivet.ingest.store.ids import span_number
from trivet.ingest.store.row import RowKey, instant

_PUT = """
    INSERT INTO cache_lookup (tenant_id, started_at, trace_id, span_id, ended_at, scenario_id, backend_id, details)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING tenant_id
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup with the ids of its names; 0 where the span named none."""

    fact: LookupFact
    tenant_id: int
    scenario_id: int
    backend_id: int

    @property
    def key(self) -> RowKey:
        return self.tenant_id, self.fact.start_us, self.fact.trace_id, self.fact.span_id


def store(cursor: Cursor[Any], found: Sequence[Found]) -> list[tuple[Any, ...]]:
    """Keep lookups not kept before, by the order of their key; rows of `signal_delta` that the new ones add."""
    unique = {each.key: each for each in reversed(found)}
    ordered = [unique[key] for key in sorted(unique)]
    if not ordered:
        return []
    cursor.executemany(_PUT, map(_values, ordered), returning=True)
    new: list[Found] = []
    for each in ordered:
        if cursor.fetchone() is not None:
            new.append(each)
        cursor.nextset()
    return deltas_of(
        point
        for each in new
        for point in lookup_points(
            (each.tenant_id, each.scenario_id, 0, each.backend_id, 0), each.fact.end_us, each.fact.lookups
        )
    )


def _values(each: Found) -> tuple[Any, ...]:
    fact = each.fact
    return (
        each.tenant_id,
        instant(fact.start_us),
        UUID(bytes=fact.trace_id),
        span_number(fact.span_id),
        instant(fact.end_us),
        each.scenario_id,
        each.backend_id,
        [lookup_detail(lookup) for lookup in fact.lookups],
    )
