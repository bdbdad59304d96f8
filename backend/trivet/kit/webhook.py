"""Messages over HTTP that prove who sent them and when: Standard Webhooks, the symmetric kind (`v1`). Pure.

Signed is `id.timestamp.body` with HMAC-SHA256; the three headers go with the body. The receiver verifies with the same
secret, refuses what is older than a few minutes, and does nothing twice for one id.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64  # of a secret, decoded, as the specification has it
TOLERANCE_S: Final = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SIGNATURES_MAX: Final = 16  # looked at in one header: a sender that changes its secret sends two


class BadSecret(ValueError):
    """It is no secret of the specification; the message says what one looks like."""


class Unverified(ValueError):
    """The message proves nothing; says why."""


def new_secret() -> str:
    """A fresh secret of 256 bits, `whsec_…`."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message with this body, sent `at`. The id stays the same when it is sent again."""
    stamp = str(int(at.timestamp()))
    signature = base64.b64encode(_digest(key_of(secret), message_id, stamp, body)).decode()
    return {ID: message_id, TIMESTAMP: stamp, SIGNATURE: f"v1,{signature}"}


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, now: datetime, tolerance_s: float = TOLERANCE_S
) -> str:
    """The id of a message that is genuine and of now; else `Unverified`. Names of headers in any case."""
    said = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = said.get(ID, ""), said.get(TIMESTAMP, "")
    if not message_id or not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise Unverified(f"`{ID}` or `{TIMESTAMP}` is missing or is none")
    if abs(int(stamp) - now.timestamp()) > tolerance_s:
        raise Unverified(f"`{TIMESTAMP}` is more than {tolerance_s:g} s away from now")
    wanted = _digest(key_of(secret), message_id, stamp, body)
    # Every one is compared: how long it takes says nothing of which would have matched.
    found = [hmac.compare_digest(wanted, given) for given in _signatures(said.get(SIGNATURE, ""))]
    if not any(found):
        raise Unverified(f"`{SIGNATURE}` has none that this secret makes of this body")
    return message_id


def key_of(secret: str) -> bytes:
    """The key that a secret stands for; `BadSecret` where it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise BadSecret(f"A secret is `{PREFIX}` and {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes in Base64.")
    return key


def _digest(key: bytes, message_id: str, stamp: str, body: bytes) -> bytes:
    return hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, "sha256")


def _signatures(header: str) -> list[bytes]:
    """The `v1` ones; what is of another version or cannot be read proves nothing."""
    found = []
    for said in header.split(" ")[:SIGNATURES_MAX]:
        version, _, text = said.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
