"""The table of breaches: what broke, by how much, for how long and what came of it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.command.models import Command
from trivet.console import format as say
from trivet.console import measures, story
from trivet.console.queries import Facts, ScenarioFacts
from trivet.console.tongue import _
from trivet.console.views import BreachRow
from trivet.guard.models import Breach
from trivet.guard.telling import again

SHOWN_MAX = 12


def rows(session: Session, facts: Facts) -> tuple[BreachRow, ...]:
    """Open ones first, then the newest. The first command that names a breach is the one it caused."""
    query = select(Breach).order_by(Breach.closed_at.is_not(None), Breach.id.desc()).limit(SHOWN_MAX)
    found = list(session.scalars(query))
    caused = _caused(session, [breach.id for breach in found])
    standing = {s.id: s for s in facts.scenarios}
    return tuple(row(b, standing.get(b.scenario_id), caused.get(b.id)) for b in found)


def row(breach: Breach, scenario: ScenarioFacts | None, command: Command | None) -> BreachRow:
    """One line. A guard that the present card does not have keeps its bare numbers: their unit is not known any more."""
    value = breach.value if breach.worst_value is None else breach.worst_value
    shown, limit = _numbers(breach, value, scenario)
    return BreachRow(
        id=breach.id,
        scenario=scenario.name if scenario else "",
        guard=story.spoken(breach.guard),
        reason=again(breach.reason, _),
        worst=shown,
        threshold=limit,
        opened_at=breach.opened_at,
        ended_at=breach.closed_at,
        end=story.ending(breach) or "",
        command=story.what(command) if command else None,
    )


def _numbers(breach: Breach, value: float | None, scenario: ScenarioFacts | None) -> tuple[str, str]:
    card = scenario.active.card if scenario and scenario.active else None
    metric = next((g.metric for g in card.guards if g.name == breach.guard), None) if card else None
    if card is None or metric is None:
        return say.DASH if value is None else f"{value:.4g}", f"{breach.threshold:g}"
    currency = card.cost.currency
    exact = Decimal(repr(value)) if value is not None and metric.startswith("cost_") else value
    return measures.shown(metric, exact, currency), measures.written(metric, breach.threshold, currency)


def _caused(session: Session, ids: Sequence[int]) -> Mapping[int, Command]:
    query = select(Command).where(Command.breach_id.in_(ids)).order_by(Command.id.desc())
    return {command.breach_id: command for command in session.scalars(query) if command.breach_id}
