"""What the templates of alerts and of runbooks get."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.control.control_views import Kept
from trivet.console.control.filters import Field
from trivet.console.control.lanes import Lanes
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class SaidRow:
    """What was decided on a route, and why. `mark` is the state that its pill is drawn as."""

    route: str
    decision: str
    mark: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert. `link` is the page that shows what is wrong; `matcher` is what a silence of it would say."""

    id: int
    name: str
    severity: str
    open: bool
    marks: tuple[str, ...]
    why: str
    done: str
    since: datetime
    ended_at: datetime | None
    link: str
    runbook: str
    said: tuple[SaidRow, ...]
    unrouted: str
    acknowledged: str
    matcher: str


@dataclass(frozen=True, slots=True)
class QuietRow:
    """A silence, or a maintenance window (`id` 0). `url` is where a window is changed."""

    id: int
    name: str
    url: str
    matchers: str
    until: datetime | None
    when: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route in words. `url` is where it is changed."""

    name: str
    url: str
    takes: str
    channels: str
    rhythm: str
    steps: str


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel. `mark` is the state that its pill is drawn as."""

    name: str
    kind: str
    shown: str
    state: str
    mark: str
    succeeded_at: datetime | None
    failed_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True)
class SilenceForm:
    """What was filled in. `errors` by field."""

    matchers: str
    hours: str
    reason: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """`form` None: the reader may neither acknowledge nor silence. `may_rule`: makes routes and windows. `more`: only so many
    of a kind are shown; 0: all are.
    """

    reader: Reader
    address: Address
    live_url: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    sentence: str
    strip: Lanes
    open: tuple[AlertRow, ...]
    over: tuple[AlertRow, ...]
    more: int
    quiets: tuple[QuietRow, ...]
    routes: tuple[RouteRow, ...]
    channels: tuple[ChannelRow, ...]
    form: SilenceForm | None
    may_rule: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a runbook: `kind` is h1, h2, p or item; `parts` are words, each plain or code."""

    kind: str
    parts: tuple[tuple[bool, str], ...]


@dataclass(frozen=True, slots=True)
class RunbookPage:
    """What to do when a guard on this metric breaks."""

    reader: Reader
    title: str
    blocks: tuple[Block, ...]
