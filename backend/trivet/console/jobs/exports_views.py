"""What the template of exports gets."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address
from trivet.console.jobs.jobs_views import JobRow
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class ExportForm:
    """The form of one file, as it was filled in. `problem` is why it was refused, "" for not."""

    files: tuple[Choice, ...]
    since: str
    until: str
    groups: tuple[Choice, ...]
    grains: tuple[Choice, ...]
    cost_centre: str
    centres: tuple[str, ...]
    versions: tuple[Choice, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A file that goes out by itself. `last` is what came of the newest time; `failed`: nothing good."""

    id: int
    name: str
    what: str
    rhythm: str
    to: str
    by: str
    next_at: datetime | None
    last_at: datetime | None
    last: str
    failed: bool


@dataclass(frozen=True, slots=True)
class ScheduleForm:
    """The form of a schedule, as it was filled in."""

    name: str
    files: tuple[Choice, ...]
    groups: tuple[Choice, ...]
    rhythms: tuple[Choice, ...]
    at: str
    zone: str
    to: str
    cost_centre: str
    problem: str


@dataclass(frozen=True, slots=True)
class ExportsPage:
    """templates/exports/page.html. `schedules` None: the reader is of one tenant; `schedule_form` None: they may make none.

    `unheard` says why no mail goes out, "" where it does.
    """

    reader: Reader
    sentence: str
    address: Address
    form: ExportForm
    files: tuple[JobRow, ...]
    next_url: str
    schedules: tuple[ScheduleRow, ...] | None
    schedules_left_out: int
    schedule_form: ScheduleForm | None
    unheard: str
    live_url: str
