"""Signing in with the provider: there and back. A refusal is a sentence on the page to sign in on."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from trivet import db
from trivet.console.door import TOO_OFTEN, door_page, local
from trivet.console.people import browser, cookies
from trivet.console.tongue import N_
from trivet.identity import brake, provided, provider, sessions
from trivet.identity.auth import cookie_name
from trivet.identity.refusal import SignInRefused
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError
from trivet.settings import get_settings

router = APIRouter()
COOKIE: Final = "trivet_begun"
CALLBACK: Final = "/sign-in/callback"
WORDS: Final = {
    "away": N_("The sign-in service does not answer as it should. Nobody was signed in; try again in a minute, or sign in with a password."),
    "clock": N_("The clock of the sign-in service and the one here do not agree. Nobody was signed in; an admin can set them right."),
    "unproven": N_("What the sign-in service sent could not be proven. Nobody was signed in; try again. The log says what did not fit."),
    "begun_elsewhere": N_("This sign-in was begun in another browser, or too long ago. Nobody was signed in; begin again."),
    "denied": N_("The sign-in service let nobody in. Try again there, or sign in with a password."),
    "unverified": N_("The sign-in service has not verified your email address. Nobody was signed in; verify it there first."),
    "domain": N_("Addresses of that domain may not sign in here. Use another account, or ask an admin."),
    "unknown": N_("You have no account here yet. Ask an admin to add you under the address of that account."),
    "disabled": N_("Your account here is disabled. Ask an admin to let you in again."),
    "no_role": N_("None of your groups gives you a role here. Ask an admin which group you need."),
    "tenant": N_("Your account does not say whose tenant you are in a way that goes with your role. Ask an admin."),
    "other_person": N_("Somebody else came under your address before. Ask an admin to let you come anew."),
}  # fmt: skip


@router.get("/sign-in/provider")
def go_there(request: Request, next: Annotated[str, Query(max_length=1024)] = "/") -> Response:  # noqa: A002  # the name in the address
    """To the provider, with what must come back kept sealed in this browser."""
    settings = get_settings()
    if not _allowed(request):
        return door_page("", TOO_OFTEN, next, status=429)
    now = utc_now()
    try:
        url, begun = provider.begin(settings, _here(request) + CALLBACK, local(next), now)
    except SignInRefused as refused:
        return _refused(refused, next)
    answer = RedirectResponse(url, 303)
    cookies.put(request, answer, COOKIE, begun.sealed(settings), int(provider.BEGUN_FOR.total_seconds()))
    return answer


@router.get(CALLBACK)
def come_back(
    request: Request,
    code: Annotated[str, Query(max_length=4096)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
    error: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """From the provider: whoever it proves is signed in here, under a session like everybody's."""
    if not _allowed(request):
        return door_page("", TOO_OFTEN, "/", status=429)
    try:
        answer = _signed_in(request, code, state, error)
    except SignInRefused as refused:
        answer = _refused(refused, "/")
    except TrivetError as refused:
        answer = _refused(SignInRefused("unproven", refused.detail), "/")
    cookies.drop(request, answer, COOKIE)
    return answer


def _signed_in(request: Request, code: str, state: str, error: str) -> Response:
    settings, now = get_settings(), utc_now()
    begun = provider.begun_of(settings, request.cookies.get(cookie_name(request, COOKIE), ""), state, now)
    provider.check_said(code, error)
    who = provided.wanted(settings, provider.claims(settings, begun, code, now))
    with db.transaction() as session:
        user = provided.let_in(session, settings, who, now)
        called = browser.called(request.headers.get("user-agent", ""))
        made = sessions.begin(session, user, now, sessions.rules_of(settings), called)
        sessions.end(session, request.cookies.get(cookie_name(request), ""))
    answer = RedirectResponse(local(begun.next_path), 303)
    cookies.let_in(request, answer, made, now)
    return answer


def _refused(refused: SignInRefused, next_path: str) -> Response:
    refused.log()
    return door_page("", WORDS[refused.why], next_path, status=503 if refused.why == "away" else 403)


def _here(request: Request) -> str:
    """Where the provider sends people back to: as the settings say, else as the browser asked."""
    return get_settings().public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"


def _allowed(request: Request) -> bool:
    """A call out for everybody who asks would be a way to have us call without end."""
    with db.transaction() as session:
        return brake.allows(session, [brake.there_and_back(request.client.host if request.client else "")], utc_now())
