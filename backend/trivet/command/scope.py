"""Which backends a command concerns, and what they were seen to hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from trivet.command.models import BackendHolding, BackendPoll
from trivet.command.status import Seen
from trivet.fleet.models import Backend


@dataclass(frozen=True, slots=True)
class Present:
    """A backend that was seen lately; `scenario_ids` empty: it serves any."""

    id: int
    name: str
    scenario_ids: frozenset[int]
    polled_at: datetime | None

    def serves(self, scenario_id: int) -> bool:
        return not self.scenario_ids or scenario_id in self.scenario_ids


Holdings = dict[tuple[int, int], BackendHolding]


def present(session: Session, now: datetime, seen_s: float) -> list[Present]:
    """Backends that polled, or began to run under a generation, in the last `seen_s` seconds."""
    since = now - timedelta(seconds=seen_s)
    by_telemetry = select(BackendHolding.backend_id).where(BackendHolding.effective_at > since)
    query = (
        select(Backend.id, Backend.name, Backend.scenario_ids, BackendPoll.polled_at)
        .outerjoin(BackendPoll, BackendPoll.backend_id == Backend.id)
        .where(or_(BackendPoll.polled_at > since, Backend.id.in_(by_telemetry)))
        .order_by(Backend.name)
    )
    return [Present(id_, name, frozenset(ids), at) for id_, name, ids, at in session.execute(query)]


def holdings(session: Session, scenario_ids: Collection[int]) -> Holdings:
    """What each backend was seen to hold of these scenarios."""
    rows = session.scalars(select(BackendHolding).where(BackendHolding.scenario_id.in_(scenario_ids)))
    return {(row.backend_id, row.scenario_id): row for row in rows}


def seen(backends: Sequence[Present], held: Holdings, scenario_id: int, backend_id: int | None) -> list[Seen]:
    """The scope's backends as `status.find` wants them."""
    return [
        _seen(backend, held.get((backend.id, scenario_id)))
        for backend in backends
        if backend.serves(scenario_id) and backend_id in (None, 0, backend.id)
    ]


def _seen(backend: Present, held: BackendHolding | None) -> Seen:
    if held is None:
        # Generation -1: not even the state before the first command was proven.
        return Seen(backend.name, -1, None, -1, None)
    return Seen(backend.name, held.observed_generation, held.observed_at, held.effective_generation, held.effective_at)
