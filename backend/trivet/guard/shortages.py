"""Shared things that are short, and who gives way for them: who says so, whose turn it is, what is written.

Pools are looked at here; a budget says so itself (`tell`), as its context comes later. A ladder that gives way learns it by
its row (`ladder_state.yields`) and moves as ladders do: by command, with its reason, and back by probe.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.service import ActiveCard
from trivet.guard import giving_way, stations
from trivet.guard.giving_way import Place, Short, Turn, Wait
from trivet.guard.models import LadderState, Shortage
from trivet.guard.stations import Key, Station
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup import read

POOL, BUDGET = "pool", "budget"
WAITING_SHARE = 0.5  # of the calls that run: as many waiting means that the queue is the load's size
WAITING_MIN = 2.0
KV_FULL = 0.95
SHORT_FOR_S = 10.0  # before anybody gives way
UNTOLD_S = 300.0  # a shortage that nobody spoke of for so long is taken for over
SERVED_S = 60
BUCKET_S = 10


def give_way(session: Session, now: datetime) -> int:
    """Look at the pools, and let one scenario a shortage move where it is its turn; how many did."""
    _look_at_pools(session, now)
    active = cards.active(session)
    rows = session.scalars(
        select(Shortage).where(Shortage.ended_at.is_(None)).order_by(Shortage.id).with_for_update()
    ).all()
    moved = sum(_move(session, row, active, now) for row in rows)
    if rows:
        _write(session)
    return moved


def tell(
    session: Session, kind: str, subject: str, *, short: bool, scenario_ids: Collection[int], reason: str, now: datetime
) -> None:
    """Something shared is short, or no longer. Said again, it changes nothing but what is known of it."""
    known = session.scalar(
        select(Shortage)
        .where(Shortage.kind == kind, Shortage.subject == subject, Shortage.ended_at.is_(None))
        .with_for_update()
    )
    if known is None and short:
        values = {"kind": kind, "subject": subject, "since": now, "seen_at": now, "reason": reason}
        ids = sorted(scenario_ids)
        session.execute(insert(Shortage).values(values | {"scenario_ids": ids}).on_conflict_do_nothing())
    elif known is not None:
        known.seen_at, known.calm_since = now, None if short else (known.calm_since or now)
        known.scenario_ids = sorted({*known.scenario_ids, *scenario_ids})
        known.reason = reason if short else known.reason


def full(station: Station) -> str | None:
    """In words why a station is short; None where it is not."""
    if station.kv_cache is not None and station.kv_cache >= KV_FULL:
        return f"{station.name} is short: its KV cache is {station.kv_cache:.0%} full"
    if station.waiting >= max(WAITING_MIN, WAITING_SHARE * station.running):
        return f"{station.name} is short: {station.waiting:.0f} calls wait and {station.running:.0f} run"
    return None


def places(active: Mapping[int, ActiveCard], ladders: Mapping[int, LadderState], row: Shortage | None) -> list[Place]:
    """The scenarios that share something, as who may give way for it."""
    given = {int(id_): level for id_, level in (row.yields if row else {}).items()}
    return [_place(active[id_], ladders.get(id_), given.get(id_, 0)) for id_ in sorted(active)]


def _place(card: ActiveCard, ladder: LadderState | None, yields: int) -> Place:
    held = ladder is not None and ladder.held_until is not None
    level = ladder.level if ladder else 0
    return Place(card.scenario_id, card.scenario, card.card.criticality, level, card.card.top, yields, held)


def sharing(session: Session, keys: Collection[Key], now: datetime) -> dict[Key, set[int]]:
    """The scenarios that ran on each of some stations lately."""
    if not keys:
        return {}
    here = floor(now, BUCKET_S)
    within = Interval(here - timedelta(seconds=SERVED_S), here + timedelta(seconds=2 * BUCKET_S))
    found: dict[Key, set[int]] = {key: set() for key in keys}
    for kind in ("pool", "backend"):
        ids = [key.id for key in keys if key.kind == kind]
        if ids:
            by = f"{kind}_id"
            for scenario_id, id_ in read.sums(
                session, within, ["scenario_id", by], ["requests"], {by: ids}, grain_s=BUCKET_S
            ):
                found[Key(kind, id_)].add(scenario_id)
    return found


def order(session: Session, scenario_ids: Collection[int], what: str) -> list[Turn]:
    """Who of them would give way one after the other, as ladders stand now."""
    active = cards.active(session, scenario_ids)
    return giving_way.order(places(active, _ladders(session, active), None), what)


def others_first(session: Session, scenario_ids: Collection[int]) -> dict[int, str]:
    """In words, of each of these that shares something short, who gives way before its own guards raise it."""
    found: dict[int, str] = {}
    for row in session.scalars(select(Shortage).where(Shortage.ended_at.is_(None), Shortage.calm_since.is_(None))):
        sharers = cards.active(session, row.scenario_ids)
        at = places(sharers, _ladders(session, sharers), row)
        for mine in at:
            words = giving_way.others_first(mine, at, row.reason) if mine.scenario_id in scenario_ids else ""
            if words:
                found.setdefault(mine.scenario_id, words)
    return found


def _look_at_pools(session: Session, now: datetime) -> None:
    found = stations.stations(session, now, capacities=False)
    short = {key: words for key, station in found.items() if (words := full(station))}
    shared = sharing(session, short, now)
    for key, words in short.items():
        if len(shared[key]) > 1:
            tell(session, POOL, found[key].name, short=True, scenario_ids=shared[key], reason=words, now=now)
    calm = [found[key].name for key in found if key not in short or len(shared[key]) < 2]
    session.execute(
        update(Shortage)
        .where(Shortage.kind == POOL, Shortage.ended_at.is_(None), Shortage.subject.in_(calm))
        .where(Shortage.calm_since.is_(None))
        .values(calm_since=now, seen_at=now)
    )


def _move(session: Session, row: Shortage, active: Mapping[int, ActiveCard], now: datetime) -> int:
    if row.calm_since is None and not _lasted(row.since, now, SHORT_FOR_S):
        return 0
    if row.calm_since is None and _lasted(row.seen_at, now, UNTOLD_S):
        row.calm_since = now
    sharers = {id_: active[id_] for id_ in row.scenario_ids if id_ in active}
    turn = giving_way.next_turn(
        Short(row.reason, row.calm_since, row.stepped_at), places(sharers, _ladders(session, sharers), row), now
    )
    if isinstance(turn, Wait):
        row.ended_at = now if turn.over else None
        return 0
    row.yields = {id_: level for id_, level in (row.yields | {str(turn.scenario_id): turn.to}).items() if level}
    row.stepped_at = now
    session.flush()
    return 1


def _write(session: Session) -> None:
    """What each ladder gives way to: the most that any open shortage asks of it."""
    session.flush()
    wanted: dict[int, tuple[int, str]] = {}
    for short in session.scalars(select(Shortage).where(Shortage.ended_at.is_(None)).order_by(Shortage.id)):
        for id_, level in short.yields.items():
            wanted[int(id_)] = max(
                wanted.get(int(id_), (0, "")), (level, f"gives way to level {level}: {short.reason}")
            )
    differs = (LadderState.yields > 0) | LadderState.scenario_id.in_(wanted)
    rows = select(LadderState).where(differs).order_by(LadderState.scenario_id).with_for_update()
    for row in session.scalars(rows):
        level, reason = wanted.get(row.scenario_id, (0, ""))
        if row.yields != level:
            row.yields, row.yields_reason = level, reason or None


def _lasted(since: datetime, now: datetime, seconds: float) -> bool:
    return now - since >= timedelta(seconds=seconds)


def _ladders(session: Session, ids: Collection[int]) -> dict[int, LadderState]:
    rows: Sequence[LadderState] = session.scalars(select(LadderState).where(LadderState.scenario_id.in_(ids))).all()
    return {row.scenario_id: row for row in rows}
