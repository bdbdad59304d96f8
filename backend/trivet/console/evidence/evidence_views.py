"""What the templates of evidence get."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address
from trivet.console.evidence.breach_picture import Picture
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """One group that carries or relieves, in words. `share` is of the excess; `url` opens the form that breaks it alone."""

    name: str
    n: str
    traffic: str
    bad: str
    excess: str
    share: str
    width: float
    claimed: bool
    url: str


@dataclass(frozen=True, slots=True)
class CarrierTable:
    """One dimension, those that carry first; `relieve` in a sentence, empty where nobody does."""

    title: str
    rows: tuple[CarrierRow, ...]
    relieve: str
    left_out: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number that the guard saw, with its name."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant of a breach and how long after the one before; `at` None: not yet, or not known."""

    name: str
    at: datetime | None
    after: str


@dataclass(frozen=True, slots=True)
class CausedRow:
    """A command that the breach caused, with its status as it stands."""

    id: int
    what: str
    who: str
    status: str
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert of the breach. `ended_at` None: it still fires."""

    id: int
    severity: str
    drill: bool
    started_at: datetime
    ended_at: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class BreakForm:
    """One tenant before it is broken off: what would change, why, until when. `refused` says why there is no form.

    `name` is the tenant as it is shown.
    """

    tenant: str
    name: str
    preview: str
    reason: str
    limits: tuple[Choice, ...]
    errors: dict[str, str]
    refused: str


@dataclass(frozen=True, slots=True)
class BreachPage:
    """templates/evidence/breach.html."""

    reader: Reader
    id: int
    title: str
    sentence: str
    why: str
    shadow: bool
    open: bool
    picture: Picture | None
    numbers: tuple[Number, ...]
    moments: tuple[Moment, ...]
    money: str
    quality: str
    carried: str
    tables: tuple[CarrierTable, ...]
    commands: tuple[CausedRow, ...]
    alerts: tuple[AlertRow, ...]
    runbook: str
    form: BreakForm | None


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of the checklist of a scenario: whether it holds, why, and what to do where it does not; the call, if one does."""

    label: str
    holds: bool
    reason: str
    to_do: str
    ask_path: str
    ask_body: str


@dataclass(frozen=True, slots=True)
class ReadyRow:
    """One scenario against the checklist."""

    scenario: str
    title: str
    ready: bool
    lines: tuple[LineRow, ...]


@dataclass(frozen=True, slots=True)
class ReadinessPage:
    """templates/evidence/readiness.html. `labels` are the columns, `left_out` scenarios beyond those shown."""

    reader: Reader
    address: Address
    sentence: str
    labels: tuple[str, ...]
    rows: tuple[ReadyRow, ...]
    left_out: int
