"""What the endpoints of cards answer, for the OpenAPI document."""

from typing import Any

from trivet.kit.answer import Answer, Page


class Glass(Answer):
    """A break-glass: who, when, why, and the review by another person; nulls while it is owed."""

    by: str
    at: str
    reason: str
    reviewed_by: str | None
    reviewed_at: str | None
    review: str | None


class Revision(Answer):
    """One revision of a card. `solo`: one person gave both approvals, in solo mode."""

    scenario: str
    revision: int
    status: str
    author: str
    created_at: str
    submitted_at: str | None
    approved_product_by: str | None
    approved_operations_by: str | None
    solo: bool
    break_glass: Glass | None
    retired_reason: str | None
    card: dict[str, Any]


class Governing(Revision):
    """The revision that governs, since when, and the one that a rollback would return to."""

    active_from: str
    previous_revision: int | None


class Revisions(Page):
    items: list[Revision]


class Changed(Answer):
    """One field of a card. `before` or `after` null where it was not there."""

    field: str
    before: Any
    after: Any
    words: str


class Diff(Answer):
    """What changed from one revision of a card to another, field by field."""

    scenario: str
    from_revision: int
    to_revision: int
    changes: list[Changed]


class Said(Answer):
    """A part of the card in plain sentences."""

    title: str
    sentences: list[str]


class Sentences(Answer):
    scenario: str
    revision: int
    parts: list[Said]


class Proposed(Answer):
    """A threshold out of the scenario's own data."""

    metric: str
    enter: float
    leave: float
    words: str


class Proposal(Answer):
    """Thresholds by metric, what they rest on, and the card with them, its guards in shadow."""

    scenario: str
    days: int
    requests: int
    stretches: int
    stretch_s: int
    words: str
    thresholds: list[Proposed]
    card: dict[str, Any]


class Solo(Answer):
    """Whether one person may give both approvals, who said so and why."""

    on: bool
    actor: str | None
    reason: str | None
    at: str | None


class OwedReview(Answer):
    """A revision that was activated by break-glass and that nobody else has looked at yet."""

    scenario: str
    revision: int
    glass_broken_by: str
    glass_broken_at: str
    reason: str
    owed_for_s: int


class OwedReviews(Page):
    """Oldest first. `broken_in_30_days` counts every break-glass, reviewed or not."""

    items: list[OwedReview]
    broken_in_30_days: int


class TrialStep(Answer):
    """What was decided at a share: grow, activate or back, with the numbers of each measure."""

    at: str
    share: float
    action: str
    words: str
    numbers: list[dict[str, Any]]


class Trial(Answer):
    """A revision beside the one that governs. `state`: running, activated, stopped; `said` is its newest word."""

    id: int
    scenario: str
    revision: int
    against: int
    state: str
    share: float
    shares: list[float]
    step_s: float
    minimum_sample: int
    actor: str
    reason: str
    said: str
    steps: list[TrialStep]
    started_at: str
    step_since: str
    ended_at: str | None


class Trials(Page):
    items: list[Trial]


class Imported(Answer):
    """A YAML file became a draft, or `changed` is false: the card that governs says the same already."""

    scenario: str
    changed: bool
    revision: int
    changes: list[str]


class Checked(Answer):
    """A card that could be drafted: who measures its guards is asked when it is submitted; `warnings` say it before."""

    ok: bool
    warnings: list[str]
