"""Which backends a command concerns, and what they were seen to hold."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import case, func, or_, select, tuple_
from sqlalchemy.orm import Session

from trivet.command.models import BackendHolding, BackendPoll, Command, TenantProof
from trivet.command.status import DRILL_PREFIX, Seen
from trivet.fleet.models import Backend
from trivet.rollup.read import one_of


@dataclass(frozen=True, slots=True)
class Present:
    """A backend that was seen lately.

    Registered, it serves `scenario_ids`, or any where there are none. Not registered, it is a name that somebody polled
    with: it serves those that its telemetry ran under a policy of.
    """

    id: int
    name: str
    scenario_ids: frozenset[int]
    polled_at: datetime | None
    registered: bool = True

    @property
    def drills(self) -> bool:
        """Whether it is there to drill on: it proves nothing of what people are served, and is waited for by no command for all."""
        return self.name.startswith(DRILL_PREFIX)

    def serves(self, scenario_id: int) -> bool:
        return scenario_id in self.scenario_ids or (self.registered and not self.scenario_ids)

    def takes(self, scenario_id: int, backend_id: int | None) -> bool:
        """Whether a command for the scenario, and for one backend where it is given, concerns it."""
        if backend_id:
            return backend_id == self.id and (not self.registered or self.serves(scenario_id))
        return self.serves(scenario_id) and not self.drills


class Held(NamedTuple):
    """A row of `BackendHolding` as it was read: a firm has ten thousand of them."""

    backend_id: int
    scenario_id: int
    observed_generation: int
    observed_at: datetime | None
    effective_generation: int
    effective_at: datetime | None
    level: int
    revision: int


Holdings = dict[tuple[int, int], Held]  # by backend and scenario
Proofs = dict[tuple[int, int], dict[int, TenantProof]]  # by tenant and scenario, by backend


def present(session: Session, now: datetime, seen_s: float) -> list[Present]:
    """Backends that polled, or began to run under a generation, in the last `seen_s` seconds."""
    since = now - timedelta(seconds=seen_s)
    by_telemetry = select(BackendHolding.backend_id).where(BackendHolding.effective_at > since)
    ran = select(func.array_agg(BackendHolding.scenario_id)).where(
        BackendHolding.backend_id == Backend.id, BackendHolding.effective_at.is_not(None)
    )
    serves = case((Backend.registered_at.is_(None), ran.scalar_subquery()), else_=Backend.scenario_ids)
    query = (
        select(Backend.id, Backend.name, serves, BackendPoll.polled_at, Backend.registered_at.is_not(None))
        .outerjoin(BackendPoll, BackendPoll.backend_id == Backend.id)
        .where(or_(BackendPoll.polled_at > since, Backend.id.in_(by_telemetry)))
        .order_by(Backend.name)
    )
    return [Present(id_, name, frozenset(ids or ()), *more) for id_, name, ids, *more in session.execute(query)]


def holdings(session: Session, scenario_ids: Collection[int]) -> Holdings:
    """What each backend was seen to hold of these scenarios."""
    query = select(*(getattr(BackendHolding, name) for name in Held._fields))
    query = query.where(one_of(BackendHolding.scenario_id, scenario_ids))
    return {(row[0], row[1]): Held(*row) for row in session.execute(query)}


def held_alike(session: Session, scenario_ids: Collection[int]) -> Holdings:
    """The same for who looks at all of them at once: backends that hold alike share one row, with the first of their times.

    `backend_id` and `observed_at` say nothing of such a row.
    """
    row = BackendHolding
    alike = (row.scenario_id, row.observed_generation, row.effective_generation, row.level, row.revision)
    query = select(func.array_agg(row.backend_id), func.min(row.effective_at), *alike)
    query = query.where(one_of(row.scenario_id, scenario_ids)).group_by(*alike, row.effective_at.is_(None))
    found: Holdings = {}
    for backends, at, scenario, observed, effective, level, revision in session.execute(query):
        held = Held(0, scenario, observed, None, effective, at, level, revision)
        found.update(((backend, scenario), held) for backend in backends)
    return found


def proofs(session: Session, commands: Iterable[Command]) -> Proofs:
    """What the tenants' own telemetry carried, for commands about one tenant."""
    scopes = {(command.tenant_id, command.scenario_id) for command in commands if command.tenant_id}
    found: Proofs = {}
    if scopes:
        query = select(TenantProof).where(tuple_(TenantProof.tenant_id, TenantProof.scenario_id).in_(scopes))
        for row in session.scalars(query):
            found.setdefault((row.tenant_id, row.scenario_id), {})[row.backend_id] = row
    return found


def seen(backends: Sequence[Present], held: Holdings, proven: Proofs, command: Command) -> list[Seen]:
    """The command's backends as `status.find` wants them."""
    own = proven.get((command.tenant_id or 0, command.scenario_id), {})
    return [
        _seen(backend, held.get((backend.id, command.scenario_id)), own.get(backend.id))
        for backend in backends
        if backend.takes(command.scenario_id, command.backend_id)
    ]


def strangers(backends: Sequence[Present], command: Command) -> list[str]:
    """Names that polled lately and are neither registered nor known by telemetry of the scenario."""
    return [b.name for b in backends if not (b.registered or b.drills or b.serves(command.scenario_id))]


def _seen(backend: Present, held: Held | None, own: TenantProof | None) -> Seen:
    # Generation -1: not even the state before the first command was proven.
    found = Seen(backend.name, -1, None, -1, None)
    if held is not None:
        observed = held.observed_generation, held.observed_at
        found = Seen(backend.name, *observed, held.effective_generation, held.effective_at)
    if own is not None and own.generation > found.effective_generation:
        found = replace(found, effective_generation=own.generation, effective_at=own.seen_at)
    return found
