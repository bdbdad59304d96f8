"""What waits beside the governing card, a trial or a schedule, and ends when the card changes under it."""

from datetime import datetime

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from trivet.card.models import CardSchedule, CardTrial


def end(session: Session, scenario_id: int, activated: int | None, why: str, now: datetime) -> None:
    """The card changed: a trial and a schedule of it are over, kept if they led to this revision, else put aside."""
    trial = update(CardTrial).where(CardTrial.scenario_id == scenario_id, CardTrial.state == "running")
    schedule = update(CardSchedule).where(CardSchedule.scenario_id == scenario_id, CardSchedule.state == "waiting")
    for own, number, other in ((trial, CardTrial.number, "stopped"), (schedule, CardSchedule.number, "cancelled")):
        said = {"said": func.concat("Over: ", why, ".")} if own is trial else {"outcome": f"Over: {why}."}
        if activated is not None:
            session.execute(own.where(number == activated).values(state="activated", ended_at=now, **said))
            session.execute(own.where(number != activated).values(state=other, ended_at=now, **said))
        else:
            session.execute(own.values(state=other, ended_at=now, **said))
