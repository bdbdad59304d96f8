"""What should hold of every scenario, read once for each change and shared by the documents of all backends."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.card import trials
from trivet.card.models import Activation
from trivet.command import policy
from trivet.command.models import CARD_KINDS, Command, DesiredState, PolicyGeneration
from trivet.tenant.models import Tenant

SCENARIOS_MAX = 10_000
SHARED_MAX = 64  # lists of scenarios whose part of a document is kept; backends of one kind serve the same

Marker = tuple[int, int]  # moves whenever a generation or an activation is added: both only grow
# The two halves of `marker`, for a statement that asks for more beside them.
GENERATIONS = select(func.coalesce(func.sum(PolicyGeneration.generation), 0)).scalar_subquery()
ACTIVATIONS = select(func.count()).select_from(Activation).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Part:
    """What one backend's document says of its scenarios, and of those the generations that prove it."""

    lasting: dict[str, Any]
    digest: bytes
    generations: dict[int, int]
    valid_s: float | None  # the shortest time limit that a card names
    changes: dict[str, policy.CardChange]  # by scenario


class Board:
    """Everything that documents are made from, as it was at `marker` or a little later."""

    def __init__(self, marker: Marker, governed: list[policy.Governed], desired: list[policy.Desired]) -> None:
        self.marker = marker
        self._governed = governed
        self._desired = desired
        self._own = {row.backend_id for row in desired}
        self._shared: dict[tuple[int, ...], Part] = {}

    def part(self, backend_id: int, scenario_ids: tuple[int, ...]) -> Part:
        """For a backend that serves these scenarios, or any where there are none."""
        if backend_id and backend_id in self._own:
            return self._make(backend_id, scenario_ids)
        found = self._shared.get(scenario_ids)
        if found is None:
            found = self._make(0, scenario_ids)
            if len(self._shared) >= SHARED_MAX:
                self._shared.clear()
            self._shared[scenario_ids] = found
        return found

    def _make(self, backend_id: int, scenario_ids: tuple[int, ...]) -> Part:
        wanted = frozenset(scenario_ids)
        governed = [one for one in self._governed if not wanted or one.scenario_id in wanted][:SCENARIOS_MAX]
        lasting = policy.scenarios(backend_id, governed, self._desired)
        return Part(
            lasting,
            policy.digest(lasting),
            {one.scenario_id: one.generation for one in governed},
            min((one.card.fallback.valid_s for one in governed), default=None),
            {one.name: one.changed for one in governed if one.changed},
        )


_newest: list[Board] = []
_lock = Lock()


def _forget() -> None:
    with _lock:
        _newest.clear()


db.caches.append(_forget)


def read_marker(session: Session) -> Marker:
    total, count = session.execute(select(GENERATIONS, ACTIVATIONS)).one()
    return int(total), count


def board(session: Session, marker: Marker) -> Board:
    """The board at a marker that was read a moment ago; read anew where it has moved since the last."""
    with _lock:
        if _newest and _newest[0].marker == marker:
            return _newest[0]
    made = _read(session, marker)
    with _lock:
        _newest[:] = [made]
    return made


def _read(session: Session, marker: Marker) -> Board:
    # Generations first: what is read after them can only be newer, so a document never claims more than it holds.
    generations = dict(session.execute(select(PolicyGeneration.scenario_id, PolicyGeneration.generation)).all())
    active = cards.active(session)
    changes, tried = _card_changes(session, active), trials.running(session)
    governed = [
        policy.Governed(
            id_,
            card.scenario,
            generations.get(id_, 0),
            card.number,
            card.card,
            changes.get(id_),
            _trial(tried.get(id_)),
        )
        for id_, card in sorted(active.items())
    ]
    return Board(marker, governed, _desired(session))


def _trial(tried: trials.Running | None) -> policy.Trial | None:
    return policy.Trial(tried.number, tried.card, tried.share) if tried else None


def _card_changes(session: Session, active: Mapping[int, Any]) -> dict[int, policy.CardChange]:
    rows = session.execute(
        select(Command.scenario_id, Command.id, Command.kind, Command.reason)
        .ext(distinct_on(Command.scenario_id))
        .where(Command.scenario_id.in_(active), Command.kind.in_(CARD_KINDS))
        .order_by(Command.scenario_id, Command.generation.desc())
    )
    return {scenario_id: policy.CardChange(id_, kind, reason) for scenario_id, id_, kind, reason in rows}


def _desired(session: Session) -> list[policy.Desired]:
    rows = session.execute(
        select(DesiredState, func.coalesce(Tenant.name, "")).outerjoin(Tenant, Tenant.id == DesiredState.tenant_id)
    )
    return [
        policy.Desired(
            row.scenario_id,
            tenant,
            row.backend_id,
            row.level,
            row.broken,
            row.message,
            row.cause,
            row.until,
            row.command_id,
            row.arm_level,
            row.arm_share or 0.0,
        )
        for row, tenant in rows
    ]
