"""Shapes of what is answered of drills and of readiness."""

from pydantic import Field

from trivet.kit.answer import Answer, Page


class DrillItem(Answer):
    id: int
    scenario: str
    backend: str
    revision: int
    levels: list[int]
    hold_s: float
    patience_s: float
    state: str = Field(description="running, restoring, passed, failed or aborted.")
    record: dict[str, bool] = Field(description="triggered, acted, recovered, rolled_back, no_side_effects.")
    outcome: str
    actor: str
    reason: str
    started_at: str
    ended_at: str | None
    schedule_id: int | None


class StepAnswer(Answer):
    position: int
    kind: str = Field(description="trigger, raise, lower, roll_back or side_effects.")
    level: int
    ok: bool | None = Field(description="Null while it is under way.")
    simulated: bool
    reason: str
    command_id: int | None
    started_at: str
    observed_at: str | None
    effective_at: str | None
    done_at: str | None


class DrillAnswer(DrillItem):
    steps: list[StepAnswer]


class DrillsPage(Page):
    items: list[DrillItem]


class ScheduleItem(Answer):
    id: int
    scenario: str
    backend: str
    levels: list[int]
    every_days: int
    at: str
    next_at: str
    reason: str
    actor: str
    said: str = Field(description="What came of the last time.")


class SchedulesPage(Page):
    items: list[ScheduleItem]


class AskAnswer(Answer):
    path: str = Field(description="To POST to.")
    body: str = Field(description="JSON.")


class LineAnswer(Answer):
    key: str
    label: str
    holds: bool
    reason: str
    to_do: str = Field(description="Empty where it holds.")
    ask: AskAnswer | None = Field(description="The call that goes on with it, where one does.")


class ReadinessAnswer(Answer):
    scenario: str
    ready: bool
    lines: list[LineAnswer]


class ReadinessPage(Page):
    items: list[ReadinessAnswer]
