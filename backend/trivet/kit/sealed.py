"""Secrets that must be read again, kept so that the database alone does not tell them. Pure.

Fernet under a key derived from `TRIVET_SECRET_KEY`, one for each purpose: what was sealed for channels opens nothing else.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trivet.kit.errors import Broken, Invalid


def seal(secret_key: str, purpose: str, text: str) -> bytes:
    """The text, sealed; `Invalid` where there is no key to seal it with."""
    return _fernet(secret_key, purpose).encrypt(text.encode())


def unseal(secret_key: str, purpose: str, sealed: bytes) -> str:
    """The text again; `Broken` where it was sealed with another key, for another purpose, or changed."""
    try:
        return _fernet(secret_key, purpose).decrypt(sealed).decode()
    except InvalidToken as bad:
        raise Broken(
            "What is kept here was sealed with another TRIVET_SECRET_KEY. Set that one again, or enter the secret anew."
        ) from bad


def _fernet(secret_key: str, purpose: str) -> Fernet:
    if not secret_key:
        raise Invalid("A secret can only be kept where TRIVET_SECRET_KEY is set; `trivet up` sets it by itself.")
    derived = HKDF(SHA256(), length=32, salt=None, info=f"trivet {purpose}".encode()).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
