"""Whether an ID token is what it says: signed by the provider, for us, for this sign-in, and now. Pure.

OpenID Connect Core 1.0, 3.1.3.7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import KeySet

from trivet.identity.refusal import SignInRefused

LEEWAY: Final = timedelta(minutes=2)  # how far the provider's clock may be from ours
LIVES_MAX: Final = timedelta(days=1)
# Never `none`, and nothing that signs with a secret that we know too.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say. `algorithms`: those the provider signs with."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Sequence[str] = ("RS256",)
    access_token: str | None = None


def claims_of(token: str, keys: KeySet, expected: Expected, now: datetime) -> Mapping[str, Any]:
    """What a token says, once all of it is proven; `SignInRefused` otherwise. `ValueError` where its key is not there."""
    allowed = [each for each in expected.algorithms if each in ALGORITHMS] or ["RS256"]
    try:
        found = jwt.decode(token, keys, algorithms=allowed)
    except JoseError as bad:
        raise SignInRefused("unproven", f"The ID token's signature: {bad.error}.") from bad
    options: Any = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.client_id},
        "nonce": {"essential": True},
    }
    told: Any = {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token}
    claims = CodeIDToken(found.claims, found.header, options, told)
    at, leeway_s = int(now.timestamp()), int(LEEWAY.total_seconds())
    try:
        claims.validate(now=at, leeway=leeway_s)
    except ExpiredTokenError as bad:
        raise SignInRefused("clock", f"The ID token ended before {now:%H:%M:%S} UTC.") from bad
    except InvalidClaimError as bad:
        why = "clock" if bad.claim in {"iat", "nbf"} else "unproven"
        raise SignInRefused(why, f"The ID token's claim {bad.claim} does not fit.") from bad
    except JoseError as bad:
        raise SignInRefused("unproven", f"The ID token: {bad.error}.") from bad
    if not claims["iat"] - leeway_s <= at <= claims["iat"] + LIVES_MAX.total_seconds():
        raise SignInRefused("clock", "The ID token was made at another time than now.")
    return dict(claims)
