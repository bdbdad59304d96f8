"""Reads what ingest counted for guards, each row once, and tells it what to count.

A process goes on where it stopped: rows from the oldest transaction that was still at work then are looked at again, those
it has are passed over. Kept in memory, as far back as the longest window needs: reading costs what came, not what is kept.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.card.governing import ActiveCard
from trivet.guard.tally import LONGEST_S, Series, limits_of
from trivet.ingest.store import limits, tallies
from trivet.ingest.store.tallies import Limit
from trivet.ingest.store.tally_model import GuardLimit, GuardTally

KEPT = timedelta(seconds=LONGEST_S + 60)  # by when they came; longer windows read rollups
LEARNED = timedelta(seconds=3)  # until every process counts against a new limit
ROWS, ROUNDS = 5_000, 40  # read in one statement, and how many of those in one look
FORGOTTEN = 10_000  # rows deleted in one transaction
ARRIVALS_KEPT = 64  # of each scenario: how far apart its requests usually come
_READ = text("""
    SELECT s.xmin, t.xid, t.id, t.received_at, t.records
    FROM (SELECT (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint AS xmin) s
    LEFT JOIN LATERAL (
        SELECT xid, id, received_at, records FROM guard_tally
        WHERE (xid, id) > (:xid, :id) AND received_at > now() - :kept
        ORDER BY xid, id LIMIT :rows
    ) t ON true
""")
Bad = set[tuple[int, int]]  # scenario, id of a limit


@dataclass(slots=True)
class Counting:
    """Limits that ingest counts against, by scenario, and since when each is counted."""

    revisions: dict[int, int] = field(default_factory=dict)
    limits: dict[int, dict[tuple[str, int], tuple[Limit, datetime]]] = field(default_factory=dict)

    def of(self, scenario_id: int, limit: Limit, start: datetime | None) -> Limit | None:
        """The limit with its id, where requests have been counted against it since `start`, or at all."""
        found = self.limits.get(scenario_id, {}).get((limit.kind, limit.over_us))
        return found[0] if found and (start is None or start >= found[1] + LEARNED) else None


@dataclass(slots=True)
class Reader:
    """What one process has read. Used by one evaluation at a time."""

    horizon: int = 0  # every transaction before has been read
    seen: set[tuple[int, int]] = field(default_factory=set)  # rows read of later ones
    series: dict[int, Series] = field(default_factory=dict)
    arrivals: dict[int, deque[datetime]] = field(default_factory=dict)
    counting: Counting = field(default_factory=Counting)

    def read(self, session: Session) -> Bad:
        """Take in what has come; by which limits of which scenarios something of it was bad."""
        bad: Bad = set()
        at, safe = (self.horizon, 0), None
        for _ in range(ROUNDS):
            rows = session.execute(_READ, {"xid": at[0], "id": at[1], "kept": KEPT, "rows": ROWS}).all()
            safe = rows[0].xmin if safe is None else safe  # as of the first look: what it missed lies after that
            if safe < self.horizon:  # another database, or one brought back from a backup
                self.forget()
                return self.read(session)
            for row in rows:
                if row.xid is not None and (row.xid, row.id) not in self.seen:
                    self._take(row.records, row.received_at, bad)
                    self.seen.add((row.xid, row.id))
            if len(rows) < ROWS:
                break
            at = (rows[-1].xid, rows[-1].id)
        else:
            return bad  # more waits: the next look begins where this one did, and passes over what it has
        self.horizon = safe
        self.seen = {key for key in self.seen if key[0] >= safe}
        return bad

    def _take(self, records: bytes, came: datetime, bad: Bad) -> None:
        touched = set()
        for record in tallies.unpacked(records):
            scenario_id, what = record[0], record[5]
            series = self.series.get(scenario_id)
            if series is None:
                series = self.series[scenario_id] = Series()
            series.add(record)
            touched.add(scenario_id)
            if what > 0 and record[6] > 0:
                bad.add((scenario_id, what))
        for scenario_id in touched:
            self.arrivals.setdefault(scenario_id, deque(maxlen=ARRIVALS_KEPT)).append(came)

    def trim(self, now: datetime) -> None:
        """Drop what no window reaches any more."""
        for scenario_id in [id_ for id_, series in self.series.items() if not series.forget(now - KEPT)]:
            del self.series[scenario_id]
            self.arrivals.pop(scenario_id, None)

    def quiet_since(self, scenario_id: int, now: datetime) -> datetime | None:
        """Since when something should have come: the newest end of a request, and as long after it as exports lie apart."""
        series = self.series.get(scenario_id)
        ended = series.finished_at() if series else None
        if ended is None:
            return None
        came = [at for at in self.arrivals.get(scenario_id, ()) if at <= now]
        apart = max((later - earlier for earlier, later in pairwise(came)), default=timedelta(0))
        due = came[-1] + apart if came else ended
        return min(now, max(ended, due))

    def ended(self, scenario_id: int, since: datetime) -> list[datetime]:
        """The seconds from then on in which any request of the scenario ended that was served, oldest first."""
        series = self.series.get(scenario_id)
        return series.ended(since) if series else []

    def forget(self) -> None:
        """Begin anew."""
        self.horizon, self.counting = 0, Counting()
        for kept in (self.seen, self.series, self.arrivals):
            kept.clear()


reader = Reader()
db.caches.append(reader.forget)


def agree(session: Session, active: Mapping[int, ActiveCard], now: datetime) -> None:
    """Have ingest count what the guards of these cards ask for, from now on, and nothing else."""
    counting = reader.counting
    revisions = {id_: card.revision_id for id_, card in active.items()}
    if revisions == counting.revisions:
        return
    wanted = {(id_, limit.kind, limit.over_us) for id_, card in active.items() for limit in limits_of(card.card.guards)}
    there = session.execute(select(GuardLimit.scenario_id, GuardLimit.kind, GuardLimit.over_us))
    stored = {(id_, kind, over_us) for id_, kind, over_us in there}
    gone, new = sorted(stored - wanted), sorted(wanted - stored)
    key = tuple_(GuardLimit.scenario_id, GuardLimit.kind, GuardLimit.over_us)
    for first in range(0, len(gone), FORGOTTEN):
        session.execute(delete(GuardLimit).where(key.in_(gone[first : first + FORGOTTEN])))
    if new:
        rows = [{"scenario_id": id_, "kind": kind, "over_us": over_us, "since": now} for id_, kind, over_us in new]
        session.connection().execute(insert(GuardLimit).on_conflict_do_nothing(), rows)
        limits.forget()
        return  # known once it is committed: the next look finds it
    counting.limits = {}
    for row in session.scalars(select(GuardLimit)):
        of = counting.limits.setdefault(row.scenario_id, {})
        of[row.kind, row.over_us] = Limit(row.kind, row.over_us, row.id), row.since
    counting.revisions = revisions


def forget_old(session: Session) -> int:
    """Take away rows that no window reaches; how many."""
    old = select(GuardTally.xid, GuardTally.id).where(GuardTally.received_at < func.now() - KEPT).limit(FORGOTTEN)
    gone = delete(GuardTally).where(tuple_(GuardTally.xid, GuardTally.id).in_(old))
    return session.execute(gone).rowcount  # type: ignore[attr-defined,no-any-return]  # a cursor result has it
