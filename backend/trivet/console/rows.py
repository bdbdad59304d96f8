"""The rows of the overview, each a frozen dataclass. Numbers stay numbers; templates format them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from trivet.console.tongue import N_
from trivet.console.triangle import Triangle
from trivet.kit.money import EXACT

WINDOW_WORDS: Final = {"day": N_("today"), "week": N_("this week"), "month": N_("this month")}
SCOPE_WORDS: Final = {
    "scenario": N_("scenario"), "cost_centre": N_("cost centre"), "tenant": N_("tenant"), "global": N_("everything"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guard's newest word: `state` ok, breach, stall or no_data; `since` it has said so."""

    guard: str
    state: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a scenario's table, already in words; `value` is the number itself. `leg` gives the hue.

    `proven`: it rests on enough that was measured under what governs. `over`: past the card's target, whatever guards say.
    """

    key: str
    label: str
    leg: str
    value: str
    now: str
    target: str
    verdict: Verdict | None
    proven: bool = True
    over: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """`proven` by telemetry, `wanted` by the desired state; they differ while a command is on its way."""

    proven: int
    wanted: int
    since: datetime | None
    held_by: str | None = None
    probe: str | None = None  # who is at the level below by way of trial: `5 % of conversations back at level 1`

    @property
    def settled(self) -> bool:
        """Intent and fact agree."""
        return self.proven == self.wanted


@dataclass(frozen=True, slots=True)
class Policy:
    """The revision and the generation that are wanted, and those that every backend in sight has proven; None: none yet."""

    revision: int | None
    generation: int
    proven_revision: int | None = None
    proven_generation: int | None = None
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in words. `kind` picks its mark: breach, clear, afresh, or how far a command has come;
    `level` is the one it leads to, None where it leads to none.
    """

    at: datetime
    kind: str
    scenario: str
    words: str
    level: int | None = None


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """What is spent of a budget, in its window of now. `window` is day, week or month; `scope` says whose."""

    name: str
    scope: str
    whose: str
    spent: Decimal
    limit: Decimal
    currency: str
    window: str
    url: str

    @property
    def share(self) -> float:
        """Of the limit; 1 is all of it."""
        return float(self.spent / self.limit) if self.limit else (1.0 if self.spent else 0.0)

    @property
    def over(self) -> bool:
        """More than the limit is spent."""
        return self.spent > self.limit


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Brief:
    """One scenario in one line. `burning` names the guards that are broken, `today` is what the UTC day has cost.

    `open_url` opens it out in full; `id` is the scenario's.
    """

    id: int
    name: str
    title: str
    criticality: str
    level: Level
    glyph: Triangle
    burning: tuple[str, ...]
    requests_per_s: float | None
    today: tuple[Money, ...]
    budget: BudgetShare | None
    changed: Event | None
    troubled: bool
    open_url: str


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """One scenario of the overview, in full. `close_url` folds one that was asked for; "" for one that stands open by itself."""

    name: str
    title: str
    criticality: str
    level: Level
    top_level: int
    policy: Policy
    triangle: Triangle
    glyph: Triangle
    measures: tuple[Measure, ...]
    from_before: bool  # the numbers are of what governed before the last change: nothing came since
    requests_per_s: float | None
    series_url: str
    can_roll_back_to: int | None
    brief: Brief
    close_url: str


@dataclass(frozen=True, slots=True)
class SpendRow:
    """One payer: `posted` is in the ledger, `provisional` is not yet. `kind` is payer, idle or unattributed."""

    name: str
    kind: str
    posted: Decimal
    provisional: Decimal
    note: str = ""

    @property
    def total(self) -> Decimal:
        """Posted and provisional together."""
        return EXACT.add(self.posted, self.provisional)


@dataclass(frozen=True, slots=True)
class Spend:
    """A table of today's spend in one currency. `places` holds for the whole column, `scale` is the longest bar."""

    key: str
    caption: str
    currency: str
    rows: tuple[SpendRow, ...]
    total: Decimal
    provisional: Decimal
    places: int
    scale: Decimal


@dataclass(frozen=True, slots=True)
class Holding:
    """What one backend holds of one scenario against what is wanted. `state` is missing, observed or effective."""

    scenario: str
    held: int | None
    desired: int
    state: str
    level: int | None


@dataclass(frozen=True, slots=True)
class BackendRow:
    """One serving backend; `present` when it has polled lately."""

    name: str
    present: bool
    polled_at: datetime | None
    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class EngineRow:
    """What one backend says of itself, in words; "" where it says nothing. `full`: as many run as it takes at once."""

    name: str
    running: str
    waiting: str
    kv: str
    prefix: str
    cold_starts: str
    events: str
    full: bool


@dataclass(frozen=True, slots=True)
class CacheRow:
    """Looks into one kind of cache, and the commonest reasons of misses."""

    kind: str
    lookups: int
    hit_rate: float | None
    reasons: str


@dataclass(frozen=True, slots=True)
class GpuRow:
    """One card, or one instance of a divided card (`part_of`), in words. `silent`: it has not been heard of lately."""

    id: str
    short: str
    name: str
    pool: str
    part_of: str
    utilization: str
    memory: str
    power: str
    held_by: str
    health: str
    seen_at: datetime | None
    silent: bool


@dataclass(frozen=True, slots=True)
class Gpus:
    """The cards that the page has room for, and how many it has not."""

    rows: tuple[GpuRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Overflow:
    """A key that named more than it may: `kind` in words and many, `items` counted under `overflow` since yesterday."""

    key: str
    kind: str
    items: int
    limit: int
    setting: str


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One line of the command log. `automatic` when the ladder gave it; `outcome` says what came of it."""

    id: int
    at: datetime
    what: str
    scenario: str
    tenant: str | None
    generation: int
    actor: str
    automatic: bool
    reason: str
    status: str
    status_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class BreachRow:
    """One line of the breaches. `worst` and `threshold` in the measure's unit; `end` says how it ended, `command` what it caused."""

    id: int
    scenario: str
    guard: str
    reason: str
    worst: str
    threshold: str
    opened_at: datetime
    ended_at: datetime | None
    end: str
    command: str | None
