"""Everybody, and one of them: added, changed, kept out, let in again by a link that is shown once."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import files
from trivet.console.address import settle
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.people import people_read as read
from trivet.console.people.forms import AddedForm, ChangedForm, Id, SentForm, WhyForm, needed, problem
from trivet.console.people.people_views import Once
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.identity import answers, reading, service
from trivet.identity import people as acts
from trivet.kit.errors import TrivetError
from trivet.report.files.table import Column

router = APIRouter()
PATH = "/people"
COLUMNS = tuple(
    Column(name, "count" if name == "id" else "text")
    for name in ("id", "email", "name", "role", "tenant", "signs_in", "created_at", "last_seen_at", "disabled_at")
)


@router.get(PATH)
def page(looking: Looking, query: Annotated[read.Query, Query()]) -> HTMLResponse:
    """Everybody."""
    with db.transaction() as session:
        return show("people/list.html", read.people(session, looking, query))


@router.get(f"{PATH}.csv")
def file(looking: Looking, query: Annotated[read.Query, Query()]) -> StreamingResponse:
    """The same people, all of them."""
    address = settle(PATH, query, looking.now, looking.zone)
    with db.transaction() as session:
        found = [answers.user(each) for each in reading.people(session, files.ROWS_MAX, find=query.q)]
    del address
    return files.csv_answer("people", COLUMNS, [[each[column.name] for column in COLUMNS] for each in found])


@router.post(PATH)
def add(looking: Looking, given: AddedForm) -> HTMLResponse:
    """Add somebody. The link they come in by is in this answer and nowhere else."""
    check_token(looking, given.csrf_token)
    said = given.model_dump(include={"email", "name", "role", "tenant"})
    try:
        with db.transaction() as session:
            needed(given.name, "name", _("Write a name."))
            user = service.create_user(
                session, email=given.email, name=given.name.strip(), role=given.role, password="",
                actor=looking.email, tenant=given.tenant.strip() or None, signs_in_here=False,
            )  # fmt: skip
            once = _link(session, looking, user.id, user.email)
    except TrivetError as refused:
        problems = problem(refused, "email", "name", "role", "tenant")
        with db.transaction() as session:
            found = read.people(session, looking, read.Query(), given=said, problems=problems)
            return show("people/list.html", found, status=refused.status)
    with db.transaction() as session:
        return show("people/list.html", read.people(session, looking, read.Query(), once=once), status=201)


@router.get(f"{PATH}/{{user_id}}")
def one(looking: Looking, user_id: Id) -> HTMLResponse:
    """One of them."""
    with db.transaction() as session:
        return show("people/one.html", read.person(session, looking, user_id))


@router.post(f"{PATH}/{{user_id}}")
def change(looking: Looking, user_id: Id, given: ChangedForm) -> Response:
    """Another name, role or tenant."""

    def do(session: Session) -> None:
        needed(given.name, "name", _("Write a name."))
        acts.change(
            session, user_id, actor=looking.email, now=looking.now, name=given.name.strip(), role=given.role,
            tenant=given.tenant.strip() or None,
        )  # fmt: skip

    return _done(looking, given.csrf_token, user_id, do)


@router.post(f"{PATH}/{{user_id}}/disable")
def disable(looking: Looking, user_id: Id, given: WhyForm) -> Response:
    """Keep them out; their sessions end at once."""

    def do(session: Session) -> None:
        acts.disable(session, user_id, actor=looking.email, reason=given.reason, now=looking.now)

    return _done(looking, given.csrf_token, user_id, do)


@router.post(f"{PATH}/{{user_id}}/enable")
def enable(looking: Looking, user_id: Id, given: SentForm) -> Response:
    """Let them in again."""
    return _done(looking, given.csrf_token, user_id, lambda session: acts.enable(session, user_id, actor=looking.email))


@router.post(f"{PATH}/{{user_id}}/end-sessions")
def end_sessions(looking: Looking, user_id: Id, given: SentForm) -> Response:
    """They must sign in again, everywhere."""
    return _done(
        looking, given.csrf_token, user_id, lambda session: acts.end_sessions(session, user_id, actor=looking.email)
    )


@router.post(f"{PATH}/{{user_id}}/forget-provider")
def forget_provider(looking: Looking, user_id: Id, given: SentForm) -> Response:
    """Whoever comes from the provider next under their address, verified, is them."""
    return _done(
        looking, given.csrf_token, user_id, lambda session: acts.forget_provider(session, user_id, actor=looking.email)
    )


@router.post(f"{PATH}/{{user_id}}/link")
def link(looking: Looking, user_id: Id, given: SentForm) -> Response:
    """A one-time link to a new password; it is in this answer and nowhere else."""
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            once = _link(session, looking, user_id, acts.find(session, user_id).email)
    except TrivetError as refused:
        return _refused(looking, user_id, refused)
    with db.transaction() as session:
        return show("people/one.html", read.person(session, looking, user_id, once=once), status=201)


def _link(session: Session, looking: Reader, user_id: int, email: str) -> Once:
    made = acts.make_link(session, user_id, actor=looking.email, now=looking.now)
    words = _("Give this link to {email}. It sets a password once, within a day, and is not shown again.", email=email)
    return Once(words, f"{looking.address}{acts.LINK_PATH}/{made.token}")


def _done(looking: Reader, token: str, user_id: int, work: Callable[[Session], object]) -> Response:
    """Do it and go back to the person, or say there why not."""
    check_token(looking, token)
    try:
        with db.transaction() as session:
            work(session)
    except TrivetError as refused:
        if refused.status == 404:
            raise
        return _refused(looking, user_id, refused)
    return RedirectResponse(f"{PATH}/{user_id}", 303)


def _refused(looking: Reader, user_id: int, refused: TrivetError) -> HTMLResponse:
    problems = problem(refused, "name", "role", "tenant", "reason")
    with db.transaction() as session:
        return show("people/one.html", read.person(session, looking, user_id, problems=problems), status=refused.status)
