"""What waits beside the governing card, a trial or a schedule, and ends when the card changes under it."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from trivet.card.models import CardSchedule, CardTrial


def end(session: Session, scenario_id: int, activated: int | None, why: str, now: datetime) -> None:
    """The card changed: a trial and a schedule of it are over, kept if they led to this revision, else put aside."""
    trial = update(CardTrial).where(CardTrial.scenario_id == scenario_id, CardTrial.state == "running")
    schedule = update(CardSchedule).where(CardSchedule.scenario_id == scenario_id, CardSchedule.state == "waiting")
    over = {"ended_at": now}
    if activated is not None:
        session.execute(trial.where(CardTrial.number == activated).values(state="activated", **over))
        session.execute(
            schedule.where(CardSchedule.number == activated).values(state="activated", outcome="It governs.", **over)
        )
    session.execute(trial.values(state="stopped", said=f"Over: {why}.", **over))
    session.execute(schedule.values(state="cancelled", outcome=f"Over: {why}.", **over))
