"""What the endpoints of reservations are sent, as the operations it asks for."""

from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from trivet.budget.reserve.ask import CALLS_MAX, TTL_MAX_S, TTL_MIN_S, Caller, Costs, Extend, Hold, Post, Void
from trivet.kit.body import Amount, Asked, Body, Currency, Name
from trivet.pricing.estimate import Bound
from trivet.pricing.rate import Tokens

BATCH_MAX = 500  # operations of one batch
TOOLS_MAX = 100
Whole = Annotated[int, Field(ge=0, le=10**9, strict=True)]
TtlS = Annotated[int, Field(ge=TTL_MIN_S, le=TTL_MAX_S, strict=True)]
Calls = Annotated[int, Field(ge=1, le=CALLS_MAX, strict=True)]


class Tool(Body):
    """A tool that a call may use, and how often at most. `unit` is what its price is of."""

    name: Name
    max_calls: Annotated[int, Field(ge=0, le=10_000, strict=True)]
    unit: Literal["tool_calls", "retrieval_calls", "web_searches"] = "tool_calls"


class OneCall(Body):
    """What bounds one call: estimate inputs, or amounts straight away."""

    provider: Asked = ""
    model: Asked = ""
    pool: Asked = ""
    tier: Asked = ""
    input_tokens: Whole | None = None
    max_output_tokens: Whole | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] = 1
    cache_write_tokens: Whole | None = None
    tools: Annotated[tuple[Tool, ...], Field(max_length=TOOLS_MAX)] = ()
    max_retries: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    amount: Amount | None = None
    currency: Currency | None = None
    tokens: Whole | None = None
    requests: Whole | None = None

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Self:
        if (self.amount is None) != (self.currency is None):
            raise ValueError("amount and currency go together")
        return self

    def costs(self) -> Costs:
        tools = tuple((tool.unit, tool.name, tool.max_calls) for tool in self.tools)
        bound = Bound(
            self.input_tokens, self.max_output_tokens, None, self.n, self.cache_write_tokens, tools, self.max_retries
        )
        amount = None if self.amount is None else Decimal(self.amount)
        return Costs(
            self.provider, self.model, self.pool, self.tier, bound, amount, self.currency or "", self.tokens,
            self.requests,
        )  # fmt: skip


class NewHold(OneCall):
    """A hold on every budget that the calls fall under. `key` is the API key whose spans will tell of them."""

    tenant: Asked = ""
    scenario: Asked = ""
    end_user: Asked = ""
    interaction: Asked = ""
    key: Annotated[int, Field(ge=1, lt=2**31, strict=True)] | None = None
    calls: Calls = 1
    ttl_s: TtlS | None = None

    def hold(self, caller: Caller) -> Hold:
        return Hold(
            caller, self.costs(), self.tenant, self.scenario, self.end_user, self.interaction, self.key, self.calls,
            self.ttl_s,
        )  # fmt: skip


class NewExtension(OneCall):
    """Another bound for the calls that are open, and until when."""

    ttl_s: TtlS | None = None

    def extend(self, caller: Caller, id_: UUID) -> Extend:
        return Extend(caller, id_, self.costs(), self.ttl_s)


class Usage(Body):
    """Tokens of the calls by kind, priced as they will be when their spans come. Kinds are disjoint."""

    input: Whole = 0
    output: Whole = 0
    cache_read: Whole = 0
    cache_write: Whole = 0
    reasoning: Whole = 0


class Actual(Body):
    """What calls came to. Without `calls` they are all that are open, and the reservation is closed."""

    calls: Annotated[int, Field(ge=0, le=CALLS_MAX, strict=True)] | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    usage: Usage | None = None
    tokens: Whole | None = None
    requests: Whole | None = None
    close: bool = False

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Self:
        if (self.amount is None) != (self.currency is None):
            raise ValueError("amount and currency go together")
        return self

    def post(self, caller: Caller, id_: UUID) -> Post:
        usage = None if self.usage is None else Tokens(**self.usage.model_dump())
        amount = None if self.amount is None else Decimal(self.amount)
        return Post(caller, id_, self.calls, amount, self.currency or "", usage, self.tokens, self.requests, self.close)


class ActualOf(Actual):
    """The same in a batch, with whose it is."""

    id: UUID


class Batch(Body):
    """Operations that are granted or refused each on its own, in one transaction: holds, then posts, then voids."""

    hold: Annotated[tuple[NewHold, ...], Field(max_length=BATCH_MAX)] = ()
    post: Annotated[tuple[ActualOf, ...], Field(max_length=BATCH_MAX)] = ()
    void: Annotated[tuple[UUID, ...], Field(max_length=BATCH_MAX)] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not 0 < len(self.hold) + len(self.post) + len(self.void) <= BATCH_MAX:
            raise ValueError(f"a batch has 1 to {BATCH_MAX} operations")
        return self

    def operations(self, caller: Caller) -> list[Hold | Post | Void]:
        return [
            *(each.hold(caller) for each in self.hold),
            *(each.post(caller, each.id) for each in self.post),
            *(Void(caller, id_) for id_ in self.void),
        ]
