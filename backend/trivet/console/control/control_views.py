"""What the templates of commands, backends and ladders get."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.control.filters import Field
from trivet.console.control.lanes import Lanes
from trivet.console.views import Reader

Kept = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command and what became of it. `scope` are names, `held` how long until every backend in sight held it."""

    id: int
    what: str
    scope: tuple[str, ...]
    generation: int
    status: str
    held: str
    outcome: str
    by: str
    reason: str
    created_at: datetime
    expires_at: datetime | None
    breach_id: int | None


@dataclass(frozen=True, slots=True)
class Track:
    """One command as it is drawn: hollow until it was observed, solid from then on. In the units of the drawing."""

    id: int
    label: str
    says: str
    hollow: float
    solid: float


@dataclass(frozen=True, slots=True)
class CommandsPage:
    """templates/control/commands.html. `scenarios` are names and addresses of their previews."""

    reader: Reader
    address: Address
    sentence: str
    live_url: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    tracks: tuple[Track, ...]
    commands: tuple[CommandRow, ...]
    next_url: str
    scenarios: tuple[tuple[str, str], ...]
    left_out: int  # scenarios beyond those offered


@dataclass(frozen=True, slots=True)
class HeldRow:
    """What one backend holds of a command's scenario."""

    backend: str
    generation: int
    observed_at: datetime | None
    effective_at: datetime | None


@dataclass(frozen=True, slots=True)
class CommandPage:
    """templates/control/command.html. `changed` is what it changed, as the audit kept it; `after` what came next."""

    reader: Reader
    row: CommandRow
    sentence: str
    live_url: str
    moments: tuple[tuple[str, datetime | None], ...]
    changed: tuple[tuple[str, str, str], ...]
    backends: tuple[HeldRow, ...]
    missing: int
    after: tuple[CommandRow, ...]


@dataclass(frozen=True, slots=True)
class ScenarioHeld:
    """One scenario on one backend: the generation and level it holds, and the generation it should."""

    scenario: str
    held: int
    wanted: int
    level: int
    current: bool


@dataclass(frozen=True, slots=True)
class BackendRow:
    """A backend: how it learns, when it was last seen, what it holds and what its engines say is running and waiting."""

    name: str
    learns: str
    words: str
    mark: str
    seen_at: datetime | None
    current: int
    scenarios: int
    behind: tuple[ScenarioHeld, ...]
    behind_more: int
    level: int | None
    running: float | None
    waiting: float | None
    kv: float | None


@dataclass(frozen=True, slots=True)
class BackendsPage:
    """templates/control/backends.html."""

    reader: Reader
    address: Address
    sentence: str
    live_url: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    picture: Lanes
    backends: tuple[BackendRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One move of a ladder, or one share of a probe, and why."""

    id: int
    scenario: str
    at: datetime
    what: str
    level: int
    by: str
    reason: str
    breach_id: int | None


@dataclass(frozen=True, slots=True)
class AtLevel:
    """How long a scenario was at each level of the range."""

    scenario: str
    level: int
    since: datetime | None
    reason: str
    stays: tuple[str, ...]  # `41 min at level 2`
    moves: int


@dataclass(frozen=True, slots=True)
class LadderPage:
    """templates/control/ladder.html."""

    reader: Reader
    address: Address
    sentence: str
    live_url: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    picture: Lanes
    standing: tuple[AtLevel, ...]
    left_out: int
    moves: tuple[MoveRow, ...]
    next_url: str
