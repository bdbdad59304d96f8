"""One evaluation of guards: load, decide, save. What must change is handed on as a row and a task name.

One evaluation runs at a time (the others have nothing to add), and the ladder rows it moves are locked, so that fifty at
once come to one breach and one step. A scenario whose judgement fails says so and stops no other.

The clock judges everything. In between, what was ingested wakes an evaluation of those scenarios of which enough came that
was bad: reading what was counted since the last look tells which.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.card.content import Guard
from trivet.card.service import ActiveCard
from trivet.guard import counted, judgement, load, save
from trivet.guard.load import ANOTHER_REVISION, UNREADABLE, Scenario
from trivet.guard.models import Breach, GuardRun
from trivet.guard.sequential import Counts
from trivet.guard.tally import allowed
from trivet.guard.window import Governing, starts
from trivet.kit.locks import Lock
from trivet.rollup.read import one_of

__all__ = ["ANOTHER_REVISION", "UNREADABLE", "evaluate", "evaluate_by_parts", "last_evaluated", "open_breaches", "wake"]
TOLD_MAX = 1_000
PART = 25  # scenarios judged in one transaction by the clock
LATELY = timedelta(seconds=10)  # a burst shows in these before it shows in a long window
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
    seen = _see_everything(session, now)
    return _finish(session, _judge(session, seen, seen.active) if seen else [], now)


def evaluate_by_parts(now: datetime) -> int | None:
    """The same in transactions of `PART` scenarios each, between which woken evaluations get their turn."""
    with db.transaction() as session:
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:id)"), {"id": Lock.GUARD_CLOCK}):
            return None
        with db.transaction() as reading:  # so that what ingest is to count is known before this is all over
            seen = _see_everything(reading, now)
        ids = sorted(seen.active) if seen else []
        found: list[int | None] = []
        for first in range(0, len(ids), PART):
            with db.transaction() as part:
                part.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.GUARD})
                assert seen is not None
                found += _judge(part, seen, ids[first : first + PART])
        return _finish(session, found, now)


def _see_everything(session: Session, now: datetime) -> load.Seen | None:
    counted.reader.read(session)
    seen = load.everything(session, now)
    for gone in _known.keys() - (seen.active.keys() if seen else ()):
        del _known[gone]
    return seen


def _finish(session: Session, found: Sequence[int | None], now: datetime) -> int:
    _ran(session, failures=found.count(None), now=now)
    return sum(filter(None, found))


def wake(session: Session, now: datetime) -> int:
    """Judge the scenarios of which enough that was bad has come. How many hand-offs were left.

    Waits for the evaluation that runs, which may have read before that came; the lock's timeout is raised as it is.
    """
    session.execute(text(f"SET LOCAL lock_timeout = {PATIENCE_MS}"))
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.GUARD})
    session.execute(text("RESET lock_timeout"))
    if not _known:  # this process has not judged yet
        seen = _see_everything(session, now)
        return _finish(session, _judge(session, seen, seen.active) if seen else [], now)
    bad = counted.reader.read(session)
    suspects = _suspects(bad, now)
    if suspects:
        suspects -= _broken(session, suspects)
    new = {scenario_id for scenario_id, _ in bad} - _known.keys()  # registered since the clock last came
    ids = {scenario_id for scenario_id, _ in suspects} | new
    seen = load.some(session, ids, now) if ids else None
    return sum(filter(None, _judge(session, seen, seen.active))) if seen else 0


def _suspects(bad: counted.Bad, now: datetime) -> set[tuple[int, str]]:
    """Guards of which more than their limit allows was bad in their window, by scenario and name."""
    found = set()
    for scenario_id in {id_ for id_, _ in bad} & _known.keys():
        card, governs = _known[scenario_id]
        seconds = load.counts(card, card.card.guards, governs, now, whole=False)
        for guard in card.card.guards:
            own = seconds.get(guard.name, ())
            if any(_past(own, since, guard) for since in (starts(guard, now), now - LATELY)):
                found.add((scenario_id, guard.name))
    return found


def _past(seconds: Sequence[Counts], since: datetime, guard: Guard) -> bool:
    own = [each for each in seconds if each.at >= since]
    n, bad = sum(each.n for each in own), sum(each.bad for each in own)
    return n >= guard.minimum_sample and bad > allowed(guard) * n


def _broken(session: Session, suspects: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those whose breach is open: what follows from it waits for the clock."""
    ids = {scenario_id for scenario_id, _ in suspects}
    rows = select(Breach.scenario_id, Breach.guard).where(Breach.closed_at.is_(None), one_of(Breach.scenario_id, ids))
    return {(scenario_id, guard) for scenario_id, guard in session.execute(rows)}


def last_evaluated(session: Session) -> datetime | None:
    """When guards were last judged; None where they never were."""
    return session.scalar(select(GuardRun.evaluated_at))


def _ran(session: Session, *, failures: int, now: datetime) -> None:
    run = insert(GuardRun).values(id=1, evaluated_at=now, failures=failures)
    changed = {"evaluated_at": now, "failures": GuardRun.failures + failures}
    session.execute(run.on_conflict_do_update(index_elements=["id"], set_=changed))


def _judge(session: Session, seen: load.Seen, ids: Collection[int]) -> list[int | None]:
    """Judge scenarios and save what came of it; how many hand-offs each left, None where it could not be judged."""
    rows: list[save.Row] = []
    found = []
    for scenario in load.scenarios(session, seen, ids):
        _known[scenario.card.scenario_id] = scenario.card, load.governing(scenario.card, scenario.ladder)
        if scenario.ladder.since <= seen.now:  # else it moved after this was read: the next look is by what came since
            found.append(_judge_one(session, scenario, rows, seen.now))
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
        query = query.where(one_of(Breach.scenario_id, scenario_ids))
    return list(session.scalars(query))
