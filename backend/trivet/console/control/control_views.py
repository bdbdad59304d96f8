"""What the template of commands gets."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class BackendRow:
    """A backend: how it learns, when it was last seen, how many scenarios it holds as they should be, and which it does not."""

    name: str
    learns: str
    words: str
    seen_at: datetime | None
    current: int
    scenarios: int
    behind: str


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command and what became of it."""

    id: int
    what: str
    scope: str
    generation: int
    status: str
    mark: str
    held: str  # how long after it was given every backend in sight held it
    outcome: str
    by: str
    reason: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Track:
    """One command as it is drawn: hollow until it was observed, solid from then on. In the units of the drawing."""

    label: str
    says: str
    y: float
    hollow: float
    solid: float


@dataclass(frozen=True, slots=True)
class ControlPage:
    """templates/control/page.html."""

    reader: Reader
    sentence: str
    tracks: tuple[Track, ...]
    height: float
    backends: tuple[BackendRow, ...]
    commands: tuple[CommandRow, ...]
    scenarios: tuple[tuple[str, str], ...]  # name and address of the command's preview
