"""Loads what scenarios are judged by: cards, ladders, how guards stood, what was measured. A few statements for all of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.card import service as cards
from trivet.card.content import Guard
from trivet.card.models import Activation
from trivet.card.service import ActiveCard
from trivet.guard import counted, judgement, normals, readings, returning, signs, window
from trivet.guard.decide import Standing
from trivet.guard.flow import Event, InFlight
from trivet.guard.judgement import Case
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.guard.moves import state_of
from trivet.guard.readings import Readings
from trivet.guard.sequential import Counts
from trivet.guard.tally import limit_of
from trivet.guard.ways import Way
from trivet.guard.window import AHEAD, BUCKET_S, Beside, Governing, Slice, starts
from trivet.ingest.signal import running
from trivet.ingest.signal.running import Overdue
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import read

ANOTHER_REVISION = "another revision governs now"  # why a breach ended that no number ended
UNREADABLE = "the active card cannot be read: activate another revision"
OF_EVENTS = frozenset({"rate_limit_rate", "cold_start_rate", "health_events", "out_of_memory_events"})
GROUP_BY = ("scenario_id", "bucket", "revision", "level", "currency")
Cards = Mapping[int, ActiveCard]


class Stood(NamedTuple):
    """How a guard stood: of its row what the next verdict builds on, or tells whether it has to be written."""

    scenario_id: int
    guard: str
    verdict: str
    since: datetime
    evaluated_at: datetime
    revision: int
    threshold: float
    over_since: datetime | None
    clear_since: datetime | None
    shadow: bool


_STOOD = tuple(getattr(GuardState, name) for name in Stood._fields)


@dataclass(slots=True)
class Scenario:
    """What is known of one scenario before it is judged."""

    card: ActiveCard
    ladder: LadderState
    states: dict[str, Stood]
    open: dict[str, Breach]
    slices: Sequence[Slice]
    beside: Beside
    way: Way

    def case(self) -> Case:
        """What the judgement rests on."""
        before = {guard.name: self._standing(guard) for guard in self.card.card.guards}
        governs = governing(self.card, self.ladder)
        return Case(self.card, state_of(self.ladder), before, self.slices, governs, self.beside, self.way)

    def _standing(self, guard: Guard) -> Standing:
        """How the guard stood under this revision; a new revision starts afresh."""
        state = self.states.get(guard.name)
        breach = self.open.get(guard.name)
        broken, by_stall = breach is not None, breach is not None and breach.worst_value is None
        if state is None or state.revision != self.card.number:
            return Standing(broken, by_stall=by_stall)
        ok_since = state.since if state.verdict == "ok" else None
        return Standing(broken, state.over_since, state.clear_since, by_stall, ok_since)


def governing(card: ActiveCard, ladder: LadderState) -> Governing:
    """What governs now, and since when."""
    untouched = card.first and ladder.since <= card.active_from
    return Governing(card.number, ladder.level, None if untouched else max(card.active_from, ladder.since))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured of scenarios with an active card, read without any lock."""

    now: datetime
    active: Cards
    slices: Mapping[int, Sequence[Slice]]
    calls: Mapping[int, Sequence[Overdue]]
    moving: Mapping[int, InFlight]
    events: Mapping[int, Sequence[Event]]
    readings: Readings


def everything(session: Session, now: datetime) -> Seen | None:
    """Of every scenario; None where none has a card. Says who has none any more, and what ingest is to count."""
    active = cards.active(session)
    _say_who_has_no_card(session, active, now)
    if not active:
        return None
    counted.agree(session, active, now)
    counted.reader.trim(now)
    return _see(session, active, now)


def some(session: Session, scenario_ids: Collection[int], now: datetime) -> Seen | None:
    """Of some scenarios; None where none of them has a card."""
    active = cards.active(session, scenario_ids)
    return _see(session, active, now) if active else None


def _see(session: Session, active: Cards, now: datetime) -> Seen:
    slices = _slices(session, active, now)
    calls = running.read(session, active, now)  # after the slices: see there
    told = {id_: len(of) for id_, of in calls.items()}
    normals.refresh(session, now)
    moving = signs.in_flight(session, active, told, now)
    return Seen(now, active, slices, calls, moving, _events(session, active, now), readings.read(session, active, now))


def scenarios(session: Session, seen: Seen, ids: Collection[int]) -> list[Scenario]:
    """Some of those seen, with their ladders, locked, and how their guards stood; closes what belongs to other revisions."""
    later = set(session.scalars(_activated_since(seen, ids)))
    active = {id_: seen.active[id_] for id_ in ids if id_ not in later}
    ladders = _ladders(session, active)
    states, opened = _states(session, active), _opened(session, active, seen.now)
    ways = returning.ways(session, active, ladders, seen.now)
    return [
        Scenario(
            active[id_],
            ladders[id_],
            states[id_],
            opened[id_],
            seen.slices.get(id_, ()),
            _beside(seen, active[id_], ladders[id_]),
            ways[id_],
        )
        for id_ in sorted(active)
    ]


def _activated_since(seen: Seen, ids: Collection[int]) -> Select[int]:
    """Those that another revision governs since they were seen: what was seen says nothing of it."""
    return select(Activation.scenario_id).where(
        read.one_of(Activation.scenario_id, ids), Activation.active_from > seen.now
    )


