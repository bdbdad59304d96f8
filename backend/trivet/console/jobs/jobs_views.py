"""What the templates of jobs get."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that a job made: its size in words, and until when it is kept."""

    name: str
    size: str
    url: str
    until: datetime


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job. `width` of its bar, out of 100, is None where nobody knows how much there is; `far` says it in words.

    `came` is what came of it or why nothing did. `url`: where to look at what it made, "" for nowhere.
    """

    id: int
    title: str
    kind: str
    state: str
    width: float | None
    far: str
    came: str
    by: str
    tenant: str
    created_at: datetime
    ended_at: datetime | None
    took: str
    url: str
    file: JobFile | None
    may_stop: bool
    stopping: bool


@dataclass(frozen=True, slots=True)
class JobsPage:
    """templates/jobs/list.html. `chips` are the filters that are set, `states` those one may choose."""

    reader: Reader
    sentence: str
    address: Address
    states: tuple[Link, ...]
    chips: tuple[Link, ...]
    jobs: tuple[JobRow, ...]
    next_url: str
    live_url: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """templates/jobs/one.html. `asked` are its parameters by name."""

    reader: Reader
    sentence: str
    job: JobRow
    asked: tuple[tuple[str, str], ...]
    live_url: str
