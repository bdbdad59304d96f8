"""What the templates of a card's form get."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field: its name in the form, what is in it, and what is wrong with it."""

    name: str
    label: str
    kind: str
    value: str
    unit: str
    choices: tuple[Choice, ...]
    problem: str
    wide: bool

    @property
    def id(self) -> str:
        return "f-" + self.name.replace(".", "-")


@dataclass(frozen=True, slots=True)
class SectionView:
    """Fields under one heading. `sentences` are what they say together, `problem` what is wrong with all of them."""

    key: str
    title: str
    fields: tuple[FieldView, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineView:
    """A stop-loss line."""

    number: int
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class GuardView:
    """One guard: its fields, those that are seldom meant, and its rule in a sentence ("" while it makes none)."""

    number: int
    title: str
    fields: tuple[FieldView, ...]
    seldom: tuple[FieldView, ...]
    seldom_open: bool
    sentence: str
    problem: str


@dataclass(frozen=True, slots=True)
class ActionView:
    """What a level does: the flag's field, and the share of conversations that it is done to (none for level 0)."""

    flag: str
    field: FieldView
    share: FieldView | None


@dataclass(frozen=True, slots=True)
class ActionsView:
    """The actions of a level, or of level 0, and those that could be added. `where` is "" for level 0."""

    where: str
    actions: tuple[ActionView, ...]
    offered: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class LevelView:
    """One level of the ladder."""

    number: int
    level: int
    title: str
    fields: tuple[FieldView, ...]
    actions: ActionsView
    audiences: tuple[LineView, ...]
    sentence: str
    problem: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time at a level, as a bar."""

    x: Decimal
    width: Decimal
    level: int
    says: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A day's beginning on the picture."""

    x: Decimal
    label: str


@dataclass(frozen=True, slots=True)
class GuardRunRow:
    """What one guard would have said."""

    name: str
    metric: str
    times: int
    lasted: str
    longest: str
    last: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the card would have done with the past. `wanted` are its levels, hollow; `held` what really was, solid."""

    sentence: str
    caution: str
    wanted: tuple[Bar, ...]
    held: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    says: str
    levels: tuple[tuple[int, str], ...]
    rows: tuple[GuardRunRow, ...]
    moves: tuple[tuple[datetime, str], ...]
    more_moves: int


@dataclass(frozen=True, slots=True)
class EditorPage:
    """templates/cards/editor.html."""

    reader: Reader
    name: str
    url: str
    sentence: str
    begins: tuple[Choice, ...]
    standing: str
    carried: str
    unshown: tuple[str, ...]
    sections: tuple[SectionView, ...]
    lines: tuple[LineView, ...]
    guards: tuple[GuardView, ...]
    base: ActionsView
    levels: tuple[LevelView, ...]
    elsewhere: tuple[str, ...]
    ok: bool
    problem: str
    changes: tuple[str, ...]
    simulation: Simulation | None
