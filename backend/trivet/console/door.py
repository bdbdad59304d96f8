"""Signing in and out, and who is looking. The cookie holds a token; the CSRF token is the session's own."""

import secrets
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from trivet import db
from trivet.console import places, tongue
from trivet.console.pages import show
from trivet.console.people import browser, cookies
from trivet.console.people.people_views import SignInPage
from trivet.console.shield import SAFE_METHODS
from trivet.console.tongue import N_
from trivet.console.views import Reader
from trivet.identity import brake, provider, service, sessions
from trivet.identity.auth import COOKIE, TLS_PREFIX, cookie_name
from trivet.kit.clock import utc_now
from trivet.kit.errors import Forbidden
from trivet.settings import get_settings

router = APIRouter()
ZONE_COOKIE = "trivet_zone"
WRONG = N_("That email and password do not belong together. Nobody was signed in; try again, or ask an admin.")
TOO_OFTEN = N_(
    "Too many tries, from here or at this account. Nobody was signed in; wait a few minutes, then try again, or ask an "
    "admin for a one-time link."
)
LANGUAGE_KEPT_S = 365 * 86_400
SignInField = Annotated[str, Form(max_length=1024)]


class SignedOut(Exception):  # a state, not a failure: the handler sends to the door
    """Nobody is signed in."""


async def reader(request: Request) -> Reader:
    """Dependency: who is signed in; `SignedOut` where nobody is.

    Of the event loop, so that what it sets holds for the page: to look changes nothing, and somebody of one tenant
    reads under row-level security.
    """
    looking = await run_in_threadpool(_looking, request)
    if request.method in SAFE_METHODS:
        db.look(looking.tenant_id)
    return looking


def _looking(request: Request) -> Reader:
    token = request.cookies.get(cookie_name(request))
    if not token:
        raise SignedOut
    now, rules = utc_now(), sessions.rules_of(get_settings())
    with db.transaction() as session:
        found = sessions.who(session, token, now, rules)
        if found is None:
            raise SignedOut
        user, held = found
        tenant = service.tenant_name(session, user.tenant_id)
        fresh = sessions.use(session, user, held, now, rules, counts=is_of_a_person(request))
    if fresh:  # seldom: the session goes on under its next token
        cookies.renew(request, fresh, held.expires_at, now)
    places.admit(request.url.path, user.role, tenant=tenant)
    return Reader(
        user.name, user.email, user.role, held.csrf_token, zone_of(request), now, address_of(request), user.tenant_id,
        tenant,
    )  # fmt: skip


def is_of_a_person(request: Request) -> bool:
    """Whether somebody did something, as against a page that asks by itself for what is new."""
    if request.method not in {"GET", "HEAD"}:
        return True
    return "hx-request" not in request.headers and request.headers.get("sec-fetch-mode", "navigate") == "navigate"


Looking = Annotated[Reader, Depends(reader)]


def check_token(looking: Reader, given: str) -> None:
    """`Forbidden` unless the form carries this session's own token."""
    if not secrets.compare_digest(looking.csrf_token.encode(), given.encode()):
        raise Forbidden("This form belongs to another session, so nothing was changed. Reload the page and try again.")


def address_of(request: Request) -> str:
    """Scheme, host and port that the browser asked for, as commands on pages name them."""
    return f"{request.url.scheme}://{request.url.netloc}"


def zone_of(request: Request) -> ZoneInfo:
    """The zone the browser named in a cookie; UTC where it named none, or none that exists.

    A script names the cookie by the scheme it sees: TLS may end at a proxy that is not trusted to say so.
    """
    said = request.cookies.get(cookie_name(request, ZONE_COOKIE)) or request.cookies.get(
        TLS_PREFIX + ZONE_COOKIE, "UTC"
    )
    try:
        return ZoneInfo(said.replace("%2F", "/"))
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def to_the_door(request: Request) -> Response:
    """Send a page's reader to sign in, and come back after; answer a fragment with 401, which reloads the page."""
    if "hx-request" in request.headers:
        return Response(status_code=401)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    where = "/sign-in" if path == "/" else f"/sign-in?{urlencode({'next': path})}"
    return RedirectResponse(where, 303)


@router.get("/sign-in")
def sign_in_page(next: str = "/") -> HTMLResponse:  # noqa: A002  # the name in the address
    return door_page("", None, next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    email: SignInField,
    password: SignInField,
    next: SignInField = "/",  # noqa: A002  # as above
) -> Response:
    now, mine = utc_now(), counts(request, email)
    with db.transaction() as session:
        allowed = brake.allows(session, mine, now)
    if not allowed:
        return door_page(email, TOO_OFTEN, next, status=429)
    hours, called = get_settings().session_hours, browser.called(request.headers.get("user-agent", ""))
    with db.transaction() as session:
        made = service.sign_in(session, email=email, password=password, now=now, hours=hours, browser=called)
        if made is not None:
            brake.give_back(session, mine)
            sessions.end(session, request.cookies.get(cookie_name(request), ""))
    if made is None:
        return door_page(email, WRONG, next, status=401)
    answer = RedirectResponse(local(next), 303)
    cookies.let_in(request, answer, made, now)
    return answer


def counts(request: Request, email: str) -> tuple[brake.Count, ...]:
    """What a try to sign in counts against."""
    here = brake.from_address(request.client.host if request.client else "")
    return here, brake.known_browser(email) if cookies.is_known(request, email) else brake.at_account(email)


def door_page(email: str, problem: str | None, next_path: str, *, status: int = 200) -> HTMLResponse:
    """The page to sign in on; `problem` in the source language."""
    settings = get_settings()
    elsewhere = settings.oidc_name if provider.is_set(settings) else ""
    return show("sign_in/page.html", SignInPage(email, problem, local(next_path), elsewhere), status=status)


@router.post("/sign-out")
def sign_out(request: Request, looking: Looking, csrf_token: SignInField) -> Response:
    check_token(looking, csrf_token)
    with db.transaction() as session:
        service.sign_out(session, request.cookies[cookie_name(request)], actor=looking.email)
    answer = RedirectResponse("/sign-in", 303)
    cookies.drop(request, answer, COOKIE)
    return answer


@router.post("/language")
def choose_language(
    request: Request,
    looking: Looking,
    csrf_token: SignInField,
    language: SignInField,
    next: SignInField = "/",  # noqa: A002  # as above
) -> Response:
    """Pages are written in another language from now on, in this browser."""
    check_token(looking, csrf_token)
    answer = RedirectResponse(local(next), 303)
    if language in tongue.LANGUAGES:
        cookies.put(request, answer, tongue.COOKIE, language, LANGUAGE_KEPT_S)
    return answer


def local(path: str) -> str:
    """A path of ours to go to after signing in; anything that could lead elsewhere becomes `/`."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe else "/"
