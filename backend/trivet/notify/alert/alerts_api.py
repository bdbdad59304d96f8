"""Alerts, silences and maintenance windows over REST."""

from datetime import datetime, time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal, platform, requires
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.body import Asked, Body, Instant, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.page import INT4, from_cursor, page
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alert import keep
from trivet.notify.alert.standing import labels_of, window_of
from trivet.notify.channel import deliveries
from trivet.notify.rules.matchers import MATCHER_LENGTH_MAX, MATCHERS_MAX
from trivet.notify.rules.windows import MINUTES_MAX, in_force

router = APIRouter(tags=["notify"])
Read = Annotated[Principal, Depends(requires("read"))]
Platform = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("command"))]
Limit = Annotated[int, Query(ge=1, le=500)]
MatcherText = Annotated[str, Field(max_length=MATCHER_LENGTH_MAX)]
Matchers = Annotated[list[MatcherText], Field(max_length=MATCHERS_MAX)]
AlertId = Annotated[int, Path(ge=0, lt=2**63)]
SilenceId = Annotated[int, Path(ge=0, lt=2**31)]


class Said(Answer):
    """What was decided of an alert on a route, and why."""

    route: str
    decision: Literal["told", "wait", "acknowledged", "silenced", "maintenance", "inhibited", "over", "send"]
    reason: str
    decided_at: str
    told_at: str | None


class OneAlert(Answer):
    """One alert. `why` says what is wrong, `done` what was done; `unrouted` why no route takes it, '' where one does."""

    id: int
    labels: dict[str, str]
    severity: Literal["page", "ticket", "info"]
    state: Literal["firing", "resolved"]
    why: str
    done: str
    breach: int | None
    command: int | None
    started_at: str
    ended_at: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None
    unrouted: str
    notices: list[Said]


class Alerts(Page):
    """Newest first."""

    items: list[OneAlert]


class Note(Body):
    """What there is to say about it."""

    note: Asked = Field("", max_length=alerts.NOTE_MAX)


class NewSilence(Body):
    """Alerts that every matcher fits are told to nobody until `ends_at`."""

    matchers: Matchers
    starts_at: Instant | None = Field(None, description="Now, where nothing is said.")
    ends_at: Instant
    reason: Name


class OneSilence(Answer):
    """`state`: pending before it begins, active, expired."""

    id: int
    matchers: list[str]
    starts_at: str
    ends_at: str
    state: Literal["pending", "active", "expired"]
    reason: str
    created_by: str
    expired_by: str | None


class Silences(Page):
    """Newest first."""

    items: list[OneSilence]


class NewWindow(Body):
    """The same each week: on these days, from `starts` by the clock of `zone`, for so many minutes."""

    name: Name
    matchers: Matchers
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(min_length=1, max_length=7, description="Monday is 0.")
    starts: time = Field(description="Such as 22:00.")
    minutes: int = Field(ge=1, le=MINUTES_MAX)
    zone: Name = "UTC"
    reason: Name


class OneWindow(Answer):
    """`until` is the end of the one in force, null where none is."""

    name: str
    matchers: list[str]
    weekdays: list[int]
    starts: str
    minutes: int
    zone: str
    reason: str
    until: str | None


class Windows(Answer):
    """All of them, by name."""

    items: list[OneWindow]


@router.get("/alerts", responses=answers(Alerts))
def every(
    principal: Read, state: Literal["firing", "resolved"] | None = None, limit: Limit = 100, cursor: str | None = None
) -> dict[str, Any]:
    """Newest first. A tenant's key sees those of its tenant alone."""
    query = select(rows.Alert).order_by(rows.Alert.id.desc()).limit(limit + 1)
    if state:
        query = query.where(rows.Alert.ended_at.is_(None) if state == "firing" else rows.Alert.ended_at.is_not(None))
    if principal.tenant_id is not None:
        query = query.where(rows.Alert.tenant_id == principal.tenant_id)
    if cursor:
        query = query.where(rows.Alert.id < from_cursor(cursor, int)[0])
    with db.transaction() as session:
        found = session.scalars(query).all()
        said = notices_of(session, [row.id for row in found], bound=principal.tenant_id is not None)
        return page([_alert(row, said.get(row.id, [])) for row in found], limit, lambda item: [item["id"]])


@router.post("/alerts/{alert_id}/acknowledge", status_code=204)
def acknowledge(alert_id: AlertId, body: Note, principal: Write) -> None:
    """Somebody has it: it is neither repeated nor escalated any more. Its end is told all the same."""
    with db.transaction() as session:
        alerts.acknowledge(
            session, alert_id, tenant_id=principal.tenant_id, actor=principal.actor, note=body.note, now=utc_now()
        )


