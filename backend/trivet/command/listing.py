"""Commands as pages, the API and files list them: one query, newest first."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trivet.command.models import Command
from trivet.fleet.models import Backend
from trivet.kit.interval import Interval
from trivet.tenant.models import Scenario, Tenant

PEOPLE: Final = "people"  # in place of one actor: whoever is no automaton
AUTOMATA: Final = ("ladder", "expiry")
Row = tuple[Command, str, str | None, str | None]  # with the names of its scenario, tenant and backend


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; what is empty is not asked. `interval` is of when they were given."""

    scenario: str = ""
    kind: str = ""
    status: str = ""
    actor: str = ""
    interval: Interval | None = None
    tenant_id: int | None = None


def query() -> Select[Command, str, str, str]:
    """Commands with the names of their scope, in no order."""
    return (
        select(Command, Scenario.name, Tenant.name, Backend.name)
        .join(Scenario, Scenario.id == Command.scenario_id)
        .outerjoin(Tenant, Tenant.id == Command.tenant_id)
        .outerjoin(Backend, Backend.id == Command.backend_id)
    )


def newest(session: Session, wanted: Wanted, *, limit: int, before_id: int | None = None) -> list[Row]:
    """At most `limit`, those given before `before_id` where it is named."""
    asked = query()
    for column, value in (
        (Scenario.name, wanted.scenario),
        (Command.kind, wanted.kind),
        (Command.status, wanted.status),
    ):
        asked = asked.where(column == value) if value else asked
    if wanted.actor == PEOPLE:
        asked = asked.where(Command.actor.not_in(AUTOMATA))
    elif wanted.actor:
        asked = asked.where(Command.actor == wanted.actor)
    if wanted.interval:
        asked = asked.where(Command.created_at >= wanted.interval.start, Command.created_at < wanted.interval.end)
    if wanted.tenant_id is not None:
        asked = asked.where(Command.tenant_id == wanted.tenant_id)
    if before_id is not None:
        asked = asked.where(Command.id < before_id)
    return [tuple(row) for row in session.execute(asked.order_by(Command.id.desc()).limit(limit))]  # type: ignore[misc]  # four columns
