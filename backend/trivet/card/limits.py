"""What ingest counts as bad for a card's guards, second by second, and the agreement on it with ingest."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.card.watched import Guard
from trivet.ingest.store import limits
from trivet.ingest.store.tallies import Limit
from trivet.ingest.store.tally_model import GuardLimit

LONGEST_S = 900  # guards on a longer window read the rollups
BUDGETS = {"p50": 0.50, "p95": 0.05, "p99": 0.01}  # the share of requests that may be slower than a percentile's limit
_OUTCOMES = {"error_rate": "errors", "timeout_rate": "timeouts", "refusal_rate": "refusals"}
_TIMES = ("latency", "ttft", "inter_token")


def limit_of(guard: Guard) -> Limit | None:
    """What a guard counts as bad; None where it is no guard on a share of what was served."""
    outcome = _OUTCOMES.get(guard.metric)
    if outcome:
        return Limit(outcome)
    percentile, _, rest = guard.metric.partition("_")
    kind = rest.removesuffix("_ms")
    return Limit(kind, round(guard.enter * 1000)) if percentile in BUDGETS and kind in _TIMES else None


def limits_of(guards: Iterable[Guard]) -> set[Limit]:
    """What ingest counts for a card."""
    return {limit for guard in guards if guard.window_s <= LONGEST_S and (limit := limit_of(guard)) is not None}


def agree(session: Session, scenario_id: int, guards: Iterable[Guard], now: datetime) -> None:
    """Have ingest count what these guards ask for from this commit on. What no card asks for any more, the guards' clock
    takes away.
    """
    wanted = sorted(limits_of(guards), key=lambda limit: (limit.kind, limit.over_us))
    rows = [{"scenario_id": scenario_id, "kind": one.kind, "over_us": one.over_us, "since": now} for one in wanted]
    if rows:
        session.execute(insert(GuardLimit).values(rows).on_conflict_do_nothing())
        limits.forget()
