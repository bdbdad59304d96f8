"""The page of a connection: choose, make a key, copy the configuration, send a test call, watch what arrives."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Header, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import any_, literal, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.address import Link
from trivet.console.connect import checks, trial, words
from trivet.console.connect.arrived import arrived
from trivet.console.connect.checks import Call
from trivet.console.connect.configs import Wish, files
from trivet.console.connect.kinds import KINDS, Kind
from trivet.console.connect.views import ConnectPage, Option, Watch, WatchPage
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.identity import service
from trivet.identity.models import ApiKey
from trivet.kit.body import NAME_MAX
from trivet.kit.errors import Forbidden, NotFound, TrivetError
from trivet.tenant.models import Scenario

router = APIRouter()
LOOKS_BACK = timedelta(hours=1)
OFFERED = 200
KEYS_OFFERED = 12
SCENARIO = "support-chat"  # what a configuration names while nobody registered one
Name = Annotated[str, Field(max_length=NAME_MAX, pattern=r"^[^\x00-\x1f]*$")]
Fragment = Annotated[str | None, Header(alias="hx-request")]


class Asked(BaseModel):
    """What the address says."""

    what: Annotated[str, Field(max_length=20)] = ""
    backend: Name = ""
    scenario: Name = ""
    tenant: Name = ""
    pool: Name = ""
    key: Annotated[int, Field(ge=0, lt=2**31)] = 0


class GivenKey(Asked):
    csrf_token: str = Field(max_length=200)


class GivenTest(GivenKey):
    secret: Annotated[str, Field(max_length=200)] = ""


@router.get("/connect")
def page(looking: Looking, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """All of it at one address, but the key itself."""
    return _show(looking, asked)


@router.get("/connect/watch")
def watch(looking: Looking, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """The part that changes."""
    with db.transaction() as session:
        found = _watch(session, looking, asked)
    if found is None:
        raise NotFound("There is no such key.")
    return show("connect/watch.html", WatchPage(looking, found))


@router.post("/connect/key")
def make_key(looking: Looking, given: Annotated[GivenKey, Form()]) -> HTMLResponse:
    """A key with the least it needs, in this answer and nowhere else."""
    kind = _may(looking, given)
    wish = _wish(looking, given, "", kind)
    try:
        with db.transaction() as session:
            made = service.create_key(
                session, name=wish.backend, scopes=list(kind.scopes), tenant=given.tenant or None, actor=looking.email
            )
    except TrivetError as refused:
        return _show(looking, given, problem=refused.detail, status=refused.status)
    return _show(looking, given.model_copy(update={"key": made.id}), secret=made.secret)


@router.post("/connect/test")
def send_test(
    looking: Looking, request: Request, given: Annotated[GivenTest, Form()], hx_request: Fragment = None
) -> HTMLResponse:
    """One span with that key, over HTTP to this very process, as the backend would send it."""
    kind = _may(looking, given)
    problem = trial.send(_own_address(request), _wish(looking, given, given.secret, kind), looking.now)
    if not hx_request:
        return _show(looking, given, secret=given.secret, problem=problem, status=400 if problem else 200)
    with db.transaction() as session:
        found = _watch(session, looking, given)
    if found is None or problem:
        raise Forbidden(problem or "There is no such key.")
    return show("connect/watch.html", WatchPage(looking, found))


def _own_address(request: Request) -> str:
    """Where this process listens. What a browser calls this server proves nothing about where it is."""
    host, port = request.scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _may(looking: Reader, given: GivenKey) -> Kind:
    check_role(looking.role, "Keys are made by admin", may=looking.may_administer)
    check_token(looking, given.csrf_token)
    if given.what not in KINDS:
        raise NotFound(f"Nothing of the name {given.what!r} can be connected here.")
    return KINDS[given.what]


def _show(looking: Reader, asked: Asked, *, secret: str = "", problem: str = "", status: int = 200) -> HTMLResponse:
    with db.transaction() as session:
        made = _page(session, looking, asked, secret, problem)
    return show("connect/page.html", made, status=status)


def _page(session: Session, looking: Reader, asked: Asked, secret: str, problem: str) -> ConnectPage:
    kind = KINDS.get(asked.what)
    wish = _wish(looking, asked, secret, kind)
    known = tuple(
        session.scalars(select(Scenario.name).where(Scenario.registered_at.is_not(None)).order_by(Scenario.name).limit(OFFERED))
    )  # fmt: skip
    if kind and not asked.scenario and known:
        wish = Wish(wish.endpoint, wish.backend, known[0], wish.tenant, wish.pool, wish.key)
    seen = _watch(session, looking, asked)
    return ConnectPage(
        reader=looking,
        sentence=_sentence(kind, wish, seen, fresh=bool(secret)),
        what=kind.key if kind else "",
        options=tuple(_option(each, asked) for each in KINDS.values()),
        wish=wish,
        scenarios=known,
        scopes=", ".join(kind.scopes) if kind else "",
        texts=files(kind, wish) if kind else (),
        watch=seen,
        key_id=asked.key,
        keys=_keys(session, looking, asked) if kind and not secret else (),
        problem=problem,
    )


def _sentence(kind: Kind | None, wish: Wish, seen: Watch | None, *, fresh: bool) -> str:
    if kind is None:
        return words.choose()
    if seen is None or fresh:
        return words.written(kind.name, wish.backend, key=fresh)
    return seen.sentence


def _wish(looking: Reader, asked: Asked, secret: str, kind: Kind | None) -> Wish:
    backend = asked.backend or (kind.backend if kind else "")
    return Wish(looking.address, backend, asked.scenario or SCENARIO, asked.tenant, asked.pool, secret)


def _option(kind: Kind, asked: Asked) -> Option:
    return Option(kind.name, kind.says, f"/connect?{urlencode({'what': kind.key})}", kind.key == asked.what)


def _watch(session: Session, looking: Reader, asked: Asked) -> Watch | None:
    """What came with a key; None where none is named, or there is none."""
    kind, key = KINDS.get(asked.what), session.get(ApiKey, asked.key) if asked.key else None
    if kind is None or key is None:
        return None
    wish = _wish(looking, asked, "", kind)
    since = max(key.created_at, looking.now - LOOKS_BACK)
    found = arrived(session, key.id, wish, since=since, now=looking.now)
    every = checks.checks(kind, wish, found)
    done = checks.verdict(every) == checks.ARRIVED and found.itself
    return Watch(
        sentence=words.watched(wish.backend, found, every),
        checks=every,
        since=since,
        live_url="" if done else _url("/connect/watch", asked),
        request_url=_request(found.judged[0]) if found.calls else "",
    )


def _request(call: Call) -> str:
    return f"/requests/{call['trace_id']}-{call['span_id']}"


def _url(path: str, asked: Asked, **changed: str | int) -> str:
    said = {**Asked.model_validate(asked.model_dump(include=set(Asked.model_fields))).model_dump(), **changed}
    return f"{path}?{urlencode({name: value for name, value in said.items() if value})}"


def _keys(session: Session, looking: Reader, asked: Asked) -> tuple[Link, ...]:
    """Keys that are there already and may send: the newest, for who may see them."""
    if not looking.may_administer:
        return ()
    query = select(ApiKey).where(ApiKey.revoked_at.is_(None), literal("ingest") == any_(ApiKey.scopes))
    found = session.scalars(query.order_by(ApiKey.id.desc()).limit(KEYS_OFFERED))
    return tuple(
        Link(f"{key.name} · {key.prefix}…", _url("/connect", asked, key=key.id, backend=asked.backend or key.name), key.id == asked.key)
        for key in found
    )  # fmt: skip
