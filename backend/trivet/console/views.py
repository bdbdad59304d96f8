"""What each template gets, and nothing else: one frozen dataclass a page. Numbers stay numbers; templates format them."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from trivet.console import places
from trivet.console.address import Address, Link
from trivet.console.rows import (
    BackendRow,
    BreachRow,
    Brief,
    BudgetShare,
    CacheRow,
    CommandRow,
    EngineRow,
    Event,
    GpuRow,
    Gpus,
    Holding,
    Level,
    Measure,
    Money,
    Overflow,
    Policy,
    ScenarioRow,
    Spend,
    SpendRow,
    Verdict,
)
from trivet.console.tongue import N_

__all__ = [
    "BOOKKEEPERS",
    "COMMANDERS",
    "LEVEL_WORDS",
    "STATE_WORDS",
    "BackendRow",
    "BreachRow",
    "Brief",
    "BudgetShare",
    "CacheRow",
    "Choice",
    "CommandRow",
    "EngineRow",
    "ErrorPage",
    "Event",
    "GpuRow",
    "Gpus",
    "Holding",
    "Level",
    "Measure",
    "Money",
    "Overflow",
    "OverviewPage",
    "OwnPage",
    "OwnRow",
    "Policy",
    "Range",
    "Reader",
    "ScenarioRow",
    "Spend",
    "SpendRow",
    "Verdict",
]

LEVEL_WORDS = (N_("normal"), N_("light"), N_("medium"), N_("heavy"))
STATE_WORDS = (  # of pills and verdicts, for the catalogues
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
class Range:
    """One choice of how far back charts and numbers look."""

    key: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """templates/overview/page.html and its live part. `scenarios` stand open, `briefs` in one line each.

    `found` of `every` are what the filters leave; `filters` take each away again.
    """

    reader: Reader
    address: Address
    sentence: str
    asked: str
    criticality: str
    trouble: bool
    filters: tuple[Link, ...]
    events: tuple[Event, ...]
    scenarios: tuple[ScenarioRow, ...]
    briefs: tuple[Brief, ...]
    briefs_left_out: int
    all_url: str
    found: int
    every: int
    spends: tuple[Spend, ...]
    budgets: tuple[BudgetShare, ...]
    unpriced_requests: int
    unpriced_models: tuple[str, ...]
    backends: tuple[BackendRow, ...]
    backends_left_out: int
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
class OwnRow:
    """One scenario as one tenant uses it, in the chosen stretch of time; `today` is the UTC day. `bar` is 0 to 100."""

    name: str
    title: str
    requests: int
    errors: float | None
    p50: str
    p95: str
    today: tuple[Money, ...]
    bar: str


@dataclass(frozen=True, slots=True)
class OwnPage:
    """templates/overview/own.html and its live part: what somebody of one tenant sees."""

    reader: Reader
    address: Address
    sentence: str
    rows: tuple[OwnRow, ...]
    left_out: int
    live_url: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a form."""

    value: str
    words: str
    detail: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """templates/base/error.html: what happened, what is still true, what to do."""

    status: int
    happened: str
    still_true: str
    to_do: str
