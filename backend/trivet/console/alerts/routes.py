"""The page of one route: made, changed and deleted here, shown by the alerts of the last days before it is done."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.alerts import past, routes_form, rules_form
from trivet.console.alerts import rules_words as words
from trivet.console.alerts.routes_form import FIELDS, Asking
from trivet.console.alerts.rules_form import Deleted
from trivet.console.alerts.rules_views import Ending, RouteForm, RoutePage
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.tongue import _
from trivet.console.views import Choice, Reader
from trivet.kit.errors import Conflict, NotFound, TrivetError
from trivet.notify.alert import keep, standing
from trivet.notify.alert_models import Channel, Route
from trivet.notify.rules.matchers import checked
from trivet.notify.rules.route import Way

router = APIRouter()
PATH, BACK = "/alerts/route", "/alerts#routes"


class Given(Asking):
    """The same, to be kept."""

    csrf_token: str = Field("", max_length=200)


@router.get(PATH)
def route_page(looking: Looking, asking: Annotated[Asking, Ask()]) -> HTMLResponse:
    """A new route, or one that is there, with what it takes of the last days' alerts."""
    rules_form.check_may(looking)
    return _shown(looking, asking, {})


@router.post(PATH)
def save(looking: Looking, given: Annotated[Given, Form()]) -> Response:
    """Make it, or give it other terms, through the same door as the API; a refusal comes back at its field."""
    rules_form.check_may(looking)
    check_token(looking, given.csrf_token)
    try:
        body = routes_form.asked(given)
        with db.transaction() as session:
            _check_name(session, given.of, body.name)
            keep.put_route(session, body.name, body.terms, actor=looking.email, now=looking.now)
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
            keep.remove_route(session, given.of, actor=looking.email, reason=given.reason())
    except TrivetError as refused:
        return _shown(looking, Asking(of=given.of), rules_form.problem(refused, ("why",)), status=refused.status)
    return RedirectResponse(BACK, 303)


def _check_name(session: Session, of: str, name: str) -> None:
    """A route that is changed is there; a new one takes no other's name."""
    there = session.scalar(select(Route.id).where(Route.name == name))
    if of and there is None:
        raise NotFound(f"There is no route {of!r} any more: somebody deleted it.")
    if not of and there is not None:
        raise Conflict(
            _("There is a route {name} already: change that one, or choose another name.", name=name), field="name"
        )


def _shown(looking: Reader, asking: Asking, errors: Mapping[str, str], *, status: int = 200) -> HTMLResponse:
    with db.transaction() as session:
        return show("alerts/route.html", _page(session, looking, asking, errors), status=status)


def _page(session: Session, looking: Reader, asking: Asking, errors: Mapping[str, str]) -> RoutePage:
    ways = standing.ways(session)
    positions = dict(session.execute(select(Route.name, Route.position)).all())
    way = next((each for each in ways if each.name == asking.of), None)
    if asking.of and way is None:
        raise NotFound(f"There is no route {asking.of!r}.")
    if way is not None and not asking.said:
        asking = routes_form.filled(way, positions[way.name])
    channels = session.scalars(select(Channel.name).order_by(Channel.name).limit(standing.CHANNELS_MAX)).all()
    fired = past.read(session, looking.now, routes=len(ways))
    return RoutePage(
        reader=looking,
        of=asking.of,
        sentence=words.route(way) if way else _("A new route: which alerts go to which channels."),
        order=_(", ").join(_("{n} {name}", n=positions[each.name], name=each.name) for each in ways),
        form=_form(asking, channels, errors, _preview(asking, fired, ways, positions)),
        ending=_ending(way, fired, ways, errors) if way else None,
    )


def _form(asking: Asking, channels: Sequence[str], errors: Mapping[str, str], preview: str) -> RouteForm:
    return RouteForm(
        name=asking.name,
        position=asking.position,
        matchers=asking.matchers,
        channels=tuple(Choice(name, name, "", name in asking.channels) for name in channels),
        group_by=asking.group_by,
        group_wait_s=asking.group_wait_s,
        group_interval_s=asking.group_interval_s,
        repeat_s=asking.repeat_s,
        steps=routes_form.steps(asking, channels),
        goes_on=bool(asking.goes_on),
        preview=preview,
        errors={field: said for field, said in errors.items() if field != "why"},
    )


def _preview(asking: Asking, fired: past.Fired, ways: Sequence[Way], positions: Mapping[str, int]) -> str:
    """What it would have told of; where it makes no sense yet, why."""
    if not asking.channels:
        return _("Say which alerts it takes and whom it tells: what it would have told of is said here first.")
    try:
        body = routes_form.asked(asking.model_copy(update={"name": asking.name.strip() or "–"}))
        checked(body.matchers)
    except TrivetError as refused:
        return refused.detail
    old = next((each.id for each in ways if each.name == body.name), 0)
    after = past.replaced(ways, positions, routes_form.way_of(body, old), body.position)
    return words.would_take(past.moved(fired, ways, after, body.name))


def _ending(way: Way, fired: past.Fired, ways: Sequence[Way], errors: Mapping[str, str]) -> Ending:
    rest = [each for each in ways if each.name != way.name]
    found = past.moved(fired, ways, rest, way.name)
    return Ending(words.would_lose(found), {"why": errors["why"]} if "why" in errors else {})
