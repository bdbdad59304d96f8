"""Signing in and out, and who is looking. The cookie holds a token; the CSRF token is the session's own."""

import secrets
import threading
import time
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from trivet import db
from trivet.console import places, tongue
from trivet.console.pages import show
from trivet.console.shield import SAFE_METHODS
from trivet.console.tongue import N_
from trivet.console.views import Reader, SignInPage
from trivet.identity import service
from trivet.identity.auth import COOKIE
from trivet.kit.clock import utc_now
from trivet.kit.errors import Forbidden
from trivet.settings import get_settings

router = APIRouter()
ZONE_COOKIE = "trivet_zone"
WRONG = N_("That email and password do not belong together. Nobody was signed in; try again, or ask an admin.")
TOO_OFTEN = N_("Too many tries from here. Nobody was signed in; wait a minute, then try again.")
TRIES_MAX = 10
TRIES_WINDOW_S = 60.0
TRIED_FROM_MAX = 10_000
LANGUAGE_KEPT_S = 365 * 86_400
SignInField = Annotated[str, Form(max_length=1024)]


class SignedOut(Exception):  # a state, not a failure: the handler sends to the door
    """Nobody is signed in."""


class Brake:
    """How often one address may try, in this process: enough to make guessing slow, not a record of anything."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def allows(self, address: str) -> bool:
        """Count one try; False once there were `TRIES_MAX` within `TRIES_WINDOW_S`."""
        now = time.monotonic()
        with self._lock:
            if len(self._tries) > TRIED_FROM_MAX:
                self._tries.clear()
            began, tries = self._tries.get(address, (now, 0))
            if now - began > TRIES_WINDOW_S:
                began, tries = now, 0
            self._tries[address] = (began, tries + 1)
            return tries < TRIES_MAX

    def forget(self, address: str) -> None:
        """A right password takes the count away."""
        with self._lock:
            self._tries.pop(address, None)


brake = Brake()


async def reader(request: Request) -> Reader:
    """Dependency: who is signed in; `SignedOut` where nobody is.

    Of the event loop, so that what it binds holds for the page: somebody of one tenant reads under row-level security.
    """
    looking = await run_in_threadpool(_looking, request)
    db.bind(looking.tenant_id if request.method in SAFE_METHODS else None)
    return looking


def _looking(request: Request) -> Reader:
    token = request.cookies.get(COOKIE)
    now = utc_now()
    if token:
        with db.transaction() as session:
            found = service.who(session, token, now)
            if found:
                user, web_session = found
                tenant = service.tenant_name(session, user.tenant_id)
                places.admit(request.url.path, user.role, tenant=tenant)
                return Reader(
                    user.name, user.email, user.role, web_session.csrf_token, zone_of(request), now,
                    address_of(request), user.tenant_id, tenant,
                )  # fmt: skip
    raise SignedOut


Looking = Annotated[Reader, Depends(reader)]


def check_token(looking: Reader, given: str) -> None:
    """`Forbidden` unless the form carries this session's own token."""
    if not secrets.compare_digest(looking.csrf_token.encode(), given.encode()):
        raise Forbidden("This form belongs to another session, so nothing was changed. Reload the page and try again.")


def address_of(request: Request) -> str:
    """Scheme, host and port that the browser asked for, as commands on pages name them."""
    return f"{request.url.scheme}://{request.url.netloc}"


def zone_of(request: Request) -> ZoneInfo:
    """The zone the browser named in a cookie; UTC where it named none, or none that exists."""
    try:
        return ZoneInfo(request.cookies.get(ZONE_COOKIE, "UTC").replace("%2F", "/"))
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
    return show("sign_in/page.html", SignInPage("", None, local(next)))


@router.post("/sign-in")
def sign_in(
    request: Request,
    email: SignInField,
    password: SignInField,
    next: SignInField = "/",  # noqa: A002  # as above
) -> Response:
    address = request.client.host if request.client else ""
    if not brake.allows(address):
        return show("sign_in/page.html", SignInPage(email, TOO_OFTEN, local(next)), status=429)
    hours = get_settings().session_hours
    with db.transaction() as session:
        made = service.sign_in(session, email=email, password=password, now=utc_now(), hours=hours)
    if made is None:
        return show("sign_in/page.html", SignInPage(email, WRONG, local(next)), status=401)
    brake.forget(address)
    answer = RedirectResponse(local(next), 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, made.token, max_age=hours * 3600, httponly=True, samesite="lax", secure=secure, path="/")
    return answer


@router.post("/sign-out")
def sign_out(request: Request, looking: Looking, csrf_token: SignInField) -> Response:
    check_token(looking, csrf_token)
    with db.transaction() as session:
        service.sign_out(session, request.cookies[COOKIE])
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, path="/")
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
        secure = request.url.scheme == "https"
        answer.set_cookie(
            tongue.COOKIE, language, max_age=LANGUAGE_KEPT_S, httponly=True, samesite="lax", secure=secure, path="/"
        )
    return answer


def local(path: str) -> str:
    """A path of ours to go to after signing in; anything that could lead elsewhere becomes `/`."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe else "/"
