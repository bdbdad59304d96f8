"""Hand-offs that leave after commit: a row in the same transaction, relayed to the broker, deleted when the broker has it.

The broker is a hint and Postgres the truth: a lost message is sent again by `relay`, so every task is idempotent.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet.db import Base

RELAY_BATCH = 200


class Outbox(Base):
    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task: Mapped[str]
    args: Mapped[list[Any]] = mapped_column(JSONB)
    queue: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (Index(None, "created_at"),)


def send(session: Session, task: str, *args: Any, queue: str = "work") -> None:
    """Ask for a task once this transaction has committed. `args` are ids and other JSON values."""
    session.add(Outbox(task=task, args=list(args), queue=queue))


def relay(session: Session, publish: Any) -> int:
    """Publish waiting rows, oldest first, and delete them; `publish(task, args, queue)` raising keeps them all.

    At least once: a crash between publish and commit sends again.
    """
    taken = select(Outbox.id).order_by(Outbox.id).limit(RELAY_BATCH).with_for_update(skip_locked=True)
    rows = session.execute(
        delete(Outbox).where(Outbox.id.in_(taken.scalar_subquery())).returning(Outbox.task, Outbox.args, Outbox.queue)
    ).all()
    for task, args, queue in rows:
        publish(task, args, queue)
    return len(rows)
