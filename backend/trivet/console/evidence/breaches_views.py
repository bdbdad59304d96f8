"""What the template of breaches gets."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.control.control_views import Kept
from trivet.console.control.filters import Field
from trivet.console.control.lanes import Lanes
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class CarriedBy:
    """Who carries most of a breach, in words; `known` False: the page asks for it by itself."""

    known: bool
    name: str = ""
    words: str = ""
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class BreachRow:
    """One breach of the list, in words. `times` are `acted after 2.0 s` and so on."""

    id: int
    scenario: str
    guard: str
    severity: str
    worst: str
    exact: str
    threshold: str
    opened_at: datetime
    closed_at: datetime | None
    end: str
    reason: str
    command: str
    command_id: int | None
    command_status: str
    times: tuple[str, ...]
    outcome: str
    carried: CarriedBy


@dataclass(frozen=True, slots=True)
class BreachesPage:
    """templates/evidence/breaches.html."""

    reader: Reader
    address: Address
    sentence: str
    live_url: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    picture: Lanes
    rows: tuple[BreachRow, ...]
    next_url: str
