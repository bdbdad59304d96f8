"""Prints docs/settings.md, made from the settings themselves. `make settings` writes it, a house test compares."""

import sys
from pathlib import Path

from pydantic import SecretStr

from trivet.settings import Settings

_HEAD = """# Settings

Each is an environment variable, or the same name without `TRIVET_` and in small letters in `trivet.toml` in the working
directory; the environment wins. Lists are JSON in the environment. Made by `make settings` from `backend/trivet/settings.py`.

| variable | default | what it is |
|---|---|---|
"""


def default(value: object) -> str:
    """A default as a person would type it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ", ".join(str(item) for item in value)
    if isinstance(value, Path):
        value = value.as_posix()
    return f"`{value}`" if value not in ("", None) else "empty"


def main() -> None:
    rows = (
        f"| `TRIVET_{name.upper()}` | {default(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    sys.stdout.write(_HEAD + "".join(rows))


if __name__ == "__main__":
    main()
