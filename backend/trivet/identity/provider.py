"""The conversation with an OpenID provider: discovery, the way there, the code for an ID token. No database.

Every call out is bounded: in time, in size, and it follows no redirect. What the provider says of itself, its keys too, is
kept for an hour in each process.
"""

import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from cryptography.fernet import InvalidToken
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from trivet import db
from trivet.identity import id_token
from trivet.identity.refusal import SignInRefused
from trivet.kit.errors import NotFound, TrivetError
from trivet.kit.ids import new_token
from trivet.kit.sealed import seal, unseal
from trivet.settings import Settings

CALL_S: Final = 5.0  # of one call in all
ANSWER_BYTES_MAX: Final = 256 << 10
KEPT_S: Final = 3600.0
KEYS_AGAIN_S: Final = 30.0  # keys are asked for anew at most so often, whoever sends tokens of unknown ones
BEGUN_FOR: Final = timedelta(minutes=10)
PURPOSE: Final = "sign-in"
LOCAL: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in on its way: kept by the browser, sealed, until it comes back."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next_path: str
    at: float

    def sealed(self, settings: Settings) -> str:
        """As the cookie holds it."""
        return seal(settings.secret_key.get_secret_value(), PURPOSE, json.dumps(asdict(self))).decode()


@dataclass(frozen=True, slots=True)
class Told:
    """What the provider said of itself, and when that is asked for anew (by the process's clock)."""

    document: Mapping[str, Any]
    keys: KeySet
    until: float
    keys_at: float


_told: dict[str, Told] = {}
db.caches.append(_told.clear)


def is_set(settings: Settings) -> bool:
    """Whether people can sign in elsewhere."""
    return bool(settings.oidc_issuer and settings.oidc_client_id)


def begin(settings: Settings, redirect_uri: str, next_path: str, now: datetime) -> tuple[str, Begun]:
    """Where to send the browser, and what it must bring back."""
    if not is_set(settings):
        raise NotFound("Nobody can sign in with a provider here: TRIVET_OIDC_ISSUER is not set.")
    told = about(settings)
    begun = Begun(new_token(), new_token(), new_token(), redirect_uri, next_path, now.timestamp())
    url = prepare_grant_uri(
        told.document["authorization_endpoint"], settings.oidc_client_id, "code", redirect_uri,
        " ".join(settings.oidc_scopes), begun.state, nonce=begun.nonce, code_challenge_method="S256",
        code_challenge=create_s256_code_challenge(begun.verifier),
    )  # fmt: skip
    return url, begun


def begun_of(settings: Settings, cookie: str, state: str, now: datetime) -> Begun:
    """What a browser brings back, where it is what it was given for this very sign-in."""
    if not is_set(settings):
        raise SignInRefused("begun_elsewhere", "No provider is set any more.")
    try:
        begun = Begun(**json.loads(unseal(settings.secret_key.get_secret_value(), PURPOSE, cookie.encode())))
    except (TrivetError, InvalidToken, ValueError, TypeError) as bad:
        raise SignInRefused("begun_elsewhere", "There is no sealed sign-in in the cookie.") from bad
    if not hmac.compare_digest(begun.state.encode(), state.encode(errors="replace")):
        raise SignInRefused("begun_elsewhere", "The state is not the one that was sent.")
    if not 0 <= now.timestamp() - begun.at <= BEGUN_FOR.total_seconds():
        raise SignInRefused("begun_elsewhere", "It was begun too long ago.")
    return begun


def check_said(code: str, error: str) -> None:
    """`SignInRefused` where the provider sent somebody back without a code."""
    if error or not code:
        raise SignInRefused("denied", f"The provider said {error[:100]!r}.")


def claims(settings: Settings, begun: Begun, code: str, now: datetime) -> Mapping[str, Any]:
    """What the provider says of whoever came back with this code, proven."""
    told = about(settings)
    token = _exchanged(settings, str(told.document["token_endpoint"]), begun, code)
    if not isinstance(token.get("id_token"), str):
        raise SignInRefused(
            "unproven", "There was no ID token in the answer; the scope openid must be among those asked."
        )
    access = token.get("access_token")
    expected = id_token.Expected(
        settings.oidc_issuer, settings.oidc_client_id, begun.nonce,
        tuple(map(str, told.document.get("id_token_signing_alg_values_supported") or ("RS256",))),
        access if isinstance(access, str) else None,
    )  # fmt: skip
    return _proven(settings, token["id_token"], told, expected, now)


