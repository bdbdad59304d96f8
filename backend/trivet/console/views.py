"""What each template gets, and nothing else: one frozen dataclass a page. Numbers stay numbers; templates format them."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

from trivet.console import places
from trivet.console.tongue import N_
from trivet.console.triangle import Triangle
from trivet.kit.money import EXACT

LEVEL_WORDS = (N_("normal"), N_("light"), N_("medium"), N_("heavy"))
STATE_WORDS = (
    N_("ok"), N_("breach"), N_("stall"), N_("no data"),
    N_("pending"), N_("observed"), N_("effective"), N_("superseded"), N_("expired"), N_("missing"),
)  # fmt: skip
COMMANDERS = frozenset({"admin", "sre", "product_owner"})
BOOKKEEPERS = frozenset({"admin", "finance"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, and from where: `zone` is the browser's."""

    name: str
    email: str
    role: str
    csrf_token: str
    zone: tzinfo
    now: datetime
    address: str  # of this server as the browser asked for it: `http://127.0.0.1:8000`
    tenant_id: int | None = None  # somebody of one tenant sees that tenant's rows alone
    tenant: str = ""

    @property
    def sections(self) -> tuple[places.Section, ...]:
        """The rail, as this person sees it."""
        return places.shown(self.role, scoped=self.tenant_id is not None)

    @property
    def may_command(self) -> bool:
        """Whether this role may change what backends serve."""
        return self.role in COMMANDERS

    @property
    def may_administer(self) -> bool:
        """Whether this role may change what holds for everybody."""
        return self.role == "admin"

    @property
    def may_book(self) -> bool:
        """Whether this role may enter prices, budgets and bills, and close periods."""
        return self.role in BOOKKEEPERS


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
class ScenarioRow:
    """One scenario of the overview."""

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


@dataclass(frozen=True, slots=True)
class Range:
    """One choice of how far back charts and numbers look."""

    key: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """templates/overview/page.html and its live part."""

    reader: Reader
    sentence: str
    ranges: tuple[Range, ...]
    events: tuple[Event, ...]
    scenarios: tuple[ScenarioRow, ...]
    spends: tuple[Spend, ...]
    unpriced_requests: int
    unpriced_models: tuple[str, ...]
    backends: tuple[BackendRow, ...]
    engines: tuple[EngineRow, ...]
    gpus: Gpus
    caches: tuple[CacheRow, ...]
    overflows: tuple[Overflow, ...]
    breaches: tuple[BreachRow, ...]
    commands: tuple[CommandRow, ...]
    demo: bool
    scenarios_left_out: int
    live_url: str


@dataclass(frozen=True, slots=True)
class InteractionRow:
    """One conversation or trace with its totals. `failed` counts errors, timeouts and refusals; `cost` is in words."""

    id: str
    url: str
    tenants: str
    models: str
    requests: str
    failed: int
    tokens: int
    cost: str
    lasted: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request of an interaction. `repeats`: another span tells the same call, and that one counts."""

    id: str
    at: datetime
    model: str
    outcome: str
    tokens: int
    latency: str
    level: int
    cost: str
    repeats: bool


@dataclass(frozen=True, slots=True)
class InteractionsPage:
    """templates/interactions/list.html. `kinds` are the two ways to see them."""

    reader: Reader
    sentence: str
    kinds: tuple[Range, ...]
    scenario: str
    rows: tuple[InteractionRow, ...]
    older_url: str | None


@dataclass(frozen=True, slots=True)
class InteractionPage:
    """templates/interactions/one.html."""

    reader: Reader
    kind: str
    id: str
    sentence: str
    rows: tuple[RequestRow, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a form."""

    value: str
    words: str
    detail: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class SignInPage:
    """templates/sign_in/page.html. `problem` says why the last try did not work."""

    email: str
    problem: str | None
    next_path: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """templates/base/error.html: what happened, what is still true, what to do."""

    status: int
    happened: str
    still_true: str
    to_do: str
