"""The page of one weekly maintenance window: made, changed and deleted here, shown by the alerts of the last days."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.alerts import past, rules_form, windows_form
from trivet.console.alerts import rules_words as words
from trivet.console.alerts.rules_form import Deleted
from trivet.console.alerts.rules_views import Ending, WindowForm, WindowPage
from trivet.console.alerts.windows_form import FIELDS, Asking
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.tongue import _
from trivet.console.views import Choice, Reader
from trivet.kit.errors import Conflict, NotFound, TrivetError
from trivet.notify.alert import keep, standing
from trivet.notify.alert_models import Maintenance
from trivet.notify.rules.windows import Window

router = APIRouter()
PATH, BACK = "/alerts/maintenance", "/alerts#quiet"


class Given(Asking):
    """The same, to be kept."""

    csrf_token: str = Field("", max_length=200)


@router.get(PATH)
def window_page(looking: Looking, asking: Annotated[Asking, Ask()]) -> HTMLResponse:
    """A new window, or one that is there, with what it keeps quiet of the last days' alerts."""
    rules_form.check_may(looking)
    return _shown(looking, asking, {})


@router.post(PATH)
def save(looking: Looking, given: Annotated[Given, Form()]) -> Response:
    """Make it or change it, through the same door as the API; a refusal comes back at its field."""
    rules_form.check_may(looking)
    check_token(looking, given.csrf_token)
    try:
        body = windows_form.asked(given)
        with db.transaction() as session:
            _check_name(session, given.of, body.name)
            keep.put_window(
                session, body.name, matchers=body.matchers, weekdays=body.weekdays, starts=body.starts,
                minutes=body.minutes, zone=body.zone, reason=body.reason, actor=looking.email, now=looking.now,
            )  # fmt: skip
    except TrivetError as refused:
        errors = rules_form.problem(refused, FIELDS)
        return _shown(looking, given.model_copy(update={"said": "1"}), errors, status=refused.status)
    return RedirectResponse(BACK, 303)


@router.post(f"{PATH}/delete")
def delete(looking: Looking, given: Annotated[Deleted, Form()]) -> Response:
    """Delete it, with a reason that stands in the audit."""
    rules_form.check_may(looking)
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            keep.remove_window(session, given.of, actor=looking.email, reason=given.reason())
    except TrivetError as refused:
        return _shown(looking, Asking(of=given.of), rules_form.problem(refused, ("why",)), status=refused.status)
    return RedirectResponse(BACK, 303)


def _check_name(session: Session, of: str, name: str) -> None:
    """A window that is changed is there; a new one takes no other's name."""
    there = session.scalar(select(Maintenance.id).where(Maintenance.name == name))
    if of and there is None:
        raise NotFound(f"There is no maintenance window {of!r} any more: somebody deleted it.")
    if not of and there is not None:
        raise Conflict(
            _("There is a window {name} already: change that one, or choose another name.", name=name), field="name"
        )


def _shown(looking: Reader, asking: Asking, errors: Mapping[str, str], *, status: int = 200) -> HTMLResponse:
    with db.transaction() as session:
        return show("alerts/window.html", _page(session, looking, asking, errors), status=status)


def _page(session: Session, looking: Reader, asking: Asking, errors: Mapping[str, str]) -> WindowPage:
    rows = session.scalars(select(Maintenance).order_by(Maintenance.name).limit(standing.WINDOWS_MAX)).all()
    there = {row.name: standing.window_of(row) for row in rows}
    made = there.get(asking.of)
    if asking.of and made is None:
        raise NotFound(f"There is no maintenance window {asking.of!r}.")
    if made is not None and not asking.said:
        asking = windows_form.filled(made)
    zones = dict.fromkeys([str(looking.zone), "UTC", *(each.zone for each in there.values())])
    asking = asking.model_copy(update={"zone": asking.zone or str(looking.zone)})
    fired = past.read(session, looking.now)
    return WindowPage(
        reader=looking,
        of=asking.of,
        sentence=words.window(made) if made else _("A new maintenance window: alerts kept quiet at the same hours each week."),
        form=_form(asking, tuple(zones), errors, _preview(asking, fired, looking)),
        ending=_ending(made, fired, looking, errors) if made else None,
    )  # fmt: skip


def _form(asking: Asking, zones: tuple[str, ...], errors: Mapping[str, str], preview: str) -> WindowForm:
    return WindowForm(
        name=asking.name,
        matchers=asking.matchers,
        weekdays=tuple(Choice(str(n), _(day), "", str(n) in asking.weekdays) for n, day in enumerate(words.WEEKDAYS)),
        starts=asking.starts,
        ends=asking.ends,
        later=tuple(Choice(str(n), _(said), "", str(n) == asking.later) for n, said in enumerate(words.LATER)),
        zone=asking.zone,
        zones=zones,
        reason=asking.reason,
        preview=preview,
        errors={field: said for field, said in errors.items() if field != "why"},
    )


def _preview(asking: Asking, fired: past.Fired, looking: Reader) -> str:
    """What it would have kept quiet; where it makes no sense yet, why."""
    if not (asking.matchers.strip() and asking.weekdays and asking.starts and asking.ends):
        return _(
            "Say which alerts, on which days and from when to when: what it would have kept quiet is said here first."
        )
    try:
        made = windows_form.window_of(asking)
    except TrivetError as refused:
        return refused.detail
    return words.would_keep(past.kept(fired, made, looking.now), made, looking.now, looking.zone)


def _ending(made: Window, fired: past.Fired, looking: Reader, errors: Mapping[str, str]) -> Ending:
    found = past.kept(fired, made, looking.now)
    return Ending(words.would_tell(found), {"why": errors["why"]} if "why" in errors else {})
