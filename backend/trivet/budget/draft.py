"""What somebody asks a budget to be, and whether that makes sense. Pure; each refusal names its field."""

from dataclasses import dataclass
from decimal import Decimal

from trivet.budget.lines import LINE_MAX, LINES, LINES_MAX
from trivet.budget.models import ACTIONS, MEASURES, POLICIES, SCOPES, WAYS_BACK, WINDOWS
from trivet.budget.windows import zone_of
from trivet.kit.errors import Invalid
from trivet.notify import compose

LEVEL_MAX = 3
# A command concerns a scenario, or one tenant in it: nobody else can be degraded or cut off.
CAN = {
    "request": ("refuse", "degrade", "break"),
    "interaction": ("refuse", "degrade", "break"),
    "tenant": ("refuse", "degrade", "break"),
    "key": ("refuse", "degrade", "break"),
    "cost_centre": ("refuse", "degrade", "break"),
    "scenario": ("refuse", "degrade"),
    "global": ("refuse", "degrade"),
    "end_user": ("refuse",),
}
NAMELESS = ("request", "interaction", "global")  # scopes that have no subject


@dataclass(frozen=True, slots=True)
class Identity:
    """What of a budget never changes. Names; '' where none is meant."""

    name: str
    scope: str
    measure: str
    window: str
    zone: str = "UTC"
    subject: str = ""
    tenant: str = ""
    scenario: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a budget later terms may change. None: as it is usual (`with_defaults`)."""

    limit: Decimal
    lines: tuple[int, ...] = LINES
    hard: bool = False
    action: str | None = None
    level: int | None = None
    way_back: str = "next_window"
    owners: tuple[str, ...] = ()
    unknown_price: str | None = None
    unreachable: str | None = None
    reason: str = ""

    @property
    def policy(self) -> str:
        """What holds where nobody said: closed for hard budgets, so that a gap never lets spending through."""
        return "closed" if self.hard else "open"


def check(identity: Identity, asked: Asked) -> None:
    """Refuse what makes no sense."""
    _one_of(identity.scope, SCOPES, "scope")
    _one_of(identity.measure, MEASURES, "measure")
    _one_of(identity.window, WINDOWS, "window")
    zone_of(identity.zone)
    _check_window(identity)
    _check_narrowing(identity)
    if bool(identity.currency) != (identity.measure == "money"):
        raise Invalid("A budget in money needs its currency, such as USD; others have none.", field="currency")
    _check_limit(identity, asked)
    _check_lines(asked)
    _check_hard(identity, asked)
    if asked.owners:
        try:
            compose.addresses(asked.owners)
        except Invalid as wrong:
            raise Invalid(wrong.detail, field="owners") from wrong


def _one_of(value: str, of: tuple[str, ...], field: str) -> None:
    if value not in of:
        raise Invalid(f"{field.capitalize().replace('_', ' ')} is one of {', '.join(of)}.", field=field)


def _check_window(identity: Identity) -> None:
    single = identity.scope in ("request", "interaction")
    if single and identity.window != identity.scope:
        raise Invalid(f"A budget of each {identity.scope} has the window {identity.scope}.", field="window")
    if not single and identity.window in ("request", "interaction"):
        raise Invalid("This scope has windows of time: day, week or month.", field="window")
    if identity.scope == "request" and identity.measure == "requests":
        raise Invalid("A request is one request: give it a limit in money or tokens.", field="measure")


def _check_narrowing(identity: Identity) -> None:
    if identity.subject and identity.scope in NAMELESS:
        raise Invalid(f"The scope {identity.scope} has no subject; narrow it by tenant or scenario.", field="subject")
    if identity.tenant and identity.scope not in ("request", "interaction", "end_user"):
        raise Invalid("Only requests, interactions and end users are narrowed to a tenant.", field="tenant")
    if identity.scenario and identity.scope not in ("request", "interaction"):
        raise Invalid("Only requests and interactions are narrowed to a scenario.", field="scenario")
    if identity.scope == "end_user" and identity.subject and not identity.tenant:
        raise Invalid("Say whose end user this is: two tenants may serve one of the same name.", field="tenant")


def _check_limit(identity: Identity, asked: Asked) -> None:
    if asked.limit <= 0:
        raise Invalid("A limit is more than nothing.", field="limit")
    if identity.measure != "money" and asked.limit != asked.limit.to_integral_value():
        raise Invalid(f"A limit in {identity.measure} is a whole number.", field="limit")


def _check_lines(asked: Asked) -> None:
    if len(asked.lines) > LINES_MAX or list(asked.lines) != sorted(set(asked.lines)):
        raise Invalid(f"Lines rise, each once, {LINES_MAX} at most: such as [50, 80, 90, 100].", field="lines")
    if any(not 1 <= line <= LINE_MAX for line in asked.lines):
        raise Invalid(f"A line is 1 to {LINE_MAX} % of the limit.", field="lines")


def _check_hard(identity: Identity, asked: Asked) -> None:
    if not asked.hard:
        if asked.action or asked.level is not None:
            raise Invalid("Only a hard budget commands: set `hard`, or leave `action` and `level` out.", field="action")
    else:
        _check_action(identity, asked)
    _one_of(asked.way_back, WAYS_BACK, "way_back")
    for name in ("unknown_price", "unreachable"):
        value = getattr(asked, name)
        if value is not None:
            _one_of(value, POLICIES, name)


def _check_action(identity: Identity, asked: Asked) -> None:
    action = asked.action or "refuse"
    _one_of(action, ACTIONS, "action")
    if action not in CAN[identity.scope]:
        raise Invalid(
            f"A budget of the scope {identity.scope} can only {' or '.join(CAN[identity.scope])}: a command concerns a "
            "scenario, or one tenant in it.",
            field="action",
        )
    if (action == "degrade") != (asked.level is not None):
        raise Invalid("To degrade, say to which level; no other action takes one.", field="level")
    if asked.level is not None and not 1 <= asked.level <= LEVEL_MAX:
        raise Invalid(f"A level is 1 to {LEVEL_MAX}.", field="level")
