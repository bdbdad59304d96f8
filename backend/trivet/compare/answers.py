"""What the endpoints of baselines answer, for the OpenAPI document."""

from trivet.kit.answer import Answer, Page


class Number(Answer):
    """One measure. `worse` says which way is worse; `value` null where nothing was measured; money in `currency`."""

    measure: str
    leg: str
    unit: str
    worse: str
    value: float | None
    sample: int


class Frozen(Answer):
    """How a scenario stood in a time. `models`, `revisions` and `levels` are requests of each."""

    id: int
    scenario: str
    name: str
    reason: str
    actor: str
    start: str
    end: str
    created_at: str
    terms: str
    terms_words: str
    currency: str
    requests: int
    measures: list[Number]
    models: dict[str, int]
    revisions: dict[str, int]
    levels: dict[str, int]


class FrozenList(Page):
    """Newest first."""

    items: list[Frozen]


class OfSide(Answer):
    """`id` and `name` null for now."""

    id: int | None
    name: str | None
    start: str
    end: str
    requests: int
    models: dict[str, int]


class OfMeasure(Answer):
    """One measure of both. `relative` is of the first; `verdict`: better, worse, same, unknown, or "" where neither is."""

    measure: str
    leg: str
    unit: str
    before: float | None
    after: float | None
    before_sample: int
    after_sample: int
    difference: float | None
    relative: float | None
    verdict: str


class Compared(Answer):
    """Two times of one scenario on the same terms."""

    scenario: str
    before: OfSide
    after: OfSide
    currency: str
    terms_words: str
    measures: list[OfMeasure]
