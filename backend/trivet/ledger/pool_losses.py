"""Which requests failed because their pool lost GPUs, which did their work again, and what both cost.

Lost: an error or timeout of a request that ran while its pool was interrupted (as recorded), or whose cause was that a
spot pool was not available. Retry: a request of the same trace, tenant and model that began within ten minutes after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.fleet.capacity import Stretch
from trivet.ingest.request.fact import CAUSES, ERROR, TIMEOUT
from trivet.kit.interval import Interval
from trivet.ledger.reading import HOUR, UNITS
from trivet.rollup.rebuild import LONGEST

RETRIED_WITHIN = timedelta(minutes=10)
SPOT = "spot"
_CLEAR = text("DELETE FROM interrupted_request WHERE hour = :start AND pool_id = ANY(CAST(:pools AS int4[]))")
_LOST = text(f"""
    INSERT INTO interrupted_request
        (tenant_id, started_at, trace_id, span_id, pool_id, hour, kind, cost, currency, work)
    SELECT r.tenant_id, r.started_at, r.trace_id, r.span_id, r.pool_id, :start, 'lost', r.cost_picos * 1e-12,
        coalesce(p.currency, ''), {UNITS}
    FROM request r LEFT JOIN price p ON p.id = r.price_id
    WHERE r.pool_id = ANY(CAST(:pools AS int4[])) AND r.started_at >= :reach AND r.started_at < :end
      AND r.ended_at >= :start AND r.ended_at < :end AND r.repeats IS NULL
      AND r.outcome = ANY(CAST(:failed AS int2[]))
      AND (r.pool_id = ANY(CAST(:spot AS int4[])) AND r.cause = :unavailable OR EXISTS (
          SELECT 1 FROM pool_interruption i WHERE i.pool_id = r.pool_id AND r.ended_at >= i.interrupted_at
            AND r.started_at <= coalesce(i.restored_at, i.interrupted_at)))
    ON CONFLICT DO NOTHING
""")  # noqa: S608  # constants of this package
_RETRIES = text(f"""
    INSERT INTO interrupted_request
        (tenant_id, started_at, trace_id, span_id, pool_id, hour, kind, cost, currency, work)
    SELECT DISTINCT ON (r.tenant_id, r.started_at, r.trace_id, r.span_id)
        r.tenant_id, r.started_at, r.trace_id, r.span_id, l.pool_id, l.hour, 'retry', r.cost_picos * 1e-12,
        coalesce(p.currency, ''), CASE WHEN r.pool_id = l.pool_id THEN {UNITS} ELSE 0 END
    FROM interrupted_request l
    JOIN request f USING (tenant_id, started_at, trace_id, span_id)
    JOIN request r ON r.tenant_id = l.tenant_id AND r.trace_id = l.trace_id AND r.model_id = f.model_id
        AND r.started_at >= f.ended_at AND r.started_at < f.ended_at + CAST(:within AS interval)
    LEFT JOIN price p ON p.id = r.price_id
    WHERE l.kind = 'lost' AND l.hour IN (:start, :before) AND r.repeats IS NULL
      AND r.started_at >= :before AND r.started_at < :end + CAST(:within AS interval)
    ORDER BY r.tenant_id, r.started_at, r.trace_id, r.span_id, l.hour, l.pool_id
    ON CONFLICT DO NOTHING
""")  # noqa: S608  # constants of this package
_SUMS = text("""
    SELECT pool_id, hour, kind, currency, count(*), coalesce(sum(cost), 0), sum(work)
    FROM interrupted_request
    WHERE pool_id = ANY(CAST(:pools AS int4[])) AND hour >= :start AND hour < :end
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
""")


@dataclass(frozen=True, slots=True)
class Loss:
    """Requests of one kind ("lost", "retry") of one pool's hour: how many, their standard cost, their work units there."""

    kind: str
    currency: str
    requests: int
    cost: Decimal
    work: Decimal


def mark(session: Session, hour: datetime, capacity: Mapping[int, Sequence[Stretch]]) -> None:
    """Mark the requests of an hour that were lost by an interruption of their pool, and those that did them again."""
    if not capacity:
        return
    at = {
        "pools": sorted(capacity), "start": hour, "end": hour + HOUR, "reach": hour - LONGEST, "before": hour - HOUR,
        "spot": [pool_id for pool_id, parts in capacity.items() if any(part.purchase == SPOT for part in parts)],
        "failed": [ERROR, TIMEOUT], "unavailable": CAUSES.index("unavailable"), "within": RETRIED_WITHIN,
    }  # fmt: skip
    session.execute(_CLEAR, at)
    session.execute(_LOST, at)
    session.execute(_RETRIES, at)


def losses(session: Session, interval: Interval, pools: Sequence[int]) -> dict[tuple[int, datetime], list[Loss]]:
    """What interruptions cost, by pool and hour."""
    at = {"pools": list(pools), "start": interval.start, "end": interval.end}
    found: dict[tuple[int, datetime], list[Loss]] = {}
    for pool_id, hour, *sums in session.execute(_SUMS, at):
        found.setdefault((pool_id, hour), []).append(Loss(*sums))
    return found
