"""Whether there is room for the next share of conversations to come back. Pure.

A probe shares its queue with everyone else: it looks well at 5 % and burns at 100 %. So the load of the next share is
worked out from what a call of each arm takes (Little's law: calls per second times the seconds they take), laid over what
the engines say (calls running and waiting, KV cache), and put through a queueing model. Without a word of an engine there
is no prediction, and that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trivet.kit import queueing

BUSY_MAX = 0.9  # of what a station can serve at once: beyond it, waits grow faster than any probe can watch
KV_MAX = 0.9  # of the KV cache: beyond it, engines put calls back
WAIT_SHARE = 0.25  # of the card's P95 that 95 of 100 calls may wait at most
WAITED_BY = 0.95
HEAVIER = 2.0  # a conversation that comes back is taken for so many times as heavy, until its arm was measured
NO_WORD = "no engine says how full it is, so only the two arms count"


@dataclass(frozen=True, slots=True)
class Flow:
    """One arm on one station, as if all conversations were in that arm: calls a second, the share of them that is let in,
    and the seconds that one takes. No call measured: `service_s` is 0.
    """

    calls_per_s: float = 0.0
    admitted: float = 1.0
    service_s: float = 0.0

    @property
    def in_flight(self) -> float:
        """Calls at once, by Little's law."""
        return self.calls_per_s * self.admitted * self.service_s


@dataclass(frozen=True, slots=True)
class Load:
    """One station (a pool or backend) that serves the scenario, and what runs there now.

    `capacity` is how many calls it serves at once, `kv_cache` the share of the KV cache in use; None: nobody said.
    """

    name: str
    running: float
    waiting: float
    capacity: float | None
    kv_cache: float | None
    here: Flow  # at the ladder's level
    back: Flow  # at the level below


@dataclass(frozen=True, slots=True)
class Forecast:
    """Whether the next share fits, and why in words. `known` is False where no engine said anything."""

    fits: bool
    words: str
    known: bool = True


def forecast(loads: Sequence[Load], share: float, to: float, p95_ms: float) -> Forecast:
    """What there would be at the share `to`, given what there is at `share` (both 0 to 1)."""
    told = [load for load in loads if load.capacity is not None or load.kv_cache is not None]
    if not told:
        return Forecast(True, NO_WORD, known=False)
    found = [_station(load, share, to, p95_ms / 1000 * WAIT_SHARE) for load in told]
    short = next((each for each in found if not each.fits), None)
    return short or max(found, key=lambda each: len(each.words))


def _station(load: Load, share: float, to: float, wait_max_s: float) -> Forecast:
    at = f"{load.name} at {to:.0%}"
    running = predicted(load, share, to)
    if load.capacity is not None:
        service_s = max(load.here.service_s, load.back.service_s)
        places = max(1, int(load.capacity))
        wait = queueing.wait_quantile_s(places, running, service_s, WAITED_BY)
        backlog = queueing.drain_s(load.waiting, places, min(running / places, 1.0), service_s)
        said = f"{at}: {running:.1f} of {places} places"
        if running > BUSY_MAX * places:
            return Forecast(False, f"{said} would be taken, {BUSY_MAX:.0%} may be")
        if max(wait, backlog) > wait_max_s:
            return Forecast(False, f"{said}, calls would wait {_s(max(wait, backlog))}, {_s(wait_max_s)} may be")
    else:
        said = f"{at}: {running:.1f} calls at once"
        if load.waiting > max(1.0, load.running):
            return Forecast(False, f"{load.name}: {load.waiting:.0f} calls wait as it is")
    if load.kv_cache is None:
        return Forecast(True, said)
    kept = load.kv_cache * running / load.running if load.running >= 1 else load.kv_cache
    said = f"{said}, KV cache {min(kept, 9.99):.0%}"
    return Forecast(kept <= KV_MAX, said if kept <= KV_MAX else f"{said}, {KV_MAX:.0%} may be")


def predicted(load: Load, share: float, to: float) -> float:
    """Calls in flight on the station with the share `to` of conversations at the level below."""
    here = load.here.in_flight
    # Never measured: heavier than here, and nobody turned away.
    back = load.back.in_flight or here / max(load.here.admitted, 0.01) * HEAVIER
    own = here * (1 - share) + load.back.in_flight * share
    others = max(0.0, load.running + load.waiting - own)
    return others + here * (1 - to) + back * to


def _s(seconds: float) -> str:
    return "without end" if seconds == queueing.NEVER else f"{seconds:.2g} s"
