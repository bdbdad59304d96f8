"""What the templates of cards get."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.card.sentences import Paragraph
from trivet.console.triangle import Triangle
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class CardRow:
    """A scenario and its card: what governs, what waits, what is tried, what is owed. Numbers 0 where there is none."""

    name: str
    url: str
    criticality: str
    revision: int
    since: datetime | None
    gives_way: str
    shadow: str
    waiting: str
    trial: int
    share: float
    trial_words: str
    scheduled: datetime | None
    owed: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into a form that was refused, and why."""

    act: str = ""
    revision: int = 0
    reason: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CardsPage:
    """templates/cards/list.html."""

    reader: Reader
    sentence: str
    solo: str
    rows: tuple[CardRow, ...]
    more: int
    solo_on: bool
    typed: Typed


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a revision governed (solid) or was tried (hollow), as a bar."""

    x: Decimal
    width: Decimal
    y: int
    solid: bool
    label: str
    says: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Which revision governed when."""

    width: int
    height: int
    bars: tuple[Stretch, ...]
    start: str
    end: str
    says: str


@dataclass(frozen=True, slots=True)
class Act:
    """A button that changes something. `asks` names the fields of its form beside the reason."""

    name: str
    verb: str
    words: str
    asks: tuple[str, ...] = ()
    meant: bool = False


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision in words, and what its reader may do with it."""

    number: int
    state: str
    said: str
    author: str
    created_at: datetime
    approvals: str
    note: str
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a revision's life: `state` is one of pills, `note` says who or when."""

    words: str
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """An activation at an instant: what waits, and what came of it."""

    number: int
    at: datetime
    state: str
    said: str
    actor: str
    reason: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Used:
    """How much of the card's allowances the last day used, and the outline of a baseline over it ("" without one)."""

    triangle: Triangle
    outline: str
    words: tuple[str, ...]
    baseline: str
    baseline_url: str


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure of both arms, in words. `state` is one of pills."""

    name: str
    new: str
    old: str
    bounds: str
    state: str
    said: str


@dataclass(frozen=True, slots=True)
class TrialPart:
    """The newest trial: which share, what it said last, each decision, and the measures of the newest of them."""

    number: int
    against: int
    running: bool
    shares: tuple[str, ...]
    at: int
    said: str
    progress: str
    steps: tuple[tuple[datetime, str], ...]
    measures: tuple[MeasureRow, ...]


@dataclass(frozen=True, slots=True)
class CardPage:
    """templates/cards/one.html."""

    reader: Reader
    name: str
    url: str
    sentence: str
    strip: Strip | None
    parts: tuple[Paragraph, ...]
    trial: TrialPart | None
    acts: tuple[Act, ...]
    revisions: tuple[RevisionRow, ...]
    older: int
    before: tuple[Choice, ...]
    after: tuple[Choice, ...]
    changes: tuple[str, ...]
    differ: str
    gone: tuple[str, ...]
    come: tuple[str, ...]
    targets: tuple[Choice, ...]
    back: str
    life: tuple[Stage, ...]
    life_of: str
    schedules: tuple[ScheduleRow, ...]
    used: Used | None
    live_url: str
    typed: Typed
