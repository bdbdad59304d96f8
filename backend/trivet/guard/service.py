"""One evaluation of guards: load, decide, save. What must change is handed on as a row and a task name.

One evaluation runs at a time (the others have nothing to add), and the ladder rows it moves are locked, so that fifty at
once come to one breach and one step. A scenario whose judgement fails says so and stops no other.

The clock judges everything. In between, what was ingested wakes an evaluation of those scenarios of which enough came that
was bad: reading what was counted since the last look tells which.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.card.service import ActiveCard
from trivet.guard import counted, judgement, load, save
from trivet.guard.load import ANOTHER_REVISION, UNREADABLE, Scenario
from trivet.guard.models import Breach, GuardRun
from trivet.guard.tally import allowed
from trivet.guard.window import Governing
from trivet.kit.locks import Lock

__all__ = ["ANOTHER_REVISION", "UNREADABLE", "evaluate", "last_evaluated", "open_breaches", "wake"]
TOLD_MAX = 1_000
PATIENCE_MS = 500  # how long a woken evaluation waits for the one that runs
_told: set[tuple[int, str]] = set()
# Of each scenario what governed it when everything was judged last: enough to see what is worth a closer look.
_known: dict[int, tuple[ActiveCard, Governing]] = {}
db.caches.append(_known.clear)
_log = logging.getLogger(__name__)


def evaluate(session: Session, now: datetime) -> int | None:
    """Judge every guard of every active card. How many hand-offs were left; None where another evaluation is running."""
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:id)"), {"id": Lock.GUARD}):
        return None
    return _everything(session, now)


def _everything(session: Session, now: datetime) -> int:
    counted.reader.read(session)
    scenarios = load.everything(session, now)
    _known.clear()
    _known.update({each.card.scenario_id: (each.card, load.governing(each.card, each.ladder)) for each in scenarios})
    found = _judge(session, scenarios, now)
    _ran(session, failures=found.count(None), now=now)
    return sum(filter(None, found))


def wake(session: Session, now: datetime) -> int:
    """Judge the scenarios of which enough that was bad has come. How many hand-offs were left.

    Waits for the evaluation that runs, which may have read before that came; the lock's timeout is raised as it is.
    """
    session.execute(text(f"SET LOCAL lock_timeout = {PATIENCE_MS}"))
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.GUARD})
    session.execute(text("RESET lock_timeout"))
    if not _known:
        return _everything(session, now)
    bad = counted.reader.read(session)
    suspects = _suspects(bad, now)
    if suspects:
        suspects -= _broken(session, suspects)
    ids = {scenario_id for scenario_id, _ in suspects}
    return sum(filter(None, _judge(session, load.some(session, ids, now), now))) if ids else 0


def _suspects(bad: counted.Bad, now: datetime) -> set[tuple[int, str]]:
    """Guards of which more than their limit allows was bad in their window, by scenario and name."""
    found = set()
    for scenario_id in {id_ for id_, _ in bad} & _known.keys():
        card, governs = _known[scenario_id]
        seconds = load.counts(card, governs, now, whole=False)
        for guard in card.card.guards:
            own = seconds.get(guard.name, ())
            n, worse = sum(each.n for each in own), sum(each.bad for each in own)
            if n >= guard.minimum_sample and worse > allowed(guard) * n:
                found.add((scenario_id, guard.name))
    return found


def _broken(session: Session, suspects: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those whose breach is open: what follows from it waits for the clock."""
    ids = {scenario_id for scenario_id, _ in suspects}
    rows = select(Breach.scenario_id, Breach.guard).where(Breach.closed_at.is_(None), Breach.scenario_id.in_(ids))
    return {(scenario_id, guard) for scenario_id, guard in session.execute(rows)}


def last_evaluated(session: Session) -> datetime | None:
    """When guards were last judged; None where they never were."""
    return session.scalar(select(GuardRun.evaluated_at))


def _ran(session: Session, *, failures: int, now: datetime) -> None:
    run = insert(GuardRun).values(id=1, evaluated_at=now, failures=failures)
    changed = {"evaluated_at": now, "failures": GuardRun.failures + failures}
    session.execute(run.on_conflict_do_update(index_elements=["id"], set_=changed))


def _judge(session: Session, scenarios: Sequence[Scenario], now: datetime) -> list[int | None]:
    """Judge scenarios and save what came of it; how many hand-offs each left, None where it could not be judged."""
    rows: list[save.Row] = []
    found = [_judge_one(session, scenario, rows, now) for scenario in scenarios]
    save.verdicts(session, rows)
    return found


def _judge_one(session: Session, scenario: Scenario, rows: list[save.Row], now: datetime) -> int | None:
    """Judge one scenario: its verdicts are added to `rows`, its breaches and ladder saved.

    Where it cannot be judged its guards say so, and the other scenarios are judged all the same.
    """
    try:
        decided = judgement.judge(scenario.case(), now)
    except Exception as bad:  # whatever it is, it is this scenario's alone
        _tell_once(scenario.card, bad)
        rows += save.rows_of(scenario, judgement.unjudged(scenario.case(), bad), now)
        return None
    rows += save.rows_of(scenario, decided.verdicts, now)
    opened = save.breaches(session, scenario, decided.verdicts, now)
    return save.moved(session, scenario, decided, opened, now)


def _tell_once(card: ActiveCard, bad: Exception) -> None:
    """Evaluation runs each second; one line for each revision and kind of failure is enough."""
    key = (card.revision_id, type(bad).__name__)
    if key in _told:
        return
    if len(_told) >= TOLD_MAX:
        _told.clear()
    _told.add(key)
    _log.error("Guards of %r, revision %d, could not be judged", card.scenario, card.number, exc_info=bad)


def open_breaches(session: Session, scenario_ids: Sequence[int] | None = None) -> list[Breach]:
    """Breaches open now, newest first (bounded: one a guard). Those of guards in shadow move nothing and are left out."""
    query = select(Breach).where(Breach.closed_at.is_(None), ~Breach.shadow).order_by(Breach.id.desc())
    if scenario_ids is not None:
        query = query.where(Breach.scenario_id.in_(scenario_ids))
    return list(session.scalars(query))
