"""The page of alerts: what is wrong, who was told and why not, and what keeps alerts quiet; runbooks."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import files
from trivet.console.address import Address, Times, settle
from trivet.console.alerts import alerts_words as words
from trivet.console.alerts import routes, rules_words, windows
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
from trivet.console.alerts.rules_form import may
from trivet.console.control import filters
from trivet.console.control.commands_read import among
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.kit.body import Asked
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Forbidden, Invalid, NotFound, TrivetError
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alert import keep, standing
from trivet.notify.alert.alerts_api import notices_of
from trivet.notify.rules.decide import END_TOLD
from trivet.notify.rules.windows import in_force
from trivet.paths import shipped
from trivet.report.files.table import Column
from trivet.tenant.models import Scenario

router = APIRouter()
OPEN_MAX, SHOWN, CHANNELS_MAX, FILE_ROWS_MAX = 100, 50, 100, 5_000
SEVERITIES = (N_("page"), N_("ticket"), N_("info"))
DECISIONS = (
    N_("told"), N_("send"), N_("wait"), N_("acknowledged"), N_("silenced"), N_("maintenance"), N_("inhibited"), N_("over"),
    N_("drill"), N_("shadow"),
)  # fmt: skip
COLUMNS = tuple(
    Column(name)
    for name in (
        "alert_id", "name", "scenario", "severity", "started_at", "ended_at", "why", "acknowledged_by", "route", "decision",
        "reason",
    )
)  # fmt: skip
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


class Query(Times):
    """The address of the page of alerts."""

    scenario: Asked = ""
    severity: Annotated[Literal["", "page", "ticket", "info"], among(*SEVERITIES)] = ""


@router.get("/alerts")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Open alerts with the decision on each route, those that are over, silences, routes, channels."""
    with db.transaction() as session:
        return show("alerts/page.html", _page(session, looking, query, EMPTY))


