"""An ID token counts only with everything proven: who signed it, for whom, for which sign-in, and when."""

from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from trivet.identity.id_token import Expected, claims_of
from trivet.identity.refusal import SignInRefused

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
KEY = ECKey.generate_key("P-256", {"kid": "ours", "use": "sig", "alg": "ES256"})
STRANGER = ECKey.generate_key("P-256", {"kid": "ours"})
KEYS = KeySet([KEY])
EXPECTED = Expected("https://id.example", "trivet", "nonce-1", ("ES256", "HS256", "none"))
GOOD: dict[str, Any] = {
    "iss": "https://id.example", "sub": "ada", "aud": "trivet", "exp": AT + 300, "iat": AT, "nonce": "nonce-1",
}  # fmt: skip


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "ES256") -> str:
    return jwt.encode({"alg": algorithm, "kid": "ours"}, claims, key, algorithms=[algorithm])


class TestATokenThatFits:
    def test_says_who_came(self) -> None:
        assert claims_of(signed(GOOD), KEYS, EXPECTED, NOW)["sub"] == "ada"

    @pytest.mark.parametrize("claims", [{"iat": AT + 100, "exp": AT + 400}, {"exp": AT - 100}, {"nbf": AT + 100}])
    def test_may_be_off_by_what_clocks_are_off(self, claims: dict[str, Any]) -> None:
        assert claims_of(signed(GOOD | claims), KEYS, EXPECTED, NOW)

    def test_may_be_for_several_where_we_are_the_one_it_was_given_to(self) -> None:
        assert claims_of(signed(GOOD | {"aud": ["trivet", "other"], "azp": "trivet"}), KEYS, EXPECTED, NOW)


class TestATokenThatDoesNotFit:
    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"iss": "https://evil.example"}, "unproven"),
            ({"iss": "https://id.example/"}, "unproven"),
            ({"aud": "other"}, "unproven"),
            ({"aud": ["trivet", "other"]}, "unproven"),
            ({"aud": ["trivet", "other"], "azp": "other"}, "unproven"),
            ({"nonce": "nonce-2"}, "unproven"),
            ({"nonce": None}, "unproven"),
            ({"sub": None}, "unproven"),
            ({"exp": None}, "unproven"),
            ({"at_hash": "not-this-one"}, "unproven"),
            ({"exp": AT - 180}, "clock"),
            ({"iat": AT + 180, "exp": AT + 400}, "clock"),
            ({"nbf": AT + 180}, "clock"),
            ({"iat": AT - 90_000}, "clock"),
        ],
    )
    def test_lets_nobody_in_and_says_why(self, claims: dict[str, Any], why: str) -> None:
        told = {name: value for name, value in (GOOD | claims).items() if value is not None}
        expected = Expected(
            **{**{each: getattr(EXPECTED, each) for each in EXPECTED.__slots__}, "access_token": "access"}
        )
        with pytest.raises(SignInRefused) as refused:
            claims_of(signed(told), KEYS, expected, NOW)
        assert refused.value.why == why

    def test_is_signed_by_another_key_of_the_same_name(self) -> None:
        with pytest.raises(SignInRefused) as refused:
            claims_of(signed(GOOD, STRANGER), KEYS, EXPECTED, NOW)
        assert refused.value.why == "unproven"

    def test_is_signed_with_a_secret_that_the_client_knows_too(self) -> None:
        secret = OctKey.import_key("the-secret-of-this-client-is-long-enough")
        with pytest.raises(SignInRefused):
            claims_of(signed(GOOD, secret, "HS256"), KEYS, EXPECTED, NOW)

    @pytest.mark.parametrize("token", ["", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", "☃.☃.☃"])
    def test_is_no_token(self, token: str) -> None:
        with pytest.raises(SignInRefused):
            claims_of(token, KEYS, EXPECTED, NOW)
