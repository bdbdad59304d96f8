"""API keys: all of them, one made and shown once, one revoked after a look at what that stops."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import files
from trivet.console import format as say
from trivet.console.address import Link, Times, number_after, settle
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.people import people_words as words
from trivet.console.people.forms import Id, MadeForm, WhyForm, needed, problem
from trivet.console.people.people_views import KeyRow, KeysPage, Life, Once, RevokePage
from trivet.console.tongue import N_, _
from trivet.console.views import Choice, Reader
from trivet.identity import answers, auth, reading, service
from trivet.identity.models import SCOPES, ApiKey
from trivet.kit.errors import Invalid, NotFound, TrivetError
from trivet.kit.page import INT4, to_cursor
from trivet.report.files.table import Column

router = APIRouter()
PATH = "/keys"
SHOWN = 50
IDLE = timedelta(days=30)
STATES = {"": N_("in force"), "revoked": N_("revoked"), "all": N_("all")}
LIVE = {"": True, "revoked": False, "all": None}
SCOPE_WORDS = {
    "ingest": N_("send spans, metrics and scores"),
    "policy": N_("ask what policy holds"),
    "read": N_("read"),
    "finance": N_("book and close; for everybody's rows only"),
    "admin": N_("everything; for everybody's rows only"),
}
COLUMNS = tuple(
    Column(name, "count" if name == "id" else "text")
    for name in (
        "id", "name", "prefix", "tenant", "scopes", "created_at", "created_by", "last_used_at", "revoked_at", "revoked_by",
        "revoked_reason",
    )
)  # fmt: skip


class Query(Times):
    """The address of /keys."""

    state: Annotated[str, Field(max_length=10)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


@router.get(PATH)
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Keys, the newest first."""
    with db.transaction() as session:
        return show("people/keys.html", _page(session, looking, query))


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same keys, all of them."""
    del looking
    with db.transaction() as session:
        found = [answers.key(each) for each in _listed(session, query, files.ROWS_MAX, 0)]
    rows = [[each[c.name] if c.name != "scopes" else " ".join(each[c.name]) for c in COLUMNS] for each in found]
    return files.csv_answer("keys", COLUMNS, rows)


@router.post(PATH)
def make(looking: Looking, given: MadeForm) -> HTMLResponse:
    """Make a key. It is in this answer and nowhere else."""
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            needed(given.name, "name", _("Write what the key is for."))
            tenant = given.tenant.strip() or None
            made = service.create_key(
                session, name=given.name.strip(), scopes=given.scopes, tenant=tenant, actor=looking.email
            )
    except TrivetError as refused:
        with db.transaction() as session:
            found = _page(
                session, looking, Query(), chosen=given.scopes, given={"name": given.name, "tenant": given.tenant},
                problems=problem(refused, "name", "tenant", "scopes"),
            )  # fmt: skip
            return show("people/keys.html", found, status=refused.status)
    once = Once(_("Copy the key of {name} now: it is not shown again.", name=given.name.strip()), made.secret)
    with db.transaction() as session:
        return show("people/keys.html", _page(session, looking, Query(), once=once), status=201)


@router.get(f"{PATH}/{{key_id}}/revoke")
def look(looking: Looking, key_id: Id) -> HTMLResponse:
    """What revoking it stops."""
    with db.transaction() as session:
        return show("people/revoke.html", _revoking(session, looking, key_id))


@router.post(f"{PATH}/{{key_id}}/revoke")
def revoke(looking: Looking, key_id: Id, given: WhyForm) -> Response:
    """Revoke it, here at once and everywhere within `auth.KEY_CACHE_S`."""
    check_token(looking, given.csrf_token)
    try:
        needed(given.reason, "reason", _("Say why, in a few words."))
        with db.transaction() as session:
            service.revoke_key(session, key_id, actor=looking.email, now=looking.now, reason=given.reason.strip())
    except Invalid as refused:
        with db.transaction() as session:
            found = _revoking(session, looking, key_id, problem(refused, "reason"))
            return show("people/revoke.html", found, status=refused.status)
    auth.forget_keys()
    return RedirectResponse(f"{PATH}?state=revoked", 303)


def _listed(session: Session, query: Query, count: int, before: int) -> list[reading.Key]:
    return reading.keys(session, count, before=before or 2**31 - 1, live=LIVE.get(query.state, True))


def _page(
    session: Session,
    looking: Reader,
    query: Query,
    *,
    chosen: list[str] | None = None,
    given: dict[str, str] | None = None,
    once: Once | None = None,
    problems: dict[str, str] | None = None,
) -> KeysPage:
    address = settle(PATH, query, looking.now, looking.zone)
    found = _listed(session, query, SHOWN + 1, number_after(query.cursor, INT4) or 0)
    shown, counts = found[:SHOWN], reading.counts(session)
    oldest = min((each.key.created_at for each in shown), default=looking.now)
    return KeysPage(
        reader=looking, address=address,
        sentence=words.keys(counts["live"], counts["revoked"], sum(_is_idle(each.key, looking.now) for each in shown)),
        states=tuple(Link(_(said), address.url(state=key, cursor=""), key == query.state) for key, said in STATES.items()),
        keys=tuple(_row(each, oldest, looking.now) for each in shown),
        next_url=address.url(cursor=to_cursor([shown[-1].key.id])) if len(found) > SHOWN else "",
        scopes=tuple(Choice(each, each, _(SCOPE_WORDS[each]), each in (chosen or ())) for each in SCOPES),
        given=given or {"name": "", "tenant": ""}, once=once, problems=problems or {},
    )  # fmt: skip


def _revoking(session: Session, looking: Reader, key_id: int, problems: dict[str, str] | None = None) -> RevokePage:
    key = session.get(ApiKey, key_id)
    if key is None or key.revoked_at is not None:
        raise NotFound(f"There is no live key {key_id}.")
    shown = _row(reading.Key(key, service.tenant_name(session, key.tenant_id)), key.created_at, looking.now)
    used = say.day_clock(key.last_used_at, looking.now, looking.zone) if key.last_used_at else ""
    return RevokePage(looking, shown, words.stops(shown.name, shown.scopes, shown.tenant, used), problems or {})


def _row(found: reading.Key, oldest: datetime, now: datetime) -> KeyRow:
    key = found.key
    return KeyRow(
        key.id, key.name, key.prefix, found.tenant, tuple(key.scopes), key.created_at, key.created_by, key.last_used_at,
        key.revoked_at, key.revoked_by or "", key.revoked_reason or "", life(key, oldest, now),
    )  # fmt: skip


def _is_idle(key: ApiKey, now: datetime) -> bool:
    return key.revoked_at is None and now - (key.last_used_at or key.created_at) > IDLE


def life(key: ApiKey, oldest: datetime, now: datetime) -> Life:
    """A key's time between the oldest key and now: solid until it was last used, hollow from there to its end. Pure."""
    whole = max((now - oldest).total_seconds(), 1.0)

    def part(since: datetime, until: datetime) -> float:
        return max((until - since).total_seconds(), 0.0) / whole * 100

    end = key.revoked_at or now
    used = min(key.last_used_at, end) if key.last_used_at else key.created_at
    return Life(f"{part(oldest, key.created_at):.2f}", f"{part(key.created_at, used):.2f}", f"{part(used, end):.2f}")
