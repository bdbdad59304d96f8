"""What is to be said to whom, what goes with it, and how it got there."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, Integer, LargeBinary, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base
from trivet.notify import alert_models

__all__ = ["STATES", "Message", "MessageAttachment", "alert_models"]
STATES = ("queued", "sent", "failed", "no_channel", "digested")


class Message(Base):
    """One message. `key` names the occasion: an occasion is told of once, however often it is noticed.

    `unserved` are the addresses still to be reached; `refused` those that the server refused for good, with its words.
    News of one `topic` to one address are joined where they come often: those that went so are `digested`.
    """

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    to: Mapped[list[str]] = mapped_column(ARRAY(Text))
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    next_try_at: Mapped[datetime]
    last_error: Mapped[str]
    unserved: Mapped[list[str]] = mapped_column(ARRAY(Text))
    refused: Mapped[dict[str, str]] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    topic: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        Index("ix_message_topic", "topic", "created_at", postgresql_where=sql("topic <> ''")),
        Index("ix_message_due", "next_try_at", postgresql_where=sql("state IN ('queued', 'no_channel')")),
    )


class MessageAttachment(Base):
    """A file that goes with a message, kept until some time after it went."""

    __tablename__ = "message_attachment"

    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str]
    media_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
