"""What is in flight: signals and running calls put together by scenario, so that silence can be told from a stall. Pure.

A signal that names its scenario speaks for it. One that names only its backend speaks for the scenarios that the backend
serves, and only while that backend finishes nothing for anyone: a busy engine says nothing of one idle scenario. That is
so after half a minute, or sooner where each scenario that it serves is silent for longer than its own pace explains.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from trivet_collectors import semconv as sc

FRESH = timedelta(seconds=90)  # a gauge that is older says nothing: exporters send each 60 s unless told otherwise
FINISHED_LATELY = timedelta(seconds=30)
GAUGES = {sc.TRIVET_REQUESTS_RUNNING.name: "running", sc.TRIVET_REQUESTS_WAITING.name: "waiting"}
ADMITTED, FINISHED = sc.TRIVET_REQUESTS_ADMITTED.name, sc.TRIVET_REQUESTS_FINISHED.name

Scope = tuple[int, int]  # scenario, backend; 0 for none


@dataclass(frozen=True, slots=True)
class Sign:
    """What one series says `at` a time: the value of a gauge, or how much a counter grew in the bucket that begins then."""

    scenario_id: int
    backend_id: int
    series: tuple[int, ...]  # what else tells it from others: tenant, model, pool, sender
    metric: str
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class InFlight:
    """Work that has been let in and is not done. `admitted` is how much was let in lately; `at` the newest sign of any.

    `since` is since when there has been work in flight, where that is known from before it was seen to concern the scenario.
    """

    running: float = 0.0
    waiting: float = 0.0
    admitted: float = 0.0
    at: datetime | None = field(default=None, compare=False)
    since: datetime | None = field(default=None, compare=False)

    @property
    def moves(self) -> bool:
        """Whether there is any."""
        return self.running > 0 or self.waiting > 0 or self.admitted > 0

    @property
    def words(self) -> str:
        """`5 run, 2 wait and 12 were let in`."""
        parts = [
            f"{number:.0f} {said}"
            for number, said in ((self.running, "run"), (self.waiting, "wait"), (self.admitted, "were let in"))
            if number > 0
        ]
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

    def __add__(self, other: "InFlight") -> "InFlight":
        at = max((each.at for each in (self, other) if each.at is not None), default=None)
        since = min((each.since for each in (self, other) if each.since is not None), default=None)
        running, waiting = self.running + other.running, self.waiting + other.waiting
        return InFlight(running, waiting, self.admitted + other.admitted, at, since)


def in_flight(
    signs: Iterable[Sign],
    told: Mapping[int, int],
    served_by: Mapping[int, Collection[int]],
    now: datetime,
    since: Mapping[int, datetime] | None = None,
) -> dict[int, InFlight]:
    """What moves, by scenario, of those of which something does.

    `told` is how many running calls backends told of, by scenario. `served_by` names the scenarios of each backend that
    has finished nothing for anyone lately, `since` says since when each of those has had work in flight. A scenario whose own counter says that calls finish is left out.
    """
    by_scope, finishing = _sums(signs, now)
    found: dict[int, InFlight] = {}
    for (scenario_id, backend_id), each in by_scope.items():
        if (scenario_id, backend_id) in finishing:
            continue
        for id_ in [scenario_id] if scenario_id else served_by.get(backend_id, ()):
            own = each if scenario_id else replace(each, since=(since or {}).get(backend_id))
            found[id_] = found.get(id_, InFlight()) + own
    for id_, count in told.items():
        before = found.get(id_, InFlight())
        found[id_] = replace(
            before, running=max(before.running, count - before.waiting), at=now if count else before.at
        )  # what waits is told to run too
    named = {scenario_id for scenario_id, _ in finishing if scenario_id}
    return {id_: each for id_, each in found.items() if each.moves and id_ not in named}


def stuck(signs: Iterable[Sign], now: datetime) -> set[int]:
    """Backends with work in flight that names no scenario, none of which they say they finish."""
    by_scope, finishing = _sums(signs, now)
    return {
        backend_id
        for (scenario_id, backend_id), each in by_scope.items()
        if backend_id and not scenario_id and each.moves and (scenario_id, backend_id) not in finishing
    }


def _sums(signs: Iterable[Sign], now: datetime) -> tuple[dict[Scope, InFlight], set[Scope]]:
    """What moves by scenario and backend, and where something was finished lately."""
    newest: dict[tuple[Scope, tuple[int, ...], str], Sign] = {}
    sums: dict[Scope, InFlight] = {}
    finishing: set[Scope] = set()
    for sign in signs:
        scope = sign.scenario_id, sign.backend_id
        if sign.metric in GAUGES:
            key = scope, sign.series, sign.metric
            newest[key] = max(newest.get(key, sign), sign, key=lambda s: s.at)
        elif sign.metric == ADMITTED and sign.value > 0:
            sums[scope] = sums.get(scope, InFlight()) + InFlight(admitted=sign.value, at=sign.at)
        elif sign.metric == FINISHED and sign.value > 0 and sign.at > now - FINISHED_LATELY:
            finishing.add(scope)
    for (scope, _, metric), sign in newest.items():
        sums[scope] = sums.get(scope, InFlight()) + InFlight(
            **{GAUGES[metric]: sign.value}, at=sign.at if sign.value > 0 else None, since=None
        )
    return sums, finishing


@dataclass(frozen=True, slots=True)
class Event:
    """So many health events or cold starts of one kind in one bucket."""

    bucket: datetime
    kind: str
    count: float


COLD_START = "cold_start"
OUT_OF_MEMORY = sc.HEALTH_OUT_OF_MEMORY
LIMITS = frozenset({sc.HEALTH_RATE_LIMIT, sc.HEALTH_CONCURRENCY_LIMIT})
BREAKS_SERVING = frozenset({sc.HEALTH_OUT_OF_MEMORY, sc.HEALTH_MODEL_LOAD, sc.HEALTH_GPU_LOST, sc.HEALTH_XID})


def count(events: Sequence[Event], kinds: Collection[str]) -> int:
    """How many events are of these kinds."""
    return round(sum(event.count for event in events if event.kind in kinds))