@router.get("/silences", responses=answers(Silences))
def silences(_: Platform, limit: Limit = 100, cursor: str | None = None) -> dict[str, Any]:
    """Newest first, those that are over too."""
    now = utc_now()
    query = select(rows.Silence).order_by(rows.Silence.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(rows.Silence.id < from_cursor(cursor, INT4)[0])
    with db.transaction() as session:
        return page([_silence(row, now) for row in session.scalars(query)], limit, lambda item: [item["id"]])


@router.post("/silences", status_code=201, responses={201: {"model": OneSilence}})
def silence(body: NewSilence, principal: Write) -> dict[str, Any]:
    """Keep alerts quiet for a while. What they say is kept and shown; whoever was told of a beginning is told of its end."""
    now = utc_now()
    with db.transaction() as session:
        row = keep.silence(
            session, matchers=body.matchers, starts_at=body.starts_at, ends_at=body.ends_at, reason=body.reason,
            actor=principal.actor, now=now,
        )  # fmt: skip
        return _silence(row, now)


@router.delete("/silences/{silence_id}", status_code=204)
def expire(silence_id: SilenceId, principal: Write) -> None:
    """End a silence now."""
    with db.transaction() as session:
        keep.expire(session, silence_id, actor=principal.actor, now=utc_now())


@router.get("/maintenance", responses=answers(Windows))
def windows(_: Platform) -> dict[str, Any]:
    """All of them, by name (there are at most 100)."""
    now = utc_now()
    with db.transaction() as session:
        return {
            "items": [
                _window(row, now) for row in session.scalars(select(rows.Maintenance).order_by(rows.Maintenance.name))
            ]
        }


@router.post("/maintenance", status_code=201, responses={201: {"model": OneWindow}})
def window(body: NewWindow, principal: Write) -> dict[str, Any]:
    """Make a weekly window, or change the one of this name."""
    now = utc_now()
    with db.transaction() as session:
        row = keep.put_window(
            session, body.name, matchers=body.matchers, weekdays=body.weekdays, starts=body.starts.replace(tzinfo=None),
            minutes=body.minutes, zone=body.zone, reason=body.reason, actor=principal.actor, now=now,
        )  # fmt: skip
        return _window(row, now)


@router.delete("/maintenance/{name}", status_code=204)
def no_window(name: str, principal: Write) -> None:
    """Delete a window."""
    with db.transaction() as session:
        keep.remove_window(session, name, actor=principal.actor)


def notices_of(session: Session, ids: list[int], *, bound: bool = False) -> dict[int, list[dict[str, Any]]]:
    """What was decided of these alerts on each route, by alert. A tenant's key learns no names of routes."""
    query = (
        select(rows.Notice, rows.Route.name)
        .join(rows.Route, rows.Route.id == rows.Notice.route_id)
        .where(rows.Notice.alert_id.in_(ids))
        .order_by(rows.Route.position, rows.Route.id)
    )
    if bound:
        return {}
    late = deliveries.not_there(session, ids, utc_now())
    found: dict[int, list[dict[str, Any]]] = {}
    for row, name in session.execute(query).all():
        reason = "; ".join([row.reason, *late.get((row.alert_id, row.route_id), ())])
        found.setdefault(row.alert_id, []).append({
            "route": name, "decision": row.decision, "reason": reason, "decided_at": rfc3339(row.decided_at),
            "told_at": when(row.told_at),
        })  # fmt: skip
    return found


def _alert(row: rows.Alert, notices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id, "labels": labels_of(row), "severity": row.severity, "state": "resolved" if row.ended_at else "firing",
        "why": row.annotations.get("why", ""), "done": row.annotations.get("done", ""), "breach": row.breach_id,
        "command": row.command_id, "started_at": rfc3339(row.started_at), "ended_at": when(row.ended_at),
        "acknowledged_at": when(row.acknowledged_at), "acknowledged_by": row.acknowledged_by, "unrouted": row.unrouted,
        "notices": notices,
    }  # fmt: skip


def _silence(row: rows.Silence, now: datetime) -> dict[str, Any]:
    state = "expired" if row.ends_at <= now else "active" if row.starts_at <= now else "pending"
    return {
        "id": row.id, "matchers": row.matchers, "starts_at": rfc3339(row.starts_at), "ends_at": rfc3339(row.ends_at),
        "state": state, "reason": row.reason, "created_by": row.created_by, "expired_by": row.expired_by,
    }  # fmt: skip


def _window(row: rows.Maintenance, now: datetime) -> dict[str, Any]:
    return {
        "name": row.name, "matchers": row.matchers, "weekdays": row.weekdays, "starts": f"{row.starts:%H:%M}",
        "minutes": row.minutes, "zone": row.zone, "reason": row.reason, "until": when(in_force(window_of(row), now)),
    }  # fmt: skip
