"""Whether a pool was awake, idle or down, moment by moment of an hour. Pure.

Down: its engines fell silent, said that a model or deployment had failed, or an interruption had taken every GPU; and
nothing ran. Awake: an engine said that calls ran or waited, or requests ran. Idle: neither. Silence of GPUs proves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trivet.kit.interval import Interval

Span = tuple[datetime, datetime]
SLICE = timedelta(seconds=10)
FRESH = timedelta(seconds=60)  # a gauge holds so long; an engine that is silent for longer is down
BY_SPANS = "busy-union-1"
BY_COUNTERS = "engine-slices-1"
METHODS = {
    BY_SPANS: "Awake is the union of the request intervals; the rest is idle.",
    BY_COUNTERS: "By 10 s slices: down where engines that had spoken were silent for 60 s or said that they had failed, "
    "awake where calls ran or waited, else idle. Requests that ran make any time awake.",
}
ONE, ZERO = Decimal(1), Decimal(0)


@dataclass(frozen=True, slots=True)
class Said:
    """What one engine said in a slice: calls running and waiting, and the share of its KV cache in use."""

    running: Decimal = ZERO
    waiting: Decimal = ZERO
    kv_usage: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Counters:
    """What the engines of a pool said around an hour: by sender and slice; slices with a failure; whether they had spoken before."""

    said: Mapping[int, Mapping[datetime, Said]]
    failures: frozenset[datetime] = frozenset()
    heard_before: bool = False


@dataclass(frozen=True, slots=True)
class States:
    """When a pool was awake and when it was down, as disjoint spans in order; the rest is idle.

    `fill` are the slices in which engines said how full they were, each with the calls running, and whether calls waited.
    """

    method: str
    awake: Sequence[Span]
    down: Sequence[Span]
    fill: Mapping[datetime, Said]

    @property
    def evidence(self) -> str:
        return "counters" if self.method == BY_COUNTERS else "spans"


def states(hour: Interval, busy: Sequence[Span], counters: Counters | None, taken: Sequence[Span] = ()) -> States:
    """What is known of an hour: by counters where engines speak or have spoken, else by `busy` alone.

    `busy` are the spans in which requests ran, `taken` those in which every GPU had been taken away.
    """
    if counters is None or not (counters.said or counters.heard_before):
        return States(BY_SPANS, union(busy), minus(union(taken), union(busy)), {})
    slices = _slices(hour, counters)
    awake = union([*busy, *((at, at + SLICE) for at, said in slices.items() if said and _runs(said))])
    failed = [(at, at + FRESH) for at in counters.failures]
    silent = [(at, at + SLICE) for at, said in slices.items() if said is None]
    down = clipped(union([*silent, *failed, *taken]), hour)
    fill = {at: said for at, said in slices.items() if said}
    return States(BY_COUNTERS, awake, minus(down, awake), fill)


def _runs(said: Said) -> bool:
    return said.running > 0 or said.waiting > 0


def _slices(hour: Interval, counters: Counters) -> dict[datetime, Said | None]:
    """What all engines together said in each slice of the hour; None where those that had spoken were silent.

    A slice before the first word of an engine that had not spoken is not there.
    """
    found: dict[datetime, Said | None] = {}
    spoken = counters.heard_before
    at = hour.start
    while at < hour.end:
        heard = [said for own in counters.said.values() if (said := _held(own, at))]
        spoken = spoken or bool(heard)
        if spoken:
            found[at] = _together(heard) if heard else None
        at += SLICE
    return found


def _held(own: Mapping[datetime, Said], at: datetime) -> Said | None:
    """The newest word of one engine at a slice, not older than `FRESH`."""
    for back in range(FRESH // SLICE):
        if said := own.get(at - SLICE * back):
            return said
    return None


def _together(heard: Iterable[Said]) -> Said:
    """Calls add up; of caches the fullest."""
    every = list(heard)
    return Said(
        sum((said.running for said in every), ZERO),
        sum((said.waiting for said in every), ZERO),
        max(said.kv_usage for said in every),
    )


def fullness(said: Said, cap: int) -> Decimal:
    """How full engines are whose calls are bounded by `cap`: calls or cache, whichever is fuller; full where calls wait."""
    if said.waiting > 0:
        return ONE
    return min(ONE, max(said.running / cap, said.kv_usage))


def union(spans: Iterable[Span]) -> list[Span]:
    """Disjoint spans in order that cover the same time."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def minus(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The time of some disjoint spans, in order, that none of the others covers."""
    left = list(spans)
    for out_start, out_end in others:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, out_start)), (max(start, out_end), end))
            if part[0] < part[1]
        ]
    return left


def clipped(spans: Sequence[Span], within: Interval) -> list[Span]:
    """The parts of spans that lie in an interval."""
    cut = [(max(start, within.start), min(end, within.end)) for start, end in spans]
    return [(start, end) for start, end in cut if start < end]