def _say_who_has_no_card(session: Session, active: Cards, now: datetime) -> None:
    """A scenario that has verdicts and no active card had one: it cannot be read any more."""
    session.execute(
        update(GuardState)
        .where(~read.one_of(GuardState.scenario_id, active), GuardState.reason != UNREADABLE)
        .values(verdict="no_data", reason=UNREADABLE, value=None, since=now, over_since=None, clear_since=None)
    )


def _ladders(session: Session, active: Cards) -> dict[int, LadderState]:
    """Each scenario's ladder, locked in key order; a new scenario's stands at level 0."""
    query = (
        select(LadderState)
        .where(read.one_of(LadderState.scenario_id, active))
        .order_by(LadderState.scenario_id)
        .with_for_update()
    )
    found = {row.scenario_id: row for row in session.scalars(query)}
    new = [
        {"scenario_id": id_, "level": 0, "since": card.active_from, "reason": "the card is active"}
        for id_, card in active.items()
        if id_ not in found
    ]
    if new:
        session.execute(insert(LadderState).values(new).on_conflict_do_nothing())
        found = {row.scenario_id: row for row in session.scalars(query)}
    return found


def _states(session: Session, active: Cards) -> dict[int, dict[str, Stood]]:
    """How guards stood, by scenario. What was said under another revision goes."""
    found: dict[int, dict[str, Stood]] = {id_: {} for id_ in active}
    other: set[int] = set()
    for row in session.execute(select(*_STOOD).where(read.one_of(GuardState.scenario_id, active))):
        stood = Stood(*row)
        if stood.revision == active[stood.scenario_id].number:
            found[stood.scenario_id][stood.guard] = stood
        else:
            other.add(stood.scenario_id)
    for id_ in sorted(other):
        session.execute(
            delete(GuardState).where(GuardState.scenario_id == id_, GuardState.revision != active[id_].number)
        )
    return found


def _opened(session: Session, active: Cards, now: datetime) -> dict[int, dict[str, Breach]]:
    """Open breaches, by scenario. One belongs to the revision it opened under: the next is judged by its own data."""
    found: dict[int, dict[str, Breach]] = {id_: {} for id_ in active}
    rows = select(Breach).where(Breach.closed_at.is_(None), read.one_of(Breach.scenario_id, active))
    for breach in session.scalars(rows):
        if breach.revision == active[breach.scenario_id].number:
            found[breach.scenario_id][breach.guard] = breach
        else:
            breach.closed_at, breach.closed_reason = now, ANOTHER_REVISION
            outbox.send(session, "notify.breach", breach.id, queue="control")
    session.flush()
    return found


def _slices(session: Session, active: Cards, now: datetime) -> dict[int, list[Slice]]:
    """Usage by scenario in the longest window of any guard."""
    first = min(starts(guard, now) for card in active.values() for guard in card.card.guards)
    found = read.usage(
        session,
        Interval(first, floor(now, BUCKET_S) + AHEAD),
        GROUP_BY,
        {"scenario_id": list(active)},
        grain_s=BUCKET_S,
    )
    slices: dict[int, list[Slice]] = {}
    for (scenario_id, bucket, revision, level, currency), usage in found.items():
        slices.setdefault(scenario_id, []).append(Slice(bucket, revision, level, currency, usage))
    return slices


def _beside(seen: Seen, card: ActiveCard, ladder: LadderState) -> Beside:
    """What is known of a scenario beside its requests. Notes since when it has had work in flight."""
    id_, now = card.scenario_id, seen.now
    moving = seen.moving.get(id_)
    ladder.in_flight_since = (ladder.in_flight_since or moving.since or now) if moving else None
    served = [s.bucket for s in seen.slices.get(id_, ()) if s.usage.requests > s.usage.rejections]
    return Beside(
        calls=seen.calls.get(id_, ()),
        events=seen.events.get(id_, ()),
        finished_in=max(served, default=None),
        in_flight=moving,
        in_flight_since=ladder.in_flight_since,
        quiet_since=counted.reader.quiet_since(id_, now) if moving else None,
        counts=counts(card, card.card.guards, governing(card, ladder), now),
        arm_counts=_arm_counts(card, ladder, now),
        readings=seen.readings.of(card),
        burns=seen.readings.burned(card),
        normals=normals.of(card.scenario_id, card.card.guards),
    )


def _arm_counts(card: ActiveCard, ladder: LadderState, now: datetime) -> dict[str, list[Counts]]:
    """The seconds of those that are back by a probe."""
    state = state_of(ladder)
    if state.probe is None:
        return {}
    back = judgement.back(governing(card, ladder), state.probe)
    return counts(card, judgement.of_arm(card.card), back, now)


def counts(
    card: ActiveCard, guards: Iterable[Guard], governs: Governing, now: datetime, *, whole: bool = True
) -> dict[str, list[Counts]]:
    """The seconds of each guard that were counted, by guard; one whose `whole` window was not counted yet is left out."""
    series = counted.reader.series.get(card.scenario_id)
    found: dict[str, list[Counts]] = {}
    for guard in guards if series else ():
        limit = limit_of(guard)
        known = limit and counted.reader.counting.of(card.scenario_id, limit, starts(guard, now) if whole else None)
        if series and known:
            found[guard.name] = window.counts(series, known, guard, governs, now)
    return found


def _events(session: Session, active: Cards, now: datetime) -> dict[int, list[Event]]:
    """Health events and cold starts, where any card guards them."""
    guards = [guard for card in active.values() for guard in card.card.guards if guard.metric in OF_EVENTS]
    return signs.events(session, active, min(starts(guard, now) for guard in guards), now) if guards else {}
