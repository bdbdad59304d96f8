"""What the address of the costs page asks, and the addresses of what lies beside it. Pure: all state is in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from trivet.kit.body import Asked as Text
from trivet.kit.body import Day
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.report.grain import DAY, MONTH

GROUPS = ("cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase")
# What a row of each group is looked into by.
INTO = {
    "cost_centre": "tenant", "tenant": "model", "model": "scenario", "scenario": "tenant", "provider": "model",
    "pool": "tenant", "purchase": "pool",
}  # fmt: skip
WORDS = {"cost_centre": "Cost centre", "purchase": "Bought as"}
RANGES = {"month": "This month", "last-month": "Last month", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
DAYS = {"7d": 7, "30d": 30, "90d": 90}
TEN_S = 10
Name = Annotated[Text, Field()]


class Query(BaseModel):
    """The address. A filter is one name; empty is none."""

    range: Literal["month", "last-month", "7d", "30d", "90d", "days"] = "month"
    since: Day | None = None
    until: Day | None = None
    group: Literal["cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase"] = "cost_centre"
    basis: Literal["allocation", "usage"] = "allocation"
    compare: Literal["previous", "budget"] = "previous"
    as_of: Annotated[str, Field(max_length=10)] = ""
    currency: Annotated[str, Field(max_length=3)] = ""
    cost_centre: Name = ""
    tenant: Name = ""
    scenario: Name = ""
    model: Name = ""
    provider: Name = ""
    pool: Name = ""
    purchase: Name = ""
    account: Name = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The same, settled: the interval, and the filters that are set."""

    query: Mapping[str, str]
    interval: Interval
    running: bool  # it ends now, within a month that has not ended
    filters: Mapping[str, str]
    group: str
    basis: str
    compare: str
    as_of: str
    currency: str

    def url(self, path: str = "/costs", **changed: str) -> str:
        """An address with some of it changed; what is empty is left out."""
        said = {name: value for name, value in ({**self.query, **changed}).items() if value}
        return f"{path}?{urlencode(said)}" if said else path

    def into(self, name: str) -> str:
        """The address one level down: this row alone, by what it consists of."""
        return self.url(**{self.group: name, "group": INTO[self.group]})

    def behind(self, name: str | None) -> str:
        """The address of the postings behind a row, or behind all of them."""
        return self.url("/costs/postings", **({self.group: name} if name is not None else {}))


def settle(query: Query, now: datetime) -> Asked:
    """What an address asks at an instant. Days are UTC, as finance's months are."""
    said = {name: str(value) for name, value in query.model_dump(exclude_defaults=True, exclude_none=True).items()}
    filters = {name: value for name in (*GROUPS, "account") if (value := getattr(query, name))}
    interval, running = _interval(query, now)
    return Asked(
        said, interval, running and not query.as_of, filters, query.group, query.basis, query.compare, query.as_of,
        query.currency,
    )  # fmt: skip


def _interval(query: Query, now: datetime) -> tuple[Interval, bool]:
    end = floor(now, TEN_S)
    month = MONTH.floor(end)
    if query.range == "days" and query.since and query.until and query.since < query.until:
        first, last = (
            datetime.combine(day, datetime.min.time(), tzinfo=now.tzinfo) for day in (query.since, query.until)
        )
        return Interval(first, last), False
    if query.range == "last-month":
        return Interval(MONTH.floor(month - timedelta(days=1)), month), False
    if query.range in DAYS:
        return Interval(DAY.floor(end) - timedelta(days=DAYS[query.range]), DAY.floor(end)), False
    if query.as_of:
        return Interval(month, MONTH.after(month)), False
    return Interval(month, max(end, month + timedelta(seconds=TEN_S))), True


def word(name: str) -> str:
    """A dimension as a heading says it."""
    return WORDS.get(name, name.capitalize())
