"""One person of each role, and their sign-ins: made of the installation's own secret, so no two have the same."""

import base64
import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    email: str
    name: str
    role: str
    purpose: str  # what to sign in as this person for


ADMIN = Person("admin@demo.trivet", "Ada Admin", "admin", "to do all of it")
FINANCE = Person("finance@demo.trivet", "Fay Finance", "finance", "to read what it costs")
OPERATIONS = Person("sre@demo.trivet", "Sam Operations", "sre", "to steer: degrade, restore, roll back")
PRODUCT = Person("product@demo.trivet", "Pia Product", "product_owner", "to own the cards")
VIEWER = Person("viewer@demo.trivet", "Vic Viewer", "viewer", "to look")
PEOPLE = (ADMIN, FINANCE, OPERATIONS, PRODUCT, VIEWER)


def password(secret_key: str, person: Person) -> str:
    """Three groups of four, easy to type: 60 bits of the secret key and the address."""
    digest = hmac.digest(secret_key.encode(), f"trivet demo {person.email}".encode(), hashlib.sha256)
    letters = base64.b32encode(digest[:8]).decode().lower()
    return "-".join(letters[start : start + 4] for start in (0, 4, 8))


def sign_ins(secret_key: str) -> list[tuple[str, str, str]]:
    """(address, password, what for) of each, the one that steers first."""
    first = (OPERATIONS, FINANCE, PRODUCT, VIEWER, ADMIN)
    return [(person.email, password(secret_key, person), person.purpose) for person in first]
