"""Which routes take an alert, and with which others it is told. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivet.notify.rules.matchers import RESERVED, all_fit, named


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told as well when nobody has acknowledged after so many seconds."""

    after_s: float
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """A route: whom it tells, what it tells together, and how often."""

    id: int
    name: str
    matchers: tuple[str, ...]
    channels: tuple[str, ...]
    group_by: tuple[str, ...] = ("scenario",)
    group_wait_s: float = 5.0
    group_interval_s: float = 300.0
    repeat_s: float = 14_400.0
    steps: tuple[Step, ...] = ()
    goes_on: bool = False


def takes(way: Way, labels: Mapping[str, str]) -> bool:
    """Whether a route is for alerts with these labels.

    What is of a drill or of a guard in shadow goes only where a matcher names that. A channel that fails is told of on each
    route that uses it: whoever trusted in it should know.
    """
    if any(label in labels and label not in named(way.matchers) for label in RESERVED):
        return False
    if labels.get("kind") == "channel" and labels.get("channel") in every_channel(way):
        return True
    return all_fit(way.matchers, labels)


def routes_for(labels: Mapping[str, str], ways: Sequence[Way]) -> list[Way]:
    """The routes that take an alert, in their order: the first that fits, and those after it while each `goes_on`."""
    found = []
    for way in ways:
        if takes(way, labels):
            found.append(way)
            if not way.goes_on:
                break
    return found


def unrouted(labels: Mapping[str, str], ways: Sequence[Way]) -> str:
    """Why nobody is told of an alert that no route takes."""
    if not ways:
        return "there is no route yet, so nobody is told: make one with POST /api/v1/routes"
    for label in RESERVED:
        if label in labels:
            return f'it is marked {label}, and no route has a matcher such as {label}="true"'
    return f"none of {len(ways)} routes fits its labels"


def group_of(way: Way, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that alerts told together share."""
    return {name: labels[name] for name in sorted(way.group_by) if name in labels}


def every_channel(way: Way) -> frozenset[str]:
    """The route's own and those of its steps."""
    return frozenset(way.channels).union(*(step.channels for step in way.steps))


def told_channels(way: Way, steps: int) -> tuple[str, ...]:
    """Who has been told after so many steps, each once."""
    every = [*way.channels, *(channel for step in way.steps[:steps] for channel in step.channels)]
    return tuple(dict.fromkeys(every))


def channels_for(labels: Mapping[str, str], chosen: Sequence[str], there: Mapping[str, bool]) -> list[str]:
    """Of the channels chosen those that are there; `there` says of each whether it works.

    News of a failing channel never go through it; where nothing else is chosen they go through all others that work.
    """
    found = [name for name in chosen if name in there and name != labels.get("channel")]
    if found or "channel" not in labels:
        return found
    return sorted(name for name, works in there.items() if works and name != labels["channel"])
