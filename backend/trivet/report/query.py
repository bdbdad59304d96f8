"""What can be asked: query parameters as models. A parameter nobody knows is refused, so that a typo is no empty filter."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from trivet.kit.body import EARLIEST, LATEST, Amount, Asked, Body, Day, Instant
from trivet.kit.interval import Interval
from trivet.report.search import Sought

DAY = timedelta(days=1)
AHEAD = timedelta(minutes=15)  # a sender's clock may be ahead of ours
MS_MAX = 2 * 86_400_000.0  # no call is longer
Names = Annotated[list[Asked], Field(max_length=100)]
Levels = Annotated[list[Annotated[int, Field(ge=0, lt=2**15)]], Field(max_length=100)]  # as wide as their column
Numbers = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=100)]


class Paged(Body):
    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = Field(None, max_length=2000)


class Filtered(Paged):
    """Filters by name. Each may be given several times: any of them."""

    tenant: Names = Field(default_factory=list)
    scenario: Names = Field(default_factory=list)
    model: Names = Field(default_factory=list)
    provider: Names = Field(default_factory=list)
    pool: Names = Field(default_factory=list)

    def given(self) -> dict[str, list[str] | list[int]]:
        """The filters by dimension, those not given empty."""
        return {name: getattr(self, name) for name in type(self).model_fields if isinstance(getattr(self, name), list)}


class UsageQuery(Filtered):
    from_: Instant = Field(alias="from")
    to: Instant
    context_class: Names = Field(default_factory=list)
    model_version: Names = Field(default_factory=list)
    region: Names = Field(default_factory=list)
    streamed: Names = Field(default_factory=list)
    group_by: str = Field("", max_length=200)
    grain: str | None = Field(None, max_length=10)
    backend: Names = Field(default_factory=list)
    level: Levels = Field(default_factory=list)
    revision: Numbers = Field(default_factory=list)


class CostsQuery(Filtered):
    from_: Instant = Field(alias="from")
    to: Instant
    group_by: str = Field("cost_centre", max_length=200)
    basis: str = Field("allocation", max_length=20)
    grain: str | None = Field(None, max_length=10)
    cost_centre: Names = Field(default_factory=list)
    purchase: Names = Field(default_factory=list)
    account: Names = Field(default_factory=list)
    period: Names = Field(default_factory=list)
    as_of: str | None = Field(None, max_length=10)
    cost_centre_depth: int | None = Field(None, ge=1, le=8)
    compare: Literal["previous", "budget"] | None = None


class Of(Body):
    """Filters by name, without pages."""

    tenant: Names = Field(default_factory=list)
    scenario: Names = Field(default_factory=list)
    model: Names = Field(default_factory=list)
    provider: Names = Field(default_factory=list)
    pool: Names = Field(default_factory=list)
    cost_centre: Names = Field(default_factory=list)
    cost_centre_depth: int | None = Field(None, ge=1, le=8)

    def given(self) -> dict[str, list[str] | list[int]]:
        """The filters by dimension, those not given empty."""
        return {name: getattr(self, name) for name in type(self).model_fields if isinstance(getattr(self, name), list)}


class UnitQuery(Of):
    from_: Instant = Field(alias="from")
    to: Instant
    group_by: str = Field("model", max_length=200)
    basis: str = Field("allocation", max_length=20)


class WhyQuery(Of):
    """Against the interval before it (`previous`), or against one that is given by both its ends."""

    from_: Instant = Field(alias="from")
    to: Instant
    group_by: str = Field("cost_centre", max_length=200)
    against: Literal["previous"] = "previous"
    against_from: Instant | None = None
    against_to: Instant | None = None


class FormulaQuery(Body):
    from_: Instant = Field(alias="from")
    to: Instant
    pool: Names = Field(default_factory=list)


class ForecastQuery(Of):
    month: str | None = Field(None, max_length=10)
    group_by: str = Field("", max_length=200)


class QuadrantsQuery(Of):
    from_: Instant = Field(alias="from")
    to: Instant
    of: Literal["model", "scenario", "tenant"] = "model"


class AnomaliesQuery(Paged):
    """Days, UTC, of the last four weeks where nothing is said."""

    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    tenant: Names = Field(default_factory=list)


class MonthQuery(Body):
    month: str | None = Field(None, max_length=10)


class RequestsQuery(Filtered):
    from_: Instant | None = Field(None, alias="from")
    to: Instant | None = None
    backend: Names = Field(default_factory=list)
    model_version: Names = Field(default_factory=list)
    region: Names = Field(default_factory=list)

    def interval(self, now: datetime) -> Interval:
        """The last day where nothing is said."""
        end = self.to or now + AHEAD
        return Interval(self.from_ or end - DAY, end)


class SearchQuery(RequestsQuery):
    """Single requests: by what they are as well. A trace or a conversation is looked for in all time where no time is said."""

    level: Levels = Field(default_factory=list)
    revision: Numbers = Field(default_factory=list)
    outcome: Annotated[list[Literal["ok", "error", "timeout", "refused", "rejected"]], Field(max_length=5)] = Field(
        default_factory=list
    )
    min_latency_ms: float | None = Field(None, ge=0, le=MS_MAX)
    min_cost: Amount | None = None
    trace: str = Field("", max_length=32)
    response_id: Asked = ""
    conversation: Asked = ""
    conversation_prefix: Asked = ""

    def sought(self) -> Sought:
        """What is asked beside names."""
        return Sought(
            tuple(self.outcome), self.min_latency_ms, None if self.min_cost is None else Decimal(self.min_cost),
            self.trace, self.response_id, self.conversation, self.conversation_prefix,
        )  # fmt: skip

    def given(self) -> dict[str, list[str] | list[int]]:
        """The filters by dimension; an outcome is none."""
        return {name: values for name, values in super().given().items() if name != "outcome"}

    def interval(self, now: datetime) -> Interval:
        """The last day where nothing is said, and all time for what an index finds."""
        if self.from_ is None and self.to is None and self.sought().by_id:
            return Interval(EARLIEST, LATEST)
        return super().interval(now)


class PostingsQuery(Paged):
    limit: int = Field(50, ge=1, le=100)
    from_: Instant | None = Field(None, alias="from")
    to: Instant | None = None

    def interval(self) -> Interval:
        """All hours where nothing is said."""
        return Interval(self.from_ or EARLIEST, self.to or LATEST)


class InteractionsQuery(RequestsQuery):
    kind: Literal["conversation", "trace"] = "conversation"
    limit: int = Field(20, ge=1, le=50)


class InteractionQuery(Body):
    tenant: Asked | None = None
