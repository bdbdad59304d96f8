"""Cookies of the door: the session's, renewed while it is used, and the one that says a browser was here before."""

import hashlib
import hmac
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.identity.auth import COOKIE, cookie_name
from trivet.identity.sessions import SignIn
from trivet.settings import get_settings

KNOWN_COOKIE = "trivet_known"
KNOWN_FOR_S = 180 * 86_400


def is_tls(request: Request) -> bool:
    """Whether the browser came over TLS, as far as we or a trusted proxy know."""
    return request.url.scheme == "https"


def put(request: Request, answer: Response, name: str, value: str, age_s: int) -> None:
    """Set a cookie out of reach of scripts and other sites, under the name it has here."""
    answer.set_cookie(
        cookie_name(request, name),
        value,
        max_age=age_s,
        httponly=True,
        samesite="lax",
        secure=is_tls(request),
        path="/",
    )


def drop(request: Request, answer: Response, name: str) -> None:
    """Take a cookie away."""
    answer.delete_cookie(cookie_name(request, name), path="/", secure=is_tls(request), httponly=True, samesite="lax")


def let_in(request: Request, answer: Response, made: SignIn, now: datetime) -> None:
    """Give a browser its session, and let it be known here later."""
    put(request, answer, COOKIE, made.token, _left_s(made.expires_at, now))
    if mark := _known(made.user.email):
        put(request, answer, KNOWN_COOKIE, mark, KNOWN_FOR_S)


def is_known(request: Request, email: str) -> bool:
    """Whether this browser has signed in to that account before."""
    given, mark = request.cookies.get(cookie_name(request, KNOWN_COOKIE), ""), _known(email.strip().lower())
    return bool(mark) and hmac.compare_digest(given.encode(errors="replace"), mark.encode())


def _known(email: str) -> str:
    """Made with the secret of this installation; without one no browser is known."""
    secret = get_settings().secret_key.get_secret_value()
    made = hmac.new(secret.encode(), f"known:{email}".encode(errors="replace"), hashlib.sha256)
    return made.hexdigest() if secret else ""


def _left_s(until: datetime, now: datetime) -> int:
    return max(int((until - now).total_seconds()), 1)


def renew(request: Request, token: str, expires_at: datetime, now: datetime) -> None:
    """The answer to this request will carry the session's next token."""
    answer = Response()
    put(request, answer, COOKIE, token, _left_s(expires_at, now))
    request.state.session_cookie = answer.headers["set-cookie"]


class Renewal:
    """Adds to an answer the token that a request's session went on to. Pure ASGI, so that every kind of answer has it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = State(scope.setdefault("state", {}))

        async def send_renewed(message: Message) -> None:
            cookie = getattr(state, "session_cookie", None)
            if message["type"] == "http.response.start" and cookie and not _sets_session(message):
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode("latin-1"))]
            await send(message)

        await self.app(scope, receive, send_renewed)


def _sets_session(message: Message) -> bool:
    """Whether the answer itself says what becomes of the session: signing in or out has the last word."""
    return any(name == b"set-cookie" and f"{COOKIE}=".encode() in value for name, value in message["headers"])
