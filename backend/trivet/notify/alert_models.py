"""Alerts, who is told of them and why not, what keeps them quiet, and the way out of Trivet."""

from datetime import datetime, time
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from trivet.db import Base


class Alert(Base):
    """One thing that is wrong, from when to when. `key` is the hash of its labels: one open alert for each."""

    __tablename__ = "alert"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str]
    labels: Mapped[dict[str, str]] = mapped_column(JSONB)
    severity: Mapped[str]
    severity_before: Mapped[str | None]
    severity_since: Mapped[datetime]
    level: Mapped[int] = mapped_column(SmallInteger)  # to which it raises the ladder: the larger of two is told
    annotations: Mapped[dict[str, str]] = mapped_column(JSONB)
    tenant_id: Mapped[int | None]
    breach_id: Mapped[int | None] = mapped_column(BigInteger)
    command_id: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]  # it ends by itself then
    ended_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    unrouted: Mapped[str]  # why no route takes it; empty where one does
    settled: Mapped[bool]  # over, and nobody is left to be told
    __table_args__ = (
        Index("uq_alert_open", "key", unique=True, postgresql_where=sql("ended_at IS NULL")),
        Index("ix_alert_unsettled", "id", postgresql_where=sql("NOT settled")),
        Index(None, "breach_id"),
        Index(None, "ended_at"),
    )


class Channel(Base):
    """A way out: `sealed` is its address with all that is secret in it, `shown` what may be seen of that."""

    __tablename__ = "channel"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    shown: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    succeeded_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failures: Mapped[int]  # in a row
    last_error: Mapped[str]
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)  # of an Alertmanager: each replica's last push


class Route(Base):
    """Who is told of what: the first by `position` whose matchers fit takes an alert, and the next where it `goes_on`."""

    __tablename__ = "route"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int] = mapped_column(Integer)
    matchers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    group_by: Mapped[list[str]] = mapped_column(ARRAY(Text))
    group_wait_s: Mapped[float]
    group_interval_s: Mapped[float]
    repeat_s: Mapped[float]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    goes_on: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


class Silence(Base):
    """Alerts whose labels fit are told to nobody from when to when."""

    __tablename__ = "silence"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    matchers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expired_by: Mapped[str | None]
    __table_args__ = (Index(None, "ends_at"),)


class Maintenance(Base):
    """The same each week: on these days (Monday is 0), by the clock of `zone`, for so many minutes."""

    __tablename__ = "maintenance"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    matchers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    starts: Mapped[time]
    minutes: Mapped[int]
    zone: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class Notice(Base):
    """What was decided of an alert on a route, and what that route has said of it."""

    __tablename__ = "notice"

    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"), primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("route.id", ondelete="CASCADE"), primary_key=True)
    decision: Mapped[str]
    reason: Mapped[str]
    decided_at: Mapped[datetime]
    first_told_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    told_severity: Mapped[str | None]
    told_firing: Mapped[bool | None]
    steps: Mapped[int] = mapped_column(SmallInteger)  # of the escalation that were taken


class NoticeGroup(Base):
    """Alerts of a route that are told together."""

    __tablename__ = "notice_group"

    route_id: Mapped[int] = mapped_column(ForeignKey("route.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    opened_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    sequence: Mapped[int]  # messages so far


class Delivery(Base):
    """Something on its way to a channel. `key` is its identity for the receiver: the same whenever it is sent again."""

    __tablename__ = "notice_delivery"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id", ondelete="CASCADE"))
    alert_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str]  # queued, handed (to the mail's own queue), sent, failed
    attempts: Mapped[int]
    next_try_at: Mapped[datetime]
    last_error: Mapped[str]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_notice_delivery_due", "next_try_at", postgresql_where=sql("state IN ('queued', 'handed')")),
        Index(None, "created_at"),
    )
