"""Where the embedded stores of a running `trivet up` answer, for commands that are started beside it."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path


def _file(data_dir: Path) -> Path:
    return data_dir / "run" / "addresses.json"


def publish(data_dir: Path, addresses: Mapping[str, str]) -> None:
    """Write the sockets' URLs down; they hold no secret."""
    _file(data_dir).parent.mkdir(parents=True, exist_ok=True)
    _file(data_dir).write_text(json.dumps(dict(addresses), indent=2) + "\n")


def withdraw(data_dir: Path) -> None:
    _file(data_dir).unlink(missing_ok=True)


def running(data_dir: Path) -> dict[str, str]:
    """`database_url` and `broker_url` as far as they are embedded; empty where nothing runs."""
    with contextlib.suppress(OSError, ValueError):
        return {str(name): str(url) for name, url in json.loads(_file(data_dir).read_text()).items()}
    return {}


def use_running(data_dir: Path) -> None:
    """Let this process talk to the stores of the `trivet up` that runs on a data directory, where settings name none."""
    for name, url in running(data_dir).items():
        os.environ.setdefault(f"TRIVET_{name.upper()}", url)