def _exchanged(settings: Settings, endpoint: str, begun: Begun, code: str) -> dict[str, Any]:
    """The provider's answer to the code (RFC 6749, 4.1.3, with the verifier of RFC 7636)."""
    secret = settings.oidc_client_secret.get_secret_value()
    way = settings.oidc_client_auth if secret else "none"
    form = prepare_token_request("authorization_code", "", begun.redirect_uri, code=code, code_verifier=begun.verifier)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    client = ClientAuth(settings.oidc_client_id, secret, way)
    url, headers, body = client.prepare("POST", endpoint, headers, form)
    with _fetcher() as fetch:
        try:
            answer = fetch.post(url, headers=headers, content=body)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as bad:
            raise SignInRefused("away", f"The code could not be handed in: {type(bad).__name__}.") from bad
    if answer.status_code != 200 or not isinstance(told, dict):
        said = str(told.get("error"))[:100] if isinstance(told, dict) else "nothing"
        why = "away" if answer.status_code >= 500 else "unproven"
        raise SignInRefused(why, f"The code was answered with {answer.status_code}, {said}.")
    return told


def about(settings: Settings, *, anew: bool = False) -> Told:
    """What the provider says of itself, from its discovery document."""
    found = _told.get(settings.oidc_issuer)
    if found is not None and found.until > time.monotonic() and not anew:
        return found
    issuer = settings.oidc_issuer
    with _fetcher() as fetch:
        document = _json(fetch, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise SignInRefused(
                "away", f"The provider calls itself {str(document.get('issuer'))[:200]!r}, not {issuer!r}."
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _check_address(str(document.get(name, "")), name)
        try:
            keys = KeySet.import_key_set(_json(fetch, document["jwks_uri"]))  # type: ignore[arg-type]  # checked there
        except (JoseError, ValueError, TypeError, KeyError) as bad:
            raise SignInRefused("away", "The provider's keys cannot be read.") from bad
    now = time.monotonic()
    _told.clear()
    _told[issuer] = Told(document, keys, now + KEPT_S, now)
    return _told[issuer]


def _proven(
    settings: Settings, token: str, told: Told, expected: id_token.Expected, now: datetime
) -> Mapping[str, Any]:
    """The claims; where the provider signs with a key that it did not have a moment ago, its keys are asked for anew."""
    try:
        return id_token.claims_of(token, told.keys, expected, now)
    except (SignInRefused, ValueError) as bad:
        is_old = time.monotonic() - told.keys_at > KEYS_AGAIN_S
        if isinstance(bad, SignInRefused) and (bad.why != "unproven" or not is_old):
            raise
        if not is_old:
            raise SignInRefused(
                "unproven", "The ID token is signed with a key that the provider does not have."
            ) from bad
    try:
        return id_token.claims_of(token, about(settings, anew=True).keys, expected, now)
    except ValueError as bad:
        raise SignInRefused("unproven", "The ID token is signed with a key that the provider does not have.") from bad


def _check_address(url: str, name: str) -> None:
    """Over TLS, unless the provider is on this machine."""
    parts = urlsplit(url)
    if not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)):
        raise SignInRefused("away", f"The provider's {name} is not an https address.")


def _json(client: httpx.Client, url: str) -> dict[str, Any]:
    _check_address(url, "address")
    try:
        answer = client.get(url)
        body = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError) as bad:
        raise SignInRefused("away", f"{url[:200]} did not answer as it should: {type(bad).__name__}.") from bad
    if not isinstance(body, dict):
        raise SignInRefused("away", f"{url[:200]} answered {answer.status_code}, or no JSON object.")
    return body


def _fetcher() -> httpx.Client:
    return httpx.Client(transport=Bounded(), timeout=CALL_S)


class Bounded(httpx.BaseTransport):
    """Reads no more than `ANSWER_BYTES_MAX`, and no longer than `CALL_S`, however slowly somebody answers."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer, read; `httpx.HTTPError` where it is too long or too slow."""
        request.headers["accept-encoding"] = "identity"  # so that what is counted is what is kept
        deadline = time.monotonic() + CALL_S
        answer = self._inner.handle_request(request)
        try:
            body = bytearray()
            for chunk in answer.stream:  # type: ignore[union-attr]  # a synchronous transport's stream
                body += chunk
                if len(body) > ANSWER_BYTES_MAX or time.monotonic() > deadline:
                    raise httpx.ReadError("the answer is too long or comes too slowly", request=request)
        finally:
            answer.close()
        return httpx.Response(answer.status_code, headers=answer.headers, content=bytes(body), request=request)

    def close(self) -> None:
        """Let go of connections."""
        self._inner.close()
