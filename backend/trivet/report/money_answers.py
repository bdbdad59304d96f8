"""The answers of `/costs/…` and `/business-values`, as the OpenAPI document tells them. Money is text with its currency."""

from pydantic import Field

from trivet.kit.answer import Amount, Answer, Page


class Named(Answer):
    """What a row is of: only the dimensions that it is grouped by."""

    cost_centre: str | None = None
    tenant: str | None = None
    scenario: str | None = None
    model: str | None = None
    provider: str | None = None
    pool: str | None = None


class UnitItem(Named):
    """One group in one currency; null where there is nothing to divide by. GPU hours and energy only by pool, as posted."""

    currency: str
    amount: str
    requests: int
    tokens: int
    per_request: str | None
    per_million_tokens: str | None
    gpu_hours: float | None
    per_gpu_hour: str | None = Field(description="Capacity cost of a GPU hour.")
    kwh_per_million_tokens: float | None


class Units(Page):
    items: list[UnitItem]


class Plan(Answer):
    """What was planned, weighted by GPU hours; null where a term of a pool does not say it."""

    price_per_gpu_hour: str | None
    load_test_tokens_per_gpu_hour: float | None = Field(description="Work units.")
    utilisation: float | None
    per_million: str | None = Field(description="Of work units: price / (load-test tokens per GPU hour × utilisation).")


class Actual(Answer):
    """What was, over the posted hours."""

    capacity_cost: str
    used: str
    headroom: str
    idle: str
    down: str
    gpu_hours: float
    price_per_gpu_hour: str | None
    tokens: int
    work: float
    utilisation: float | None = Field(description="Work / (load-test tokens per GPU hour × GPU hours).")
    per_million: str | None = Field(description="Capacity cost / tokens served, of a million tokens.")
    per_million_work: str | None = Field(description="The same of work units, as planned.")


class FormulaItem(Answer):
    pool: str
    currency: str
    planned: Plan
    actual: Actual


class Formula(Page):
    items: list[FormulaItem]


class Parts(Answer):
    """What moved it, exactly: the parts add up to the change, to the last pico."""

    volume: str
    price: str
    mix: str
    efficiency: str
    idle: str
    shared: str
    bill: str


class TokenParts(Answer):
    price: str
    efficiency: str
    utilisation: str
    mix: str


class WhyItem(Named):
    currency: str
    before: str
    after: str
    change: str
    parts: Parts


class WhyPerToken(Answer):
    currency: str
    before: str
    after: str
    parts: TokenParts


class Stretch(Answer):
    from_: str = Field(alias="from")
    to: str


class Why(Page):
    """`items` by group; `whole` is everything, with what nobody bears; `per_million_tokens` of pools' capacity."""

    items: list[WhyItem]
    whole: list[WhyItem]
    per_million_tokens: list[WhyPerToken]
    before: Stretch
    after: Stretch


class ForecastDay(Answer):
    day: str
    amount: str


class ForecastItem(Named):
    """One group's month. Everything but `spent` is a forecast; no interval where too little is known."""

    currency: str
    spent: str
    expected: str
    total: str
    low: str | None
    high: str | None
    past_forecasts: int = Field(description="How many the interval was made from.")
    days: list[ForecastDay]


class Forecasts(Page):
    items: list[ForecastItem]
    month: str
    method: str
    interval: float = Field(description="How often the truth is to lie within.")


class DriverItem(Answer):
    by: str = Field(description="model, scenario, kind or price")
    name: str
    amount: str


class AnomalyItem(Answer):
    day: str
    tenant_id: int
    tenant: str
    currency: str
    amount: str
    expected: str
    excess: str
    score: float = Field(description="Robust deviations from what was expected.")
    method: str
    drivers: list[DriverItem]
    found_at: str
    acknowledged_at: str | None
    acknowledged_by: str
    acknowledged_reason: str


class Anomalies(Page):
    items: list[AnomalyItem]


class QuadrantItem(Answer):
    name: str
    tokens: int
    amount: str
    per_million_tokens: str
    quadrant: str
    move: str


class QuadrantSet(Answer):
    currency: str
    median_tokens: float
    median_per_million_tokens: str
    left_out: int = Field(description="Without tokens, so without a unit cost.")
    points: list[QuadrantItem]


class Quadrants(Page):
    items: list[QuadrantSet]


class ValueItem(Answer):
    id: int
    kind: str
    name: str
    month: str
    amount: str
    currency: str
    unit: str
    note: str
    author: str
    created_at: str


class Values(Page):
    items: list[ValueItem]


class HeldItem(Answer):
    """A figure beside the cost of its month; they are never added. `ratio` is value over cost."""

    kind: str
    name: str
    month: str
    value: ValueItem
    cost: Amount
    ratio: float | None
    cost_per_unit: str | None


class HeldAgainst(Page):
    items: list[HeldItem]
