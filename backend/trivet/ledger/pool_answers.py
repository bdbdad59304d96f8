"""The answer of `/pools/{name}/hours`, as the OpenAPI document tells it."""

from pydantic import Field

from trivet.kit.answer import Amount, Answer, Page


class Energy(Answer):
    """Before PUE. Null where no card said any."""

    kwh: str | None
    tokens: int
    kwh_per_million_tokens: str | None


class ModelEnergy(Energy):
    """A model's part of its pool's energy, by work units."""

    provider: str
    model: str


class Interrupted(Answer):
    requests: int
    standard: list[Amount] = Field(description="Their standard cost, by currency.")
    of_used: list[Amount] = Field(description="What their work was of the pool's used cost.")


class Interruptions(Answer):
    """Requests that failed because the pool lost GPUs, and those that did their work again."""

    lost: Interrupted
    retry: Interrupted


class Seconds(Answer):
    used: str
    headroom: str
    idle: str
    down: str


class Cost(Answer):
    """Used, headroom, idle and down add up to the total, to the last pico."""

    total: str
    used: str
    headroom: str
    idle: str
    down: str


class Stretch(Answer):
    """A part of an hour at one term."""

    starts_at: str
    ends_at: str
    purchase: str
    currency: str
    method: str = Field(description="How states, use and shares were found; see the money page of the documents.")
    evidence: str = Field(description="`counters`, `spans`, or `none` where it has no price.")
    seconds: Seconds
    cost: Cost
    unused: str = Field(description="Headroom, idle and down: of a commitment, what was paid and not used.")
    prefill: str | None = Field(description="Of the used cost; null where nothing measured told it from decode.")
    decode: str | None
    parts_per_hour: dict[str, str] = Field(
        description="What an hour of it costs: gpus, units, amortisation, commitment, power, operations."
    )
    gaps: list[str] = Field(description="What is not in the cost because nobody knows it.")
    capacity_work: str | None = Field(description="Work units that it could have served.")
    idle_policy: str
    headroom_policy: str


class Hour(Answer):
    hour: str
    requests: int
    work: str = Field(description="Work units of the requests that ran.")
    energy: Energy
    interruptions: Interruptions
    stretches: list[Stretch]


class PoolHours(Page):
    """The pool's posted hours, oldest first; energy and interruptions also over the whole interval asked for."""

    pool: str
    items: list[Hour]
    energy: Energy
    energy_by_model: list[ModelEnergy]
    interruptions: Interruptions
