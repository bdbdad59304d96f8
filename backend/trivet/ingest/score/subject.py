"""The requests that scores are about: whose they were, and the policy they ran under."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.ingest.models import Request
from trivet.ingest.store.ids import of_traces
from trivet.settings import get_settings

EARLY = timedelta(minutes=15)  # a score may carry an earlier time than its request: their clocks differ
FOUND_MAX = 20_000  # requests looked at for the scores of one call; an agent's trace has many
STATEMENT_IDS = 1_000


@dataclass(frozen=True, slots=True)
class Scored:
    """What a score says of its request. `tenant_id` 0: of any tenant."""

    trace_id: bytes
    span_id: bytes
    response_id: str
    tenant_id: int
    scored_at: datetime


def requests_of(session: Session, asked: Sequence[Scored | None]) -> list[Any]:
    """For each score the request that it is about, None where none is stored.

    That with its span id, else with its response id, else the last of its trace that began before the score; only of its
    own tenant where it has one. One statement for many scores, through the index of trace ids.
    """
    wanted = [one for one in asked if one is not None]
    if not wanted:
        return [None] * len(asked)
    by_trace: dict[bytes, list[Any]] = {}
    traces = sorted({one.trace_id for one in wanted})
    for start in range(0, len(traces), STATEMENT_IDS):
        for row in _found(session, traces[start : start + STATEMENT_IDS], wanted):
            by_trace.setdefault(row.trace_id, []).append(row)
    return [None if one is None else _best(one, by_trace.get(one.trace_id, ())) for one in asked]


def _found(session: Session, traces: Sequence[bytes], wanted: Sequence[Scored]) -> Sequence[Any]:
    late = timedelta(days=get_settings().late_limit_days)
    return session.execute(
        select(
            Request.trace_id,
            Request.span_id,
            Request.started_at,
            Request.tenant_id,
            Request.scenario_id,
            Request.policy_revision,
            Request.degrade_level,
            Request.response_id,
        )
        .where(of_traces(Request.trace_id, traces))
        .where(Request.started_at >= min(one.scored_at for one in wanted) - late)
        .where(Request.started_at <= max(one.scored_at for one in wanted) + EARLY)
        .order_by(Request.started_at.desc(), Request.span_id)
        .limit(FOUND_MAX)
    ).all()


def _best(one: Scored, rows: Sequence[Any]) -> Any:
    own = [row for row in rows if not one.tenant_id or row.tenant_id == one.tenant_id]
    own = [row for row in own if row.started_at <= one.scored_at + EARLY]
    for same in (
        [row for row in own if one.span_id and row.span_id == one.span_id],
        [row for row in own if one.response_id and row.response_id == one.response_id],
    ):
        if same:
            return same[0]
    return own[0] if own else None
