"""What goes wrong, from a second on, and since when the guard's condition truly holds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from bench.detection.replay import Calls, Random


@dataclass(frozen=True)
class Fault:
    """`apply` changes the requests that start at `at` or later; `kind` is the condition that should find it."""

    name: str
    kind: str  # latency, errors, spend, hang
    apply: Callable[[Calls, float, Random], Calls]


def slower(times: float) -> Callable[[Calls, float, Random], Calls]:
    def apply(calls: Calls, at: float, _random: Random) -> Calls:
        return calls.but(took=np.where(calls.start >= at, calls.took * times, calls.took))

    return apply


def creep(a_minute: float) -> Callable[[Calls, float, Random], Calls]:
    """Slower by so much of itself each minute."""

    def apply(calls: Calls, at: float, _random: Random) -> Calls:
        return calls.but(took=calls.took * (1 + a_minute * np.maximum(0, calls.start - at) / 60))

    return apply


def failing(share: float) -> Callable[[Calls, float, Random], Calls]:
    """A share of the requests fails, quickly where all do."""

    def apply(calls: Calls, at: float, random: Random) -> Calls:
        hit = (calls.start >= at) & (random.random(len(calls.start)) < share)
        return calls.but(failed=calls.failed | hit, took=np.where(hit & (share >= 1), 0.05, calls.took))

    return apply


def dearer(times: float) -> Callable[[Calls, float, Random], Calls]:
    def apply(calls: Calls, at: float, _random: Random) -> Calls:
        return calls.but(cost=np.where(calls.start >= at, calls.cost * times, calls.cost))

    return apply


def hang(calls: Calls, at: float, _random: Random) -> Calls:
    """Nothing that has not ended by then ever ends."""
    return calls.but(took=np.where(calls.end >= at, 1e6, calls.took))


FAULTS = (
    Fault("latency step, 1.5 times", "latency", slower(1.5)),
    Fault("latency step, 2 times", "latency", slower(2)),
    Fault("latency step, 4 times", "latency", slower(4)),
    Fault("latency creep, 10 % a minute", "latency", creep(0.1)),
    Fault("latency creep, 50 % a minute", "latency", creep(0.5)),
    Fault("error burst, 10 %", "errors", failing(0.10)),
    Fault("error burst, 25 %", "errors", failing(0.25)),
    Fault("error burst, 60 %", "errors", failing(0.60)),
    Fault("dead model, every call fails", "errors", failing(1.0)),
    Fault("spend spike, 3 times", "spend", dearer(3)),
    Fault("spend spike, 10 times", "spend", dearer(10)),
    Fault("hang, nothing ends", "hang", hang),
)
