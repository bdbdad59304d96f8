"""What can be asked: query parameters as models. A parameter nobody knows is refused, so that a typo is no empty filter."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from trivet.kit.body import Instant
from trivet.kit.interval import Interval

DAY = timedelta(days=1)
AHEAD = timedelta(minutes=15)  # a sender's clock may be ahead of ours
Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)]
Numbers = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(max_length=100)]


class Paged(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=500)
    cursor: str | None = Field(None, max_length=2000)


class Filtered(Paged):
    """Filters by name. Each may be given several times: any of them."""

    tenant: Names = []
    scenario: Names = []
    model: Names = []
    provider: Names = []
    pool: Names = []

    def given(self) -> dict[str, list[str] | list[int]]:
        """The filters by dimension, those not given empty."""
        return {name: getattr(self, name) for name in type(self).model_fields if isinstance(getattr(self, name), list)}


class UsageQuery(Filtered):
    from_: Instant = Field(alias="from")
    to: Instant
    group_by: str = Field("", max_length=200)
    grain: str | None = Field(None, max_length=10)
    backend: Names = []
    level: Numbers = []
    revision: Numbers = []


class CostsQuery(Filtered):
    from_: Instant = Field(alias="from")
    to: Instant
    group_by: str = Field("cost_centre", max_length=200)
    basis: str = Field("allocation", max_length=20)
    grain: str | None = Field(None, max_length=10)
    cost_centre: Names = []


class RequestsQuery(Filtered):
    from_: Instant | None = Field(None, alias="from")
    to: Instant | None = None
    backend: Names = []

    def interval(self, now: datetime) -> Interval:
        """The last day where nothing is said."""
        end = self.to or now + AHEAD
        return Interval(self.from_ or end - DAY, end)


class PostingsQuery(Paged):
    limit: int = Field(50, ge=1, le=100)
    from_: Instant | None = Field(None, alias="from")
    to: Instant | None = None
