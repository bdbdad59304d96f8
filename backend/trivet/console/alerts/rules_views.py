"""What the pages of a route and of a maintenance window get."""

from dataclasses import dataclass

from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class StepRow:
    """A channel that is told as well, and after how long nobody acknowledged. An empty one is there to be filled in."""

    after: str
    channels: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class RouteForm:
    """What was filled in: lengths of time as `5 min`, matchers one a line. `errors` by field."""

    name: str
    position: str
    matchers: str
    channels: tuple[Choice, ...]
    group_by: str
    group_wait_s: str
    group_interval_s: str
    repeat_s: str
    steps: tuple[StepRow, ...]
    goes_on: bool
    preview: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ending:
    """What deleting one takes away, said before it is done."""

    preview: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class RoutePage:
    """templates/alerts/route.html. `of` is the route's name, "" for a new one, which has no `ending`; `order` are those there."""

    reader: Reader
    of: str
    sentence: str
    order: str
    form: RouteForm
    ending: Ending | None


@dataclass(frozen=True, slots=True)
class WindowForm:
    """What was filled in. `later` is how many days after it begins the window ends; `zones` are offered. `errors` by field."""

    name: str
    matchers: str
    weekdays: tuple[Choice, ...]
    starts: str
    ends: str
    later: tuple[Choice, ...]
    zone: str
    zones: tuple[str, ...]
    reason: str
    preview: str
    errors: dict[str, str]


@dataclass(frozen=True, slots=True)
class WindowPage:
    """templates/alerts/window.html. `of` is the window's name, "" for a new one, which has no `ending`."""

    reader: Reader
    of: str
    sentence: str
    form: WindowForm
    ending: Ending | None
