"""What the template of drills gets."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.control.control_views import Kept
from trivet.console.control.filters import Field
from trivet.console.control.lanes import Lanes
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step: `mark` its pill's shape, `state` its word; `after` how long after the drill began it was proven."""

    what: str
    mark: str
    state: str
    reason: str
    after: str
    command_id: int | None


@dataclass(frozen=True, slots=True)
class DrillRow:
    """A drill: `state` is how it stands, `mark` its pill's shape, `words` what came of it."""

    id: int
    scenario: str
    backend: str
    levels: str
    state: str
    mark: str
    actor: str
    reason: str
    words: str
    started_at: datetime
    lasted: str
    may_abort: bool
    steps: tuple[StepRow, ...]


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A drill that comes back."""

    id: int
    scenario: str
    backend: str
    every: str
    next_at: datetime
    reason: str
    by: str
    said: str


@dataclass(frozen=True, slots=True)
class DrillForm:
    """What was filled in. `errors` by field; `plan` says what would be done to whom."""

    scenario: str
    reason: str
    backend: str
    every_days: str
    at: str
    plan: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class DrillsPage:
    """templates/evidence/drills.html. `form` None: the reader may not drill."""

    reader: Reader
    address: Address
    sentence: str
    live_url: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    picture: Lanes
    drills: tuple[DrillRow, ...]
    next_url: str
    schedules: tuple[ScheduleRow, ...]
    scenarios: tuple[str, ...]
    form: DrillForm | None
