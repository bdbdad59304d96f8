"""Oneself: name, password, and where one is signed in."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import files
from trivet.console.address import Times, settle
from trivet.console.door import Looking, check_token, counts
from trivet.console.pages import show
from trivet.console.people import browser, cookies, people_words
from trivet.console.people.forms import EndedForm, NamedForm, PasswordsForm, needed, problem
from trivet.console.people.people_views import SessionRow, YourselfPage
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.identity import brake, people, service, sessions
from trivet.identity.auth import COOKIE, cookie_name
from trivet.identity.models import User
from trivet.kit.clock import rfc3339
from trivet.kit.errors import TrivetError
from trivet.report.files.table import Column
from trivet.settings import get_settings

router = APIRouter()
PATH = "/settings"
COLUMNS = (Column("since"), Column("last_seen_at"), Column("browser"), Column("here"))
DONE = {"name": N_("Your name is changed."), "password": N_("Your password is changed; you are signed out elsewhere.")}


class Asked(Times):
    """The address of /settings. `done`: what was just done."""

    done: str = ""


@router.get(PATH)
def page(request: Request, looking: Looking, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """Yourself."""
    return _show(request, looking, said=DONE.get(asked.done, ""))


@router.get(f"{PATH}.csv")
def file(request: Request, looking: Looking) -> StreamingResponse:
    """Where you are signed in."""
    with db.bound_to(None), db.transaction() as session:
        rows = sessions_of(session, _me(session, looking).id, looking, _token(request))
    lines = [[rfc3339(row.since), rfc3339(row.last_seen_at), row.browser, "yes" if row.here else "no"] for row in rows]
    return files.csv_answer("sessions", COLUMNS, lines)


@router.post(f"{PATH}/name")
def change_name(request: Request, looking: Looking, given: NamedForm) -> Response:
    """Be called otherwise."""
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            needed(given.name, "name", _("Write a name."))
            me = _me(session, looking)
            people.change(session, me.id, actor=looking.email, now=looking.now, name=given.name.strip())
    except TrivetError as refused:
        return _show(request, looking, problems=problem(refused, "name"), status=refused.status)
    return RedirectResponse(f"{PATH}?done=name", 303)


@router.post(f"{PATH}/password")
def change_password(request: Request, looking: Looking, given: PasswordsForm) -> Response:
    """Another password; every other session ends."""
    check_token(looking, given.csrf_token)
    mine = counts(request, looking.email)
    try:
        brake.check(mine, looking.now)
        with db.transaction() as session:
            me = _me(session, looking)
            keep = _family(session, request, looking)
            people.change_password(
                session, me.id, old=given.old, new=given.new, keep=keep, actor=looking.email, now=looking.now
            )
            brake.give_back(session, mine)
    except TrivetError as refused:
        field = {"password": "new"}.get(refused.field or "", refused.field)
        problems = {field if field in ("old", "new") else "form": refused.detail}
        return _show(request, looking, problems=problems, status=refused.status)
    return RedirectResponse(f"{PATH}?done=password", 303)


@router.post(f"{PATH}/sessions/end")
def end_sessions(request: Request, looking: Looking, given: EndedForm) -> Response:
    """End one session of yours, those elsewhere, or all of them."""
    check_token(looking, given.csrf_token)
    with db.transaction() as session:
        me, here = _me(session, looking), _family(session, request, looking)
        if given.which in ("others", "all"):
            people.end_sessions(session, me.id, actor=looking.email, but=here if given.which == "others" else "")
        elif given.family:
            people.end_session(session, me.id, given.family, actor=looking.email)
    is_out = given.which == "all" or (given.which == "one" and given.family == here)
    answer = RedirectResponse("/sign-in" if is_out else PATH, 303)
    if is_out:
        cookies.drop(request, answer, COOKIE)
    return answer


def sessions_of(session: Session, user_id: int, looking: Reader, token: str = "") -> tuple[SessionRow, ...]:
    """Somebody's open sessions; `token`: of the one that looks."""
    rules = sessions.rules_of(get_settings())
    held = sessions.who(session, token, looking.now, rules) if token else None
    here = held[1].family if held else ""
    found = sessions.listed(session, user_id, looking.now, rules)
    return tuple(
        SessionRow(each.family, browser.words(each.browser), each.since, each.last_seen_at, each.family == here)
        for each in found
    )


def _show(
    request: Request, looking: Reader, *, said: str = "", problems: dict[str, str] | None = None, status: int = 200
) -> HTMLResponse:
    # One's own row, also for somebody of one tenant, to whom other people's are closed.
    with db.bound_to(None), db.transaction() as session:
        me = _me(session, looking)
        rows = sessions_of(session, me.id, looking, _token(request))
        found = YourselfPage(
            reader=looking, address=settle(PATH, Times(), looking.now, looking.zone),
            sentence=people_words.yourself(me.name, looking.role, looking.tenant, len(rows)),
            rights=people_words.rights(looking.role), sessions=rows, has_password=bool(me.password_hash),
            said=_(said) if said else "", problems=problems or {},
        )  # fmt: skip
        return show("people/yourself.html", found, status=status)


def _me(session: Session, looking: Reader) -> User:
    user = service.find_user(session, looking.email)
    assert user is not None  # whoever looks was found a moment ago
    return user


def _token(request: Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def _family(session: Session, request: Request, looking: Reader) -> str:
    """The session that looks."""
    held = sessions.who(session, _token(request), looking.now, sessions.rules_of(get_settings()))
    return held[1].family if held else ""
