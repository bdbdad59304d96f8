"""The answer of `/gpus`, as the OpenAPI document tells it."""

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
