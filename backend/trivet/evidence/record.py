"""Keeps what was measured of breaches that are over, and computes it again while late data may still come."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.evidence import case, measured
from trivet.evidence.models import BreachTimes
from trivet.guard.models import Breach

DUE_MAX = 50  # breaches of one run
# After its end: late spans and scores come within seconds, a backend that was away within a day. 10-second rollups are
# kept for 10 days at least.
AGAIN = tuple(timedelta(seconds=s) for s in (60, 600, 3_600, 86_400, 9 * 86_400))
WAIT_MIN = timedelta(seconds=10)  # for what is not undone yet


def due(session: Session, now: datetime) -> list[int]:
    """Breaches that are over and were not measured yet, or are to be measured again."""
    kept = BreachTimes
    new = (
        select(Breach.id)
        .outerjoin(kept, kept.breach_id == Breach.id)
        .where(Breach.closed_at.is_not(None), Breach.closed_at > now - AGAIN[-1], kept.breach_id.is_(None))
        .order_by(Breach.id)
        .limit(DUE_MAX)
    )
    again = select(kept.breach_id).where(kept.again_at <= now).order_by(kept.again_at).limit(DUE_MAX)
    return [*session.scalars(new), *session.scalars(again)][:DUE_MAX]


def keep(session: Session, breach_id: int, now: datetime) -> BreachTimes:
    """Measure one and keep it, in place of what was kept before. Twice at once: the same row twice."""
    values = values_of(session, case.read(session, breach_id), now)
    statement = insert(BreachTimes).values(values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["breach_id"], set_={c: statement.excluded[c] for c in values if c != "breach_id"}
        )
    )
    return session.scalars(
        select(BreachTimes).where(BreachTimes.breach_id == breach_id).execution_options(populate_existing=True)
    ).one()


def of(session: Session, found: case.Case, now: datetime) -> BreachTimes:
    """What is kept of a breach; of one that is not over, or was not measured yet, as it stands now."""
    row = session.get(BreachTimes, found.breach.id)
    return row or BreachTimes(**values_of(session, found, now))


def values_of(session: Session, found: case.Case, now: datetime) -> dict[str, Any]:
    """The row."""
    account, breach = measured.account(session, found, now), found.breach
    told = account.times
    return {
        "breach_id": breach.id, "scenario_id": breach.scenario_id, "guard": breach.guard, "shadow": bool(breach.shadow),
        "began_at": told.began, "detected_at": told.detected, "command_id": told.command_id, "acted_at": told.acted,
        "observed_at": told.observed, "effective_at": told.effective, "closed_at": told.closed,
        "recovered_at": told.recovered, "requests_under": account.requests_under, "currency": account.currency,
        "saved": account.saved.amount, "saved_low": account.saved.low, "saved_high": account.saved.high,
        "saved_words": account.saved.words, "lost": account.lost.points, "lost_low": account.lost.low,
        "lost_high": account.lost.high, "lost_words": account.lost.words, "computed_at": now,
        "again_at": again_at(told.closed, told.recovered, now),
    }  # fmt: skip


def again_at(closed: datetime | None, recovered: datetime | None, now: datetime) -> datetime | None:
    """When to measure again: after the steps of `AGAIN`; while something is not undone yet, ever less often. None: no more."""
    if closed is None:
        return None
    if recovered is None:
        return now + max(WAIT_MIN, (now - closed) / 4) if now - closed < AGAIN[-1] else None
    return next((recovered + step for step in AGAIN if recovered + step > now), None)
