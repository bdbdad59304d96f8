"""A breach with what belongs to it: the card it broke, the commands since, who was told. Read once, in a few statements."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from trivet.card.content import Card, parse
from trivet.card.models import CardRevision
from trivet.card.watched import Guard
from trivet.command.models import Command
from trivet.evidence.times import Act
from trivet.guard.models import Breach
from trivet.kit.clock import floor
from trivet.kit.errors import Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.notify.alert_models import Alert
from trivet.tenant.models import Scenario

COMMANDS_MAX = 500  # of a scenario since the breach opened
ALERTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Case:
    """`card` and `guard` are of the revision that the breach was judged by; None where it cannot be read any more."""

    breach: Breach
    scenario: str
    card: Card | None
    guard: Guard | None
    commands: tuple[Command, ...]  # of the scenario, oldest first
    alerts: tuple[Alert, ...]

    @property
    def acts(self) -> list[Act]:
        """The commands as times are told by."""
        return [
            Act(
                c.id, c.kind, c.level, not (c.tenant_id or c.backend_id), c.breach_id, c.created_at, c.observed_at,
                c.effective_at, c.ended_at, c.share,
            )
            for c in self.commands
        ]  # fmt: skip

    @property
    def caused(self) -> tuple[Command, ...]:
        """Commands that name this breach, oldest first."""
        return tuple(command for command in self.commands if command.breach_id == self.breach.id)

    def until(self, now: datetime) -> datetime:
        """When it was over, or now."""
        return self.breach.closed_at or now


def read(session: Session, breach_id: int) -> Case:
    """`NotFound` where there is no such breach."""
    row = session.execute(
        select(Breach, Scenario.name).join(Scenario, Scenario.id == Breach.scenario_id).where(Breach.id == breach_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no breach {breach_id}.")
    breach, scenario = row
    card = _card(session, breach)
    guard = next((each for each in card.guards if each.name == breach.guard), None) if card else None
    alerts = select(Alert).where(Alert.breach_id == breach_id).order_by(Alert.id).limit(ALERTS_MAX)
    return Case(breach, scenario, card, guard, _commands(session, breach), tuple(session.scalars(alerts)))


def _card(session: Session, breach: Breach) -> Card | None:
    body = session.scalar(
        select(CardRevision.body).where(
            CardRevision.scenario_id == breach.scenario_id, CardRevision.number == breach.revision
        )
    )
    try:
        return parse(body) if body else None
    except Invalid:  # written by a release that knew other fields
        return None


def _commands(session: Session, breach: Breach) -> tuple[Command, ...]:
    query = (
        select(Command)
        .where(Command.scenario_id == breach.scenario_id)
        .where(or_(Command.created_at >= breach.opened_at, Command.breach_id == breach.id))
        .order_by(Command.generation)
        .limit(COMMANDS_MAX)
    )
    return tuple(session.scalars(query))


def whole_buckets(start: datetime, end: datetime, bucket_s: int) -> Interval:
    """The buckets that a stretch of time touches."""
    first, last = floor(start, bucket_s), floor(end, bucket_s)
    return Interval(first, last if last == end and last > first else last + timedelta(seconds=bucket_s))
