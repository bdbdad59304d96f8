"""Signed messages. The first example is the one that the libraries of Standard Webhooks test themselves with."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.kit import webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime(2021, 2, 25, 15, 2, 10, tzinfo=UTC)
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


class TestTheSpecificationsExample:
    def test_is_signed_as_it_says(self) -> None:
        assert webhook.sign(SECRET, HEADERS["webhook-id"], AT, BODY) == HEADERS

    def test_is_verified(self) -> None:
        assert webhook.verify(SECRET, HEADERS, BODY, AT) == "msg_p5jXN8AQM9LWM0D4loKWxJek"

    def test_the_prefix_of_the_secret_may_be_left_out(self) -> None:
        assert webhook.sign(SECRET.removeprefix("whsec_"), HEADERS["webhook-id"], AT, BODY) == HEADERS

    def test_names_of_headers_may_be_in_any_case(self) -> None:
        assert webhook.verify(SECRET, {name.title(): value for name, value in HEADERS.items()}, BODY, AT)


class TestAMessageProvesNothing:
    @pytest.mark.parametrize("missing", HEADERS)
    def test_without_each_of_its_headers(self, missing: str) -> None:
        with pytest.raises(webhook.Unverified, match=missing):
            webhook.verify(SECRET, {name: value for name, value in HEADERS.items() if name != missing}, BODY, AT)

    def test_with_another_body(self) -> None:
        with pytest.raises(webhook.Unverified, match="signature"):
            webhook.verify(SECRET, HEADERS, BODY + b" ", AT)

    def test_under_another_id(self) -> None:
        with pytest.raises(webhook.Unverified, match="signature"):
            webhook.verify(SECRET, HEADERS | {"webhook-id": "msg_2"}, BODY, AT)

    def test_with_another_secret(self) -> None:
        with pytest.raises(webhook.Unverified, match="signature"):
            webhook.verify(webhook.new_secret(), HEADERS, BODY, AT)

    @pytest.mark.parametrize("off_s", [-301, 301])
    def test_five_minutes_away_from_now(self, off_s: int) -> None:
        webhook.verify(SECRET, HEADERS, BODY, AT + timedelta(seconds=off_s // 301 * 300))
        with pytest.raises(webhook.Unverified, match="300 s"):
            webhook.verify(SECRET, HEADERS, BODY, AT + timedelta(seconds=off_s))

    @pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", "1614265330.0", "٣", "9" * 40])
    def test_with_a_time_that_is_none(self, stamp: str) -> None:
        with pytest.raises(webhook.Unverified):
            webhook.verify(SECRET, HEADERS | {"webhook-timestamp": stamp}, BODY, AT)

    @given(st.text(max_size=60))
    def test_whatever_else_its_signature_says(self, said: str) -> None:
        if HEADERS["webhook-signature"] in said.split(" "):
            return
        with pytest.raises(webhook.Unverified):
            webhook.verify(SECRET, HEADERS | {"webhook-signature": said}, BODY, AT)


class TestSeveralSignatures:
    def test_one_that_matches_is_enough(self) -> None:
        """A sender that changes its secret signs with both for a while."""
        other = webhook.sign(webhook.new_secret(), HEADERS["webhook-id"], AT, BODY)["webhook-signature"]
        both = f"v1a,xyz {other} {HEADERS['webhook-signature']}"
        assert webhook.verify(SECRET, HEADERS | {"webhook-signature": both}, BODY, AT)

    def test_the_same_under_another_version_is_none(self) -> None:
        other = HEADERS["webhook-signature"].replace("v1,", "v2,")
        with pytest.raises(webhook.Unverified):
            webhook.verify(SECRET, HEADERS | {"webhook-signature": other}, BODY, AT)


class TestASecret:
    def test_a_new_one_has_256_bits_and_is_another_each_time(self) -> None:
        first, second = webhook.new_secret(), webhook.new_secret()
        assert first.startswith("whsec_")
        assert len(webhook.key_of(first)) == 32
        assert first != second

    @pytest.mark.parametrize("length", [23, 65])
    def test_is_24_to_64_bytes_long(self, length: int) -> None:
        assert webhook.key_of("whsec_" + base64.b64encode(bytes(24)).decode())
        assert webhook.key_of("whsec_" + base64.b64encode(bytes(64)).decode())
        with pytest.raises(webhook.BadSecret, match="24 to 64"):
            webhook.key_of("whsec_" + base64.b64encode(bytes(length)).decode())

    @pytest.mark.parametrize("text", ["", "whsec_", "whsec_not base64 at all, is it", "whsec_ä"])
    def test_is_base64(self, text: str) -> None:
        with pytest.raises(webhook.BadSecret):
            webhook.key_of(text)
