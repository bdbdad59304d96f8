"""Channels and routes over REST: where alerts go, and which go where."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, answers
from trivet.kit.body import Body, Name
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.notify import alert_models as rows
from trivet.notify.alert import keep as rules
from trivet.notify.alert.alerts_api import Matchers
from trivet.notify.alert.keep import RouteTerms
from trivet.notify.channel import keep
from trivet.notify.channel.address import REPLICAS_MAX, URL_MAX, Given, Kind
from trivet.notify.compose import ADDRESSES_MAX
from trivet.settings import get_settings

router = APIRouter(tags=["notify"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("admin", "operations"))]
Url = Annotated[str, Field(max_length=URL_MAX)]  # `address` says what else it cannot be
DAY_S = 86_400.0


class NewChannel(Body):
    """A way out. `apprise` and `webhook` have a `url`, `mail` has `to`, `alertmanager` the `urls` of all its replicas."""

    name: Name
    kind: Kind
    url: Url = ""
    to: list[str] = Field([], max_length=ADDRESSES_MAX)
    urls: list[Url] = Field([], max_length=REPLICAS_MAX)
    secret: str = Field("", max_length=200, description="Signs a webhook's messages; made here where none is given.")


class OneChannel(Answer):
    """A channel. `shown` is what may be seen of its address; `failures` are those since its last success."""

    name: str
    kind: Kind
    shown: list[str]
    succeeded_at: str | None
    failed_at: str | None
    failures: int
    last_error: str
    replicas: dict[str, dict[str, str]]
    created_at: str
    created_by: str


class MadeChannel(OneChannel):
    """The same, once with the secret that signs a webhook's messages; '' for other kinds."""

    secret: str


class Channels(Answer):
    """All of them, by name."""

    items: list[OneChannel]


class Escalation(Body):
    """Who is told as well when nobody acknowledged after so many seconds."""

    after_s: float = Field(ge=10, le=7 * DAY_S)
    channels: list[Name] = Field(min_length=1, max_length=rules.ROUTE_CHANNELS_MAX)


class NewRoute(Body):
    """Which alerts go to which channels. The route of this name gets these terms, or is made."""

    name: Name
    position: int = Field(100, ge=0, le=10_000, description="Lower comes first.")
    matchers: Matchers = Field([], description="Every one must fit; none: every alert.")
    channels: list[Name] = Field(min_length=1, max_length=rules.ROUTE_CHANNELS_MAX)
    group_by: list[Name] = Field(["scenario"], max_length=10)
    group_wait_s: float = Field(5.0, ge=0, le=3_600)
    group_interval_s: float = Field(300.0, ge=1, le=DAY_S)
    repeat_s: float = Field(4 * 3_600.0, ge=60, le=30 * DAY_S)
    steps: list[Escalation] = Field([], max_length=rules.STEPS_MAX)
    goes_on: bool = Field(False, description="Later routes may take the alert as well.")

    @property
    def terms(self) -> RouteTerms:
        steps = [(step.after_s, step.channels) for step in self.steps]
        return RouteTerms(
            self.matchers, self.channels, self.group_by, self.group_wait_s, self.group_interval_s, self.repeat_s, steps,
            self.goes_on, self.position,
        )  # fmt: skip


class Escalated(Answer):
    """Who is told as well, after how many seconds."""

    after_s: float
    channels: list[str]


class OneRoute(Answer):
    """A route."""

    name: str
    position: int
    matchers: list[str]
    channels: list[str]
    group_by: list[str]
    group_wait_s: float
    group_interval_s: float
    repeat_s: float
    steps: list[Escalated]
    goes_on: bool
    changed_at: str
    changed_by: str


class Routes(Answer):
    """All of them, in the order in which they are asked."""

    items: list[OneRoute]


@router.get("/channels", responses=answers(Channels))
def channels(_: Read) -> dict[str, Any]:
    """All of them, by name (there are at most 100). Nothing secret is shown."""
    with db.transaction() as session:
        return {"items": [_channel(row) for row in session.scalars(select(rows.Channel).order_by(rows.Channel.name))]}


@router.post("/channels", status_code=201, responses={201: {"model": MadeChannel}})
def create(body: NewChannel, principal: Write) -> dict[str, Any]:
    """Make a channel. What is secret in it is sealed, and shown this once."""
    given = Given(body.url, tuple(body.to), tuple(body.urls), body.secret)
    with db.transaction() as session:
        made = keep.create(
            session, name=body.name, kind=body.kind, given=given, settings=get_settings(), actor=principal.actor,
            now=utc_now(),
        )  # fmt: skip
        return _channel(made.channel) | {"secret": made.secret}


@router.post("/channels/{name}/test", status_code=202)
def test(name: str, principal: Write) -> dict[str, Any]:
    """Send a message that shows whether it works; `GET /channels` shows what became of it."""
    with db.transaction() as session:
        return {"key": keep.test(session, name, actor=principal.actor, now=utc_now())}


@router.delete("/channels/{name}", status_code=204)
def delete(name: str, principal: Write) -> None:
    """Delete a channel that no route names any more."""
    with db.transaction() as session:
        keep.remove(session, name, actor=principal.actor, now=utc_now())


@router.get("/routes", responses=answers(Routes))
def routes(_: Read) -> dict[str, Any]:
    """In the order in which they are asked (there are at most 100)."""
    query = select(rows.Route).order_by(rows.Route.position, rows.Route.id)
    with db.transaction() as session:
        return {"items": [_route(row) for row in session.scalars(query)]}


@router.post("/routes", status_code=201, responses={201: {"model": OneRoute}})
def route(body: NewRoute, principal: Write) -> dict[str, Any]:
    """Make a route, or give the one of this name other terms."""
    with db.transaction() as session:
        return _route(rules.put_route(session, body.name, body.terms, actor=principal.actor, now=utc_now()))


@router.delete("/routes/{name}", status_code=204)
def no_route(name: str, principal: Write) -> None:
    """Delete a route."""
    with db.transaction() as session:
        rules.remove_route(session, name, actor=principal.actor)


def _channel(row: rows.Channel) -> dict[str, Any]:
    return {
        "name": row.name, "kind": row.kind, "shown": row.shown,
        "succeeded_at": when(row.succeeded_at),
        "failed_at": when(row.failed_at), "failures": row.failures,
        "last_error": row.last_error, "replicas": row.state, "created_at": rfc3339(row.created_at),
        "created_by": row.created_by,
    }  # fmt: skip


def _route(row: rows.Route) -> dict[str, Any]:
    named = (
        "name", "position", "matchers", "channels", "group_by", "group_wait_s", "group_interval_s", "repeat_s", "steps",
        "goes_on", "changed_by",
    )  # fmt: skip
    return {field: getattr(row, field) for field in named} | {"changed_at": rfc3339(row.changed_at)}
