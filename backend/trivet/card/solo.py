"""Solo mode: a team of one may give both approvals. An admin switches it on with a reason; it says so on the revision."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card.models import SoloMode
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid


def newest(session: Session) -> SoloMode | None:
    """The last switch; None where it never was on."""
    return session.scalar(select(SoloMode).order_by(SoloMode.id.desc()).limit(1))


def is_on(session: Session) -> bool:
    """Whether one person may give both approvals now."""
    row = newest(session)
    return row is not None and row.on


def switch(session: Session, *, on: bool, actor: str, reason: str, now: datetime) -> SoloMode:
    """On or off, from now. Approvals given before stay as they were given."""
    if not reason.strip():
        raise Invalid("Say why: who works alone here, or who has joined.", field="reason")
    was = is_on(session)
    if was == on:
        raise Conflict(f"Solo mode is {'on' if on else 'off'} already.")
    row = SoloMode(on=on, actor=actor, reason=reason.strip(), at=now)
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action="card.solo_mode", subject="solo_mode", before={"on": was}, after={"on": on},
        reason=row.reason,
    )  # fmt: skip
    return row
