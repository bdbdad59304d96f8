"""The answers of `/gpus` and `/pools`, as the OpenAPI document tells them."""

from pydantic import Field

from trivet.kit.answer import Answer, Page


class Reading(Answer):
    value: float
    at: str


class Process(Answer):
    pid: str
    memory_bytes: int
    at: str


class LastDay(Answer):
    """What was counted in the last day, to the hour; what was never counted is absent."""

    energy_j: float | None
    ecc_errors: dict[str, int] = Field(description="By kind.")
    xid: dict[str, int] = Field(description="Events by XID code.")
    throttled_s: dict[str, float] = Field(description="By reason.")


class Card(Answer):
    """A card, or a MIG instance, which names its `parent`."""

    id: int
    uuid: str
    model: str
    host: str
    pool: str | None
    parent: str | None
    instances: list[str]
    first_seen_at: str
    last_seen_at: str | None
    readings: dict[str, Reading] = Field(
        description="By metric (`hw.power`, in its unit); those of the last 5 minutes."
    )
    throttled_by: list[str]
    row_remap: list[str]
    processes: list[Process]
    last_day: LastDay


class Cards(Page):
    items: list[Card]


class Term(Answer):
    """From `effective_from` on. Amounts are of the whole pool unless they say per GPU or per unit; null: not told."""

    gpu_type: str
    gpus: int
    price_per_gpu_hour: str | None = Field(description="Null where `price_source` is another than `term`.")
    price_source: str = Field(description="`term`; `book`: the price book's; `parts`: made of what else is told.")
    currency: str
    purchase: str
    effective_from: str
    purchase_price: str | None
    residual: str | None
    amortisation_months: int | None
    commitment_cost: str | None
    commitment_months: int | None
    spread_from: str | None
    power_price_per_kwh: str | None
    pue: str | None
    watts_per_gpu: str | None
    operations_per_month: str | None
    units: int | None
    price_per_unit_hour: str | None
    work_per_unit_hour: str | None
    load_test_tokens_per_gpu_hour: str | None
    planned_utilisation: str | None
    max_concurrency: int | None
    idle_policy: str = Field(description="`hidden`, `apart`, `spread_use` or `spread_even`.")
    headroom_policy: str


class Pool(Answer):
    id: int
    name: str
    registered_at: str | None
    terms: list[Term] = Field(description="Oldest first.")
    gpus_seen: int


class Pools(Page):
    items: list[Pool]


class Interruption(Answer):
    id: int
    pool: str
    interrupted_at: str
    restored_at: str | None
    gpus: int | None = Field(description="Null: all of them.")
    cause: str
    actor: str


class Interruptions(Page):
    items: list[Interruption]
