"""What the address of the costs page asks, and the addresses of what lies beside it. Pure: all state is in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from trivet.console.address import Link
from trivet.console.money.costs_words import called
from trivet.console.tongue import N_, _
from trivet.kit.body import Asked as Text
from trivet.kit.body import Day
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.report.grain import DAY, MONTH

DIMENSIONS = ("cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase", "account")
TIMES = ("day", "month")
GROUPS = (*DIMENSIONS, *TIMES)
# What a row of each group is looked into by.
INTO = {
    "cost_centre": "tenant", "tenant": "model", "model": "scenario", "scenario": "tenant", "provider": "model",
    "pool": "tenant", "purchase": "pool", "account": "cost_centre",
}  # fmt: skip
WORDS = {
    "cost_centre": N_("Cost centre"), "tenant": N_("Tenant"), "scenario": N_("Scenario"), "model": N_("Model"),
    "provider": N_("Provider"), "pool": N_("Pool"), "purchase": N_("Bought as"), "account": N_("Account"),
    "day": N_("Day"), "month": N_("Month"),
}  # fmt: skip
RANGES = {
    "month": N_("This month"), "last-month": N_("Last month"), "7d": N_("7 days"), "30d": N_("30 days"),
    "90d": N_("90 days"),
}  # fmt: skip
GRAINS = {"day": "1d", "month": "1mo"}
DAYS = {"7d": 7, "30d": 30, "90d": 90}
TEN_S = 10
Name = Annotated[Text, Field()]


class Query(BaseModel):
    """The address. A filter is one name; empty is none."""

    range: Literal["month", "last-month", "7d", "30d", "90d", "days"] = "month"
    since: Day | None = None
    until: Day | None = None
    group: Literal[
        "cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase", "account", "day", "month"
    ] = "cost_centre"
    across: Literal[
        "", "cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase", "account", "day", "month"
    ] = ""
    of: Literal["", "model", "scenario", "tenant"] = ""
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
    """The same, settled: the interval, and the filters that are set. `path` is the page's own."""

    path: str
    query: Mapping[str, str]
    interval: Interval
    running: bool  # it ends now, within a month that has not ended
    filters: Mapping[str, str]
    group: str
    across: str  # the dimension of the columns; "" for none
    basis: str
    compare: str
    as_of: str
    currency: str
    of: str = ""

    def url(self, path: str = "", **changed: str) -> str:
        """An address with some of it changed; what is empty is left out."""
        said = {name: value for name, value in ({**self.query, **changed}).items() if value}
        return f"{path or self.path}?{urlencode(said)}" if said else path or self.path

    @property
    def csv(self) -> str:
        """Where the same comes as CSV."""
        return self.url(f"{self.path}.csv", before="")

    def into(self, name: str, dimension: str = "") -> str:
        """The address one level down: this row (or column) alone, by what it consists of."""
        by = dimension or self.group
        group = INTO.get(by, "") if self.group == by else self.group
        shape = {"group": group, "across": "" if self.across in (by, group) else self.across}
        return self.url(**shape, **_narrowed({by: name}))

    def cell(self, row: str, column: str) -> str:
        """The address of one row in one column alone."""
        group = INTO.get(self.group, "")
        group = "" if group == self.across else group
        return self.url(group=group, across="", **_narrowed({self.group: row, self.across: column}))

    def cell_of_day(self, row: str, day: str) -> str:
        """The address of one row on one day."""
        group = INTO.get(self.group, "")
        return self.url(group=group, across="", **_narrowed({self.group: row, "day": day}))

    def behind(self, **narrowed: str) -> str:
        """The address of the postings behind a cell, a row, or all of them; keys are dimensions."""
        return self.url("/costs/postings", **_narrowed(narrowed))

    def ranges(self) -> tuple[Link, ...]:
        """The stretches of time that are offered."""
        chosen = self.query.get("range", "month")
        return tuple(
            Link(words, self.url(range="" if key == "month" else key, since="", until="", as_of=""), chosen == key)
            for key, words in RANGES.items()
        )

    def chips(self) -> tuple[Link, ...]:
        """Each filter that is set, with the address that takes it away."""
        return tuple(
            Link(_("{dimension}: {name}", dimension=_(word(name)), name=called(name, value)), self.url(**{name: ""}))
            for name, value in self.filters.items()
        )


def settle(query: Query, now: datetime, path: str = "/costs") -> Asked:
    """What an address asks at an instant. Days are UTC, as finance's months are."""
    said = {name: str(value) for name, value in query.model_dump(exclude_defaults=True, exclude_none=True).items()}
    filters = {name: value for name in DIMENSIONS if (value := getattr(query, name))}
    interval, running = _interval(query, now)
    across = "" if query.across == query.group or {query.across, query.group} <= set(TIMES) else query.across
    return Asked(
        path, said, interval, running and not query.as_of, filters, query.group, across, query.basis, query.compare,
        query.as_of, query.currency, query.of,
    )  # fmt: skip


def _narrowed(to: Mapping[str, str]) -> dict[str, str]:
    """What an address says of a row, a column or a cell; a day or month is a stretch of days."""
    said = {name: value for name, value in to.items() if name not in TIMES}
    for by in TIMES:
        if by in to:
            said |= {"range": "days", **_bounds(by, to[by])}
    return said


def _bounds(by: str, name: str) -> dict[str, str]:
    """The days of a day (`2026-11-20`) or of a month (`2026-11`), as an address says them."""
    first = datetime.fromisoformat(name if by == "day" else f"{name}-01")
    after = first + timedelta(days=1) if by == "day" else _month_after(first)
    return {"since": first.date().isoformat(), "until": after.date().isoformat()}


def _month_after(first: datetime) -> datetime:
    return (first + timedelta(days=31)).replace(day=1)


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
    """A dimension as a heading says it, before translation."""
    return WORDS[name]
