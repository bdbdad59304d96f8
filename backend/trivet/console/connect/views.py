"""What the page of a connection shows."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Link
from trivet.console.connect.checks import Check
from trivet.console.connect.configs import Text, Wish
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be connected."""

    name: str
    says: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """What has come with a key since it was made. `live_url` is empty once all that is needed has."""

    sentence: str
    checks: tuple[Check, ...]
    since: datetime
    live_url: str
    request_url: str


@dataclass(frozen=True, slots=True)
class ConnectPage:
    """templates/connect/page.html. `what` is a key of `kinds.KINDS`, empty: none chosen. `key_id` 0: none made yet."""

    reader: Reader
    sentence: str
    what: str
    options: tuple[Option, ...]
    wish: Wish
    scenarios: tuple[str, ...]
    scopes: str
    texts: tuple[Text, ...]
    watch: Watch | None
    key_id: int
    keys: tuple[Link, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class WatchPage:
    """templates/connect/watch.html, the part that changes."""

    reader: Reader
    watch: Watch
