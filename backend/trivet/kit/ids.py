"""Ids and secrets made here."""

import hashlib
import secrets

KEY_PREFIX = "tvt_"


def new_key() -> str:
    """A fresh API key, `tvt_` and 256 bits; shown once, kept only as `secret_hash`."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def new_token() -> str:
    """256 bits for a cookie."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> bytes:
    """How a high-entropy secret is kept: SHA-256 (people's passwords go through argon2 instead)."""
    return hashlib.sha256(secret.encode()).digest()