@router.get("/alerts.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """A line for each decision on a route; an alert that no route takes has one that says why."""
    with db.transaction() as session:
        found = _found(session, query, _address(looking, query), FILE_ROWS_MAX)
        said = notices_of(session, [row.id for row in found])
        lines = [line for row in found for line in _lines(row, said.get(row.id, []))]
    return files.csv_answer("alerts", COLUMNS, lines)


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
            return show("alerts/page.html", _page(session, looking, Query(), form), status=refused.status)
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
    title = "".join(text for _code, text in found[0].parts)
    return show("alerts/runbook.html", RunbookPage(looking, title, tuple(found[1:])))


def _may(looking: Reader) -> None:
    if not looking.may_command:
        role = looking.role.replace("_", " ")
        raise Forbidden(f"Alerts are acknowledged and silenced by admin, SRE and product owner; you are {role}.")


def _address(looking: Reader, query: Query) -> Address:
    return settle("/alerts", query, looking.now, looking.zone)


def _found(session: Session, query: Query, address: Address, limit: int) -> list[rows.Alert]:
    """Open ones first, then those that ended in the range, newest first."""
    newest = select(rows.Alert).order_by(rows.Alert.id.desc())
    if query.severity:
        newest = newest.where(rows.Alert.severity == query.severity)
    if query.scenario:
        newest = newest.where(rows.Alert.labels["scenario"].as_string() == query.scenario)
    within = rows.Alert.ended_at >= address.interval.start, rows.Alert.ended_at < address.interval.end
    open_ = session.scalars(newest.where(rows.Alert.ended_at.is_(None)).limit(limit)).all()
    return [*open_, *session.scalars(newest.where(*within).limit(limit))]


def _page(session: Session, looking: Reader, query: Query, form: SilenceForm) -> AlertsPage:
    address = _address(looking, query)
    asked = _found(session, query, address, SHOWN + 1)
    found = [*[row for row in asked if row.ended_at is None][:SHOWN], *[row for row in asked if row.ended_at][:SHOWN]]
    said = notices_of(session, [row.id for row in found])
    every = [_alert(row, said.get(row.id, [])) for row in found]
    ways = standing.ways(session)
    channels = session.scalars(select(rows.Channel).order_by(rows.Channel.name).limit(CHANNELS_MAX)).all()
    firing = [row for row in every if row.open]
    names = sorted(session.scalars(select(Scenario.name).limit(filters.LISTED_MAX)))
    called = {"scenario": _("scenario"), "severity": _("severity")}
    return AlertsPage(
        reader=looking,
        address=address,
        live_url=address.url(),
        kept=filters.kept(address),
        fields=(
            filters.field("scenario", called["scenario"], [(name, name) for name in names], query.scenario),
            filters.field("severity", called["severity"], [(key, _(key)) for key in SEVERITIES], query.severity),
        ),
        chips=filters.chips(address, called),
        sentence=words.sentence(
            [_standing(row) for row in firing], routes=len(ways),
            failing=[row.name for row in channels if row.failures], now=looking.now,
        ),
        strip=draw([_stretch(row) for row in every], address.interval, looking.now, looking.zone),
        open=tuple(firing),
        over=tuple(row for row in every if not row.open),
        more=SHOWN if len(asked) > len(found) else 0,
        quiets=tuple(_quiets(session, looking.now)),
        routes=tuple(
            RouteRow(
                w.name, _at(routes.PATH, w.name), words.takes(w), ", ".join(w.channels), words.rhythm(w), words.steps(w)
            )
            for w in ways
        ),
        channels=tuple(_channel(row) for row in channels),
        form=form if looking.may_command else None,
        may_rule=may(looking),
    )  # fmt: skip


def _lines(row: rows.Alert, said: list[dict[str, str]]) -> list[tuple[object, ...]]:
    ended = rfc3339(row.ended_at) if row.ended_at else None
    head = (
        row.id, standing.fact_of(row).name, row.labels.get("scenario"), row.severity, rfc3339(row.started_at), ended,
        row.annotations.get("why"), row.acknowledged_by,
    )  # fmt: skip
    decided = [(*head, each["route"], each["decision"], each["reason"]) for each in said]
    return [*decided] or [(*head, None, "nobody" if row.unrouted else None, row.unrouted)]


def _alert(row: rows.Alert, said: list[dict[str, str]]) -> AlertRow:
    fact = standing.fact_of(row)
    notes = row.annotations
    by = _("{who} has it", who=row.acknowledged_by) if row.acknowledged_by else ""
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
    return any(said.decision in ("told", "acknowledged") or END_TOLD in said.reason for said in row.said)


def _quiets(session: Session, now: datetime) -> list[QuietRow]:
    """Silences that are not over, then maintenance windows."""
    query = select(rows.Silence).where(rows.Silence.ends_at > now).order_by(rows.Silence.ends_at)
    found = [
        QuietRow(
            row.id,
            _("silence {id}", id=row.id),
            "",
            words.joined(row.matchers),
            row.ends_at,
            "",
            row.created_by,
            row.reason,
        )
        for row in session.scalars(query.limit(OPEN_MAX))
    ]
    for row in session.scalars(select(rows.Maintenance).order_by(rows.Maintenance.name)):
        window = standing.window_of(row)
        name, when = _("maintenance {name}", name=row.name), rules_words.when(window)
        matchers, until = words.joined(row.matchers), in_force(window, now)
        found.append(QuietRow(0, name, _at(windows.PATH, row.name), matchers, until, when, row.created_by, row.reason))
    return found


def _at(path: str, name: str) -> str:
    """Where a route or a window is changed."""
    return f"{path}?{urlencode({'of': name})}"


def _channel(row: rows.Channel) -> ChannelRow:
    state, mark = (_("not tried yet"), "missing")
    if row.failures:
        state, mark = (_("failed {n}×", n=row.failures), "expired")
    elif row.succeeded_at:
        state, mark = (_("works"), "effective")
    shown = ", ".join(row.shown)
    return ChannelRow(row.name, row.kind, shown, state, mark, row.succeeded_at, row.failed_at, row.last_error)
