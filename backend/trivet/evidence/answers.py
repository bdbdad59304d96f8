"""Shapes of what is answered of breaches. Amounts of money are text; times are RFC 3339 in UTC."""

from typing import Any

from pydantic import Field

from trivet.kit.answer import Answer, Page


class Instants(Answer):
    began_at: str | None = Field(description="Start of the first bad 10-second bucket that led up to the detection.")
    detected_at: str
    acted_at: str | None = Field(description="The first command that names the breach.")
    observed_at: str | None
    effective_at: str | None
    closed_at: str | None = Field(description="The guard was whole again.")
    recovered_at: str | None = Field(description="And what was done about it was undone, as far as backends proved.")


class Seconds(Answer):
    detect: float | None
    act: float | None
    take_hold: float | None
    recover: float | None


class Saved(Answer):
    amount: str | None
    low: str | None
    high: str | None
    currency: str
    words: str = Field(description="On what terms; or why it is not measurable.")


class Lost(Answer):
    points: float | None = Field(description="Of the mean score: before less under the level.")
    low: float | None
    high: float | None
    words: str


class Taken(Answer):
    """How long a breach took and what it cost. `computed_at`: late data may change it until `again_at` is null."""

    instants: Instants
    seconds: Seconds
    requests_under: int = Field(description="Served while degraded for this breach.")
    saved: Saved
    lost: Lost
    computed_at: str
    again_at: str | None


class CarrierAnswer(Answer):
    name: str
    n: float
    bad: float | str
    excess: float | str
    traffic_share: float
    excess_share: float
    claimed: bool = Field(description="Neither chance nor a small number explains it.")
    low: float | None = Field(description="99 % interval of the excess, where chance can be told apart.")
    high: float | None


class DimensionAnswer(Answer):
    excess: float | str
    relief: float | str
    carry: list[CarrierAnswer]
    relieve: list[CarrierAnswer]
    left_out: int


class Stretch(Answer):
    start: str
    end: str


class ReferenceAnswer(Answer):
    share: float | None
    words: str


class CarriersAnswer(Answer):
    missing: str = Field(description="Why nobody can be said to carry it; empty where somebody can.")
    during: Stretch | None
    before: Stretch | None
    of: str
    unit: str
    note: str
    reference: ReferenceAnswer | None
    by: dict[str, DimensionAnswer]


class CausedCommand(Answer):
    id: int
    kind: str
    level: int | None
    tenant: str | None
    status: str
    outcome: str | None
    actor: str
    reason: str
    created_at: str
    expires_at: str | None


class ToldAlert(Answer):
    id: int
    severity: str
    drill: bool
    started_at: str
    ended_at: str | None
    acknowledged_by: str | None


class BreachAnswer(Answer):
    id: int
    scenario: str
    guard: str
    metric: str | None
    runbook: str | None
    revision: int
    shadow: bool
    reason: str
    value: float | None
    worst_value: float | None
    threshold: float
    sample: int
    numbers: dict[str, Any] | None
    opened_at: str
    closed_at: str | None
    closed_reason: str | None
    times: Taken
    carriers: CarriersAnswer
    commands: list[CausedCommand]
    alerts: list[ToldAlert]


class Quantiles(Answer):
    p50: float | None
    p95: float | None
    count: int


class TimesRow(Answer):
    scenario: str
    guard: str
    breaches: int
    not_recovered: int
    detect_s: Quantiles
    act_s: Quantiles
    recover_s: Quantiles
    saved: dict[str, str] = Field(description="By currency, of the breaches where it could be measured.")
    saved_measured: int


class TimesPage(Page):
    items: list[TimesRow]
    left_out: int = Field(description="Breaches of the interval beyond the limit of one answer.")
