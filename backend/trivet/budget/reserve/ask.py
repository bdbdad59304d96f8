"""What is asked of reservations, and what comes of it: values, as the API and the group that commits pass them on. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from trivet.budget.reserve.decide import Layer
from trivet.budget.reserve.standing import Standing
from trivet.pricing.estimate import Bound
from trivet.pricing.rate import Tokens

CALLS_MAX = 100_000  # of one block
TTL_MIN_S, TTL_MAX_S = 1, 3_600


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an API key, by id, and the tenant that it is bound to."""

    actor: str
    key_id: int
    tenant_id: int | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What bounds one call: estimate inputs, or amounts straight away. An amount given takes the place of its estimate."""

    provider: str = ""
    model: str = ""
    pool: str = ""
    tier: str = ""
    bound: Bound = field(default_factory=Bound)
    amount: Decimal | None = None
    currency: str = ""
    tokens: int | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold what `calls` calls may cost, each of them `costs`, on every budget they fall under; all or none."""

    caller: Caller
    costs: Costs
    tenant: str = ""
    scenario: str = ""
    end_user: str = ""
    interaction: str = ""
    teller_id: int | None = None
    calls: int = 1
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Extend:
    """The calls of a reservation may cost more, such as a dearer model's: every layer is checked again."""

    caller: Caller
    id: UUID
    costs: Costs
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """What calls of a reservation came to. `calls` None: all that are open; what is not told is as it was estimated."""

    caller: Caller
    id: UUID
    calls: int | None = None
    amount: Decimal | None = None
    currency: str = ""
    usage: Tokens | None = None
    tokens: int | None = None
    requests: int | None = None
    close: bool = False


@dataclass(frozen=True, slots=True)
class Void:
    """The calls of a reservation that are not posted will not be made."""

    caller: Caller
    id: UUID


Operation = Hold | Extend | Post | Void


@dataclass(frozen=True, slots=True)
class Told:
    """A reservation as it stands after an operation. `layers` are what it was checked against, where it was."""

    id: UUID
    standing: Standing
    currency: str
    unbounded: str
    expires_at: datetime
    layers: tuple[tuple[Layer, Decimal | None], ...] = ()  # each with what is committed of it by now
