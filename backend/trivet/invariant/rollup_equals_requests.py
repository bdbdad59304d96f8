"""Rollups and what is not folded yet equal a plain sum over the requests: for one hour of the last week, at each grain."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.invariant.finding import Finding, turn
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup.models import GRAINS_S
from trivet.rollup.read import Usage, usage
from trivet.rollup.rebuild import LONGEST

HOURS = 24 * 7
HOUR = timedelta(hours=1)
COUNTED = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_SUM = text("""
    SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
           coalesce(sum(cache_read_tokens), 0), coalesce(sum(cache_write_tokens), 0),
           coalesce(sum(reasoning_tokens), 0), count(*) FILTER (WHERE cost_picos IS NULL),
           coalesce(sum(cost_picos), 0) * 1e-12
    FROM request WHERE started_at >= :reach AND started_at < :end AND ended_at >= :start AND ended_at < :end
      AND repeats IS NULL
""")
_USED = text("SELECT DISTINCT bucket FROM rollup_1h WHERE bucket >= :since ORDER BY bucket")


def check(session: Session, now: datetime) -> Finding:
    """Read only; needs one snapshot for all its statements. Each run takes another hour among those with usage."""
    hours = list(session.scalars(_USED, {"since": floor(now, 3600) - HOUR * HOURS}))
    hour = hours[turn(now, len(hours))] if hours else floor(now, 3600)
    return check_hour(session, Interval(hour, hour + HOUR))


def check_hour(session: Session, hour: Interval) -> Finding:
    """One hour."""
    at = {"reach": hour.start - LONGEST, "start": hour.start, "end": hour.end}
    plain = tuple(session.execute(_SUM, at).one())
    for grain_s in GRAINS_S:
        found = _counts(usage(session, hour, [], grain_s=grain_s).get((), Usage()))
        if found != plain:
            return Finding(False, f"{hour.start:%FT%RZ}: the {grain_s} s rollup says {found}, the requests say {plain}")
    return Finding(True, f"{hour.start:%FT%RZ}: {plain[0]} requests")


def _counts(found: Usage) -> tuple[Any, ...]:
    counts = tuple(getattr(found, name) for name in (*COUNTED, "unpriced_requests"))
    return (*counts, Decimal(found.cost))
