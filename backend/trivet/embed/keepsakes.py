"""What the first start makes up and every later one finds: the secret key and the first admin's sign-in."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_ADMIN_EMAIL = "admin@trivet.local"
_GIVEN = "(the one TRIVET_ADMIN_PASSWORD gave on the first start)"


@dataclass(frozen=True)
class Admin:
    """Sign-in of the first admin; `password` is None where it was given by a setting and is kept nowhere."""

    email: str
    password: str | None


def secret_key(data_dir: Path, given: str) -> str:
    """`given`, else the key kept in the data directory, made on the first start (32 random bytes)."""
    return given or _keep(data_dir / "secret.key", secrets.token_urlsafe(32))


def admin(data_dir: Path, email: str, password: str) -> Admin:
    """The sign-in kept in `admin.txt`, which only its owner may read; the settings count on the first start."""
    content = f"email: {email or _ADMIN_EMAIL}\npassword: {_GIVEN if password else _made_up()}"
    kept = dict(line.split(": ", 1) for line in _keep(data_dir / "admin.txt", content).splitlines())
    return Admin(kept["email"], None if kept["password"] == _GIVEN else kept["password"])


def _made_up() -> str:
    """Four groups of four letters and digits, easy to type: 80 random bits, without 0, 1, o and l."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def _keep(path: Path, content: str) -> str:
    """The content of `path`, written with `content` where it is not there yet. Whole or not at all."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{content}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    return path.read_text().strip()
