"""Replays the last day of some scenarios against their guards, and keeps what it finds. Each guard about once a day.

The seconds come from the stored requests, a part of each hour: `ROWS` at most, oldest first, so that a busy machine replays
the first minutes of an hour and a quiet one all of it. The statement reads by when requests came, which is how they lie.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.service import ActiveCard
from trivet.card.watched import Guard
from trivet.guard import normals
from trivet.guard.normal_model import GuardNormal
from trivet.guard.replay import replayed
from trivet.guard.sequential import Counts
from trivet.guard.tally import limit_of
from trivet.kit.clock import floor

DUE_AFTER = timedelta(hours=20)
HOURS, HOUR = 24, timedelta(hours=1)
SCENARIOS = 20  # in one run; the others are due in the next one
ROWS = 200_000  # requests of one hour
IN_ALL = 1_000_000  # requests in one run
KINDS = ("errors", "timeouts", "refusals", "latency", "ttft")
_SECONDS = text("""
    WITH came AS (
        SELECT scenario_id, tenant_id, trace_id, date_trunc('second', ended_at) AS second, outcome, ttft_us,
            extract(epoch FROM ended_at - started_at) * 1000000 AS took_us
        FROM request
        WHERE received_at >= :start AND received_at < :end AND started_at >= :earliest AND started_at < :end
            AND scenario_id = ANY(:scenarios) AND repeats IS NULL AND outcome <> 4
        LIMIT :rows
    ), traces AS (
        SELECT l.scenario_id, l.kind, l.over_us, c.second, c.tenant_id, count(*) AS n, count(*) FILTER (WHERE CASE l.kind
            WHEN 'errors' THEN c.outcome IN (1, 2) WHEN 'timeouts' THEN c.outcome = 2 WHEN 'refusals' THEN c.outcome = 3
            WHEN 'latency' THEN c.took_us > l.over_us ELSE c.ttft_us > l.over_us END) AS bad
        FROM came c JOIN guard_limit l USING (scenario_id)
        WHERE l.kind = ANY(:kinds) AND (l.kind <> 'ttft' OR c.ttft_us IS NOT NULL)
        GROUP BY l.scenario_id, l.kind, l.over_us, c.second, c.tenant_id, c.trace_id
    ), tenants AS (
        SELECT scenario_id, kind, over_us, second, tenant_id, sum(n) AS n, sum(bad) AS bad, sum(bad * bad) AS squares
        FROM traces GROUP BY scenario_id, kind, over_us, second, tenant_id
    )
    SELECT scenario_id, kind, over_us, second, sum(n)::bigint AS n, sum(bad)::bigint AS bad,
        sum(squares)::bigint AS by_trace, sum(bad * bad)::bigint AS by_tenant, sum(n * n)::bigint AS served_by_tenant
    FROM tenants GROUP BY scenario_id, kind, over_us, second ORDER BY scenario_id, kind, over_us, second
""")
Seconds = dict[tuple[int, str, int], list[list[Counts]]]  # by scenario and limit: stretches of an hour


def calibrate(session: Session, now: datetime) -> int:
    """Replay those that are due; how many guards were."""
    due = _due(session, cards.active(session), now)
    return replay(session, due, now) if due else 0


def replay(session: Session, scenario_ids: Sequence[int], now: datetime) -> int:
    """Replay those of some scenarios; how many guards were."""
    active = cards.active(session)
    due = [id_ for id_ in scenario_ids if id_ in active]
    history = _history(session, due, now)
    rows = [row for id_ in due for row in _rows(active[id_], history, now)]
    if rows:
        statement = insert(GuardNormal)
        keys = ("scenario_id", "guard")
        changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        session.connection().execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), rows)
    normals.forget()
    return len(rows)


def _due(session: Session, active: Collection[int], now: datetime) -> list[int]:
    """Scenarios that were not replayed for long, those that never were first."""
    last = select(GuardNormal.scenario_id, func.min(GuardNormal.replayed_at)).group_by(GuardNormal.scenario_id)
    replayed_at = dict(session.execute(last).all())
    old = [id_ for id_ in active if id_ not in replayed_at or replayed_at[id_] <= now - DUE_AFTER]
    return sorted(old, key=lambda id_: (id_ in replayed_at, replayed_at.get(id_, now), id_))[:SCENARIOS]


def _history(session: Session, scenario_ids: Sequence[int], now: datetime) -> Seconds:
    """The last whole hours, newest first, until there is enough."""
    found: Seconds = {}
    for hour in range(1, HOURS + 1):
        start = floor(now, 3600) - hour * HOUR
        for key, stretch in _hour(session, scenario_ids, start):
            found.setdefault(key, []).append(stretch)
        if sum(each.n for stretches in found.values() for stretch in stretches for each in stretch) > IN_ALL:
            break
    return found


def _hour(
    session: Session, scenario_ids: Sequence[int], start: datetime
) -> Iterator[tuple[tuple[int, str, int], list[Counts]]]:
    given = {
        "start": start, "end": start + HOUR, "earliest": start - HOUR, "scenarios": list(scenario_ids), "rows": ROWS,
        "kinds": list(KINDS),
    }  # fmt: skip
    by_limit: dict[tuple[int, str, int], list[Counts]] = {}
    for row in session.execute(_SECONDS, given):
        counts = Counts(row.second, row.n, row.bad, row.by_trace, row.by_tenant, row.served_by_tenant)
        by_limit.setdefault((row.scenario_id, row.kind, row.over_us), []).append(counts)
    yield from by_limit.items()


def _rows(card: ActiveCard, history: Seconds, now: datetime) -> Iterator[dict[str, Any]]:
    """One a guard on a share; without enough history it says so, and is due again in a day."""
    for guard in card.card.guards:
        limit = limit_of(guard)
        if limit is None or limit.kind not in KINDS:
            continue
        yield _row(card.scenario_id, guard, history.get((card.scenario_id, limit.kind, limit.over_us), []), now)


def _row(scenario_id: int, guard: Guard, stretches: Sequence[Sequence[Counts]], now: datetime) -> dict[str, Any]:
    found = replayed(guard, stretches)
    return {
        "scenario_id": scenario_id,
        "guard": guard.name,
        "metric": guard.metric,
        "enter": guard.enter,
        "usual": found.normal.usual if found else None,
        "widening": found.normal.widening if found else 1.0,
        "seconds": found.seconds if found else 0,
        "requests": found.n if found else sum(each.n for stretch in stretches for each in stretch),
        "alarms": found.alarms if found else 0,
        "remaining": found.left if found else 0,
        "replayed_at": now,
    }
