"""Trivet's guard on a simulated clock: `guard.decide.verdict`, read each second, on what ended before that second."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from bench.detection.replay import HOUR_S, Calls, Floats

from trivet.card.watched import Guard
from trivet.guard.decide import Silence, Standing, Window, verdict
from trivet.guard.sequential import MEMORY_S, Counts, Normal
from trivet.kit import histogram

EPOCH = datetime(2026, 11, 21, tzinfo=UTC)
SIGN_S = 1  # how often a backend tells of its running calls
WINDOW_S, LEAST = 30, 20


def at(second: float) -> datetime:
    """The clock of a replay."""
    return EPOCH + timedelta(seconds=second)


def guard_of(kind: str, enter: float) -> Guard:
    """The guard of a preset, with a limit of its own: P95 in milliseconds, a share, or money an hour."""
    metric = {"latency": "p95_latency_ms", "errors": "error_rate", "spend": "cost_per_hour", "hang": "p95_latency_ms"}
    return Guard(
        name="g", metric=metric[kind], enter=enter, leave=enter * 0.8, window_s=WINDOW_S, minimum_sample=LEAST
    )  # fmt: skip


@dataclass(frozen=True)
class Seconds:
    """One hour by the second in which requests ended."""

    counts: list[Counts]
    histograms: list[bytes]
    cost: Floats
    n: Floats
    failed: Floats
    start: Floats
    end: Floats


def seconds(guard: Guard, calls: Calls) -> Seconds:
    order = np.argsort(calls.end)
    calls = Calls(*(getattr(calls, name)[order] for name in calls.__dataclass_fields__))
    calls_in = calls.where(calls.end < HOUR_S)
    ended = calls_in.end.astype(np.int64)
    bad = calls_in.failed if guard.metric == "error_rate" else calls_in.took * 1000 > guard.enter
    n, failed = _by_second(ended), _by_second(ended[bad])
    squares = [
        _squares(ended[bad], calls_in.trace[bad]), _squares(ended[bad], calls_in.tenant[bad]), _squares(ended, calls_in.tenant)
    ]  # fmt: skip
    counts = [Counts(at(s), int(n[s]), int(failed[s]), *(int(of[s]) for of in squares)) for s in range(HOUR_S)]
    bounds = np.searchsorted(ended, np.arange(HOUR_S + 1))
    took_us = (calls_in.took * 1e6).astype(np.int64)
    latency = guard.metric.endswith("_ms")
    histograms = [histogram.of(took_us[bounds[s] : bounds[s + 1]].tolist()) if latency else b"" for s in range(HOUR_S)]
    cost = np.bincount(ended, weights=calls_in.cost, minlength=HOUR_S)[:HOUR_S]
    return Seconds(counts, histograms, cost, n, failed, np.sort(calls.start), calls.end)


def openings(
    guard: Guard, calls: Calls, first: int, last: int, silent_from: float = np.inf, *, normal: Normal | None = None
) -> list[tuple[int, str]]:
    """When the guard breaks, in seconds, and why; from `silent_from` on the backend says nothing any more.

    An instant at which nothing bad ended and nothing is silent cannot break a guard on a share: it is passed over.
    """
    of, standing, found = seconds(guard, calls), Standing(), []
    for t in range(first, last):
        silence = _silence(of, t, silent_from)
        plain = guard.metric.startswith("cost")
        if not standing.broken and not plain and not of.failed[t - 1] and silence is None:
            continue
        said = verdict(guard, window(guard, of, t, silence, normal), standing, at(t))
        if said.standing.broken and not standing.broken:
            found.append((t, said.reason))
        standing = said.standing
    return found


def window(guard: Guard, of: Seconds, t: int, silence: Silence | None = None, normal: Normal | None = None) -> Window:
    first = max(0, t - guard.window_s)
    n, failed = int(of.n[first:t].sum()), int(of.failed[first:t].sum())
    data = b"".join(of.histograms[first:t])
    return Window(
        seconds=guard.window_s, served=n, errors=failed, priced=n, cost=float(of.cost[first:t].sum()), latency=data,
        latency_count=n, finished=n > 0, silence=silence, counts=of.counts[max(0, t - MEMORY_S) : t], normal=normal,
    )  # fmt: skip


def _silence(of: Seconds, t: int, silent_from: float) -> Silence | None:
    """The newest sign said how many were in flight; those that have not ended since still are."""
    sign = int(min(t, silent_from) // SIGN_S) * SIGN_S
    ended = int(np.searchsorted(of.end, t))
    running = int(np.searchsorted(of.start, sign)) - int(np.searchsorted(of.end, sign))
    left = running - (ended - int(np.searchsorted(of.end, sign)))
    if not ended or left <= 0 or of.n[t - 1]:
        return None
    quiet = int(of.end[ended - 1]) + 1
    since = at(max(0, quiet - 1))
    return Silence(since, f"{left} run", at(quiet))


def _by_second(at: Sequence[int] | np.ndarray) -> Floats:
    return np.bincount(np.asarray(at, dtype=np.int64), minlength=HOUR_S)[:HOUR_S].astype(np.float64)


def _squares(at: np.ndarray, who: np.ndarray) -> Floats:
    """Sums of the squares of how many each one has in a second."""
    if not len(at):
        return np.zeros(HOUR_S)
    pairs, counts = np.unique(np.stack([at, who]), axis=1, return_counts=True)
    return np.bincount(pairs[0], weights=counts.astype(np.float64) ** 2, minlength=HOUR_S)[:HOUR_S]
