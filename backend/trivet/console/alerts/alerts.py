"""The page of alerts: what is wrong, who was told and why not, and what keeps alerts quiet; runbooks."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.alerts import alerts_words as words
from trivet.console.alerts.alerts_strip import Stretch, draw
from trivet.console.alerts.alerts_views import (
    AlertRow,
    AlertsPage,
    ChannelRow,
    QuietRow,
    RouteRow,
    RunbookPage,
    SaidRow,
    SilenceForm,
)
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.views import Reader
from trivet.kit.errors import Forbidden, Invalid, NotFound, TrivetError
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alert import keep, standing
from trivet.notify.alert.alerts_api import notices_of
from trivet.notify.rules.windows import in_force
from trivet.paths import shipped

router = APIRouter()
OPEN_MAX, OVER_MAX = 100, 20
EMPTY = SilenceForm("", "4", "", {})
HOURS = Literal["1", "4", "24", "168"]
_RUNBOOK = re.compile(r"[a-z0-9_]{1,64}")


class Note(BaseModel):
    """A form that says only who sent it."""

    csrf_token: str = Field(max_length=200)


class Wanted(Note):
    """The form of a silence."""

    matchers: str = Field("", max_length=5_000)
    hours: HOURS = "4"
    reason: str = Field("", max_length=500)


@router.get("/alerts")
def page(looking: Looking) -> HTMLResponse:
    """Open alerts with the decision on each route, those that are over, silences, routes, channels."""
    with db.transaction() as session:
        return show("alerts/page.html", _page(session, looking, EMPTY))


@router.post("/alerts/{alert_id}/acknowledge")
def acknowledge(looking: Looking, alert_id: int, given: Annotated[Note, Form()]) -> Response:
    """Somebody has it."""
    _may(looking)
    check_token(looking, given.csrf_token)
    with db.transaction() as session:
        alerts.acknowledge(session, alert_id, tenant_id=None, actor=looking.email, note="", now=looking.now)
    return RedirectResponse("/alerts", 303)


@router.post("/alerts/silences")
def silence(looking: Looking, given: Annotated[Wanted, Form()]) -> Response:
    """Keep alerts quiet; a refusal comes back in the form, at its field."""
    _may(looking)
    check_token(looking, given.csrf_token)
    lines = [line.strip() for line in given.matchers.splitlines() if line.strip()]
    try:
        if not given.reason.strip():
            raise Invalid("Say why: it stands beside every alert that is kept quiet.", field="reason")
        with db.transaction() as session:
            keep.silence(
                session, matchers=lines, starts_at=None, ends_at=looking.now + timedelta(hours=int(given.hours)),
                reason=given.reason.strip(), actor=looking.email, now=looking.now,
            )  # fmt: skip
    except TrivetError as refused:
        form = SilenceForm(given.matchers, given.hours, given.reason, {refused.field or "form": refused.detail})
        with db.transaction() as session:
            return show("alerts/page.html", _page(session, looking, form), status=refused.status)
    return RedirectResponse("/alerts#quiet", 303)


@router.post("/alerts/silences/{silence_id}/expire")
def expire(looking: Looking, silence_id: int, given: Annotated[Note, Form()]) -> Response:
    """End a silence now."""
    _may(looking)
    check_token(looking, given.csrf_token)
    with db.transaction() as session:
        keep.expire(session, silence_id, actor=looking.email, now=looking.now)
    return RedirectResponse("/alerts#quiet", 303)


@router.get("/runbooks/{metric}")
def runbook(looking: Looking, metric: str) -> HTMLResponse:
    """What to do when a guard on this metric breaks."""
    file = shipped("alerts") / "runbooks" / f"{metric}.md"
    if not _RUNBOOK.fullmatch(metric) or not file.is_file():
        raise NotFound(f"There is no runbook {metric[:80]!r}; those there are lie in alerts/runbooks.")
    found = words.blocks(file.read_text("utf-8"))
    title = "".join(text for _, text in found[0].parts)
    return show("alerts/runbook.html", RunbookPage(looking, title, tuple(found[1:])))


def _may(looking: Reader) -> None:
    if not looking.may_command:
        role = looking.role.replace("_", " ")
        raise Forbidden(f"Alerts are acknowledged and silenced by admin, SRE and product owner; you are {role}.")


def _page(session: Session, looking: Reader, form: SilenceForm) -> AlertsPage:
    newest = select(rows.Alert).order_by(rows.Alert.id.desc())
    open_ = session.scalars(newest.where(rows.Alert.ended_at.is_(None)).limit(OPEN_MAX)).all()
    over = session.scalars(newest.where(rows.Alert.ended_at.is_not(None)).limit(OVER_MAX)).all()
    said = notices_of(session, [row.id for row in (*open_, *over)])
    every = [_alert(row, said.get(row.id, [])) for row in (*open_, *over)]
    ways = standing.ways(session)
    channels = session.scalars(select(rows.Channel).order_by(rows.Channel.name)).all()
    firing = [row for row in every if row.open]
    return AlertsPage(
        reader=looking,
        sentence=words.sentence(
            [_standing(row) for row in firing], routes=len(ways),
            failing=[row.name for row in channels if row.failures], now=looking.now,
        ),
        strip=draw([_stretch(row) for row in every], looking.now, looking.zone),
        open=tuple(firing),
        over=tuple(row for row in every if not row.open),
        quiets=tuple(_quiets(session, looking.now)),
        routes=tuple(
            RouteRow(w.name, words.takes(w), ", ".join(w.channels), words.rhythm(w), words.steps(w)) for w in ways
        ),
        channels=tuple(_channel(row) for row in channels),
        form=form if looking.may_command else None,
    )  # fmt: skip


def _alert(row: rows.Alert, said: list[dict[str, str]]) -> AlertRow:
    fact = standing.fact_of(row)
    notes = row.annotations
    by = f"{row.acknowledged_by} has it" if row.acknowledged_by else ""
    return AlertRow(
        id=row.id,
        name=fact.name,
        severity=row.severity,
        open=row.ended_at is None,
        marks=tuple(label for label in ("shadow", "drill") if label in row.labels),
        why=notes.get("why", ""),
        done=notes.get("done", ""),
        since=row.started_at,
        ended_at=row.ended_at,
        link=path if (path := notes.get("path", "")) != "/alerts" else "",
        runbook=notes.get("runbook", ""),
        said=tuple(SaidRow(s["route"], s["decision"], words.MARKS[s["decision"]], s["reason"]) for s in said),
        unrouted=row.unrouted,
        acknowledged=by,
        matcher=words.matcher_of(row.labels),
    )


def _standing(row: AlertRow) -> words.Standing:
    return words.Standing(row.name, row.severity, row.why, row.since, _told(row), bool(row.acknowledged))


def _stretch(row: AlertRow) -> Stretch:
    return Stretch(row.name, row.severity, row.since, row.ended_at, _told(row))


def _told(row: AlertRow) -> bool:
    return any(said.decision in ("told", "acknowledged") or "end was told" in said.reason for said in row.said)


def _quiets(session: Session, now: datetime) -> list[QuietRow]:
    """Silences that are not over, then maintenance windows."""
    query = select(rows.Silence).where(rows.Silence.ends_at > now).order_by(rows.Silence.ends_at)
    found = [
        QuietRow(row.id, f"silence {row.id}", " and ".join(row.matchers), row.ends_at, "", row.created_by, row.reason)
        for row in session.scalars(query.limit(OPEN_MAX))
    ]
    for row in session.scalars(select(rows.Maintenance).order_by(rows.Maintenance.name)):
        window = standing.window_of(row)
        until = in_force(window, now)
        matchers = " and ".join(row.matchers)
        found.append(QuietRow(0, f"maintenance {row.name}", matchers, until, window.words, row.created_by, row.reason))
    return found


def _channel(row: rows.Channel) -> ChannelRow:
    state, mark = ("not tried yet", "missing")
    if row.failures:
        state, mark = (f"failed {row.failures}×", "expired")
    elif row.succeeded_at:
        state, mark = ("works", "effective")
    shown = ", ".join(row.shown)
    return ChannelRow(row.name, row.kind, shown, state, mark, row.succeeded_at, row.failed_at, row.last_error)
