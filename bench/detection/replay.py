"""Traffic as it was recorded, laid out on a clock of seconds, with nothing wrong.

`chat`: the arrivals and answer lengths of the Azure trace, at the pace of recorded calls of one model. `tenants`: the twenty
largest clients of ServeGen with their own rates and burstiness, week-long. `agents`: recorded sessions of a coding agent,
each call as slow as it was; a session is a tenant and a trace. One request in a hundred fails, as nobody published failures.
"""

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DATA = Path(__file__).parents[1] / "data"
SERVICE = ("anyscale", "llama-2-70b-chat")  # whose recorded pace answers are given at
FAILS = 0.01
PER_S = 6.0  # requests a second of `tenants`: the recorded rates are scaled to that
SESSIONS_PER_S = 0.12
HOUR_S = 3600
PRICE = 2e-6  # a token; only multiples of the usual spend matter
Floats = npt.NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True)
class Calls:
    """One entry a request: start and duration in seconds, whether it failed, its cost, tenant and trace."""

    start: Floats
    took: Floats
    failed: npt.NDArray[np.bool_]
    cost: Floats
    tenant: npt.NDArray[np.int64]
    trace: npt.NDArray[np.int64]

    @property
    def end(self) -> Floats:
        return np.asarray(self.start + self.took)

    def but(self, **changed: Any) -> "Calls":
        return replace(self, **changed)

    def where(self, kept: npt.NDArray[np.bool_]) -> "Calls":
        return Calls(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


@cache
def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt", newline="") as file:
        return list(csv.DictReader(file))


def chat(length_s: int, random: Random) -> Calls:
    """The hour of the Azure trace from a moment of chance on, again and again."""
    recorded = [(int(row["start_ms"]) / 1000, int(row["output_tokens"])) for row in rows("azure_conv_hour.csv.gz")]
    start, tokens = (np.array(column, dtype=np.float64) for column in zip(*recorded, strict=True))
    whole = float(start[-1]) + 1.0
    times = int(length_s // whole) + 2
    begin = float(random.uniform(0, whole))
    start = np.concatenate([start + whole * n for n in range(times)]) - begin
    kept = (start >= 0) & (start < length_s)
    return _answered(start[kept], np.tile(tokens, times)[kept], _zipf(int(kept.sum()), random), random)


def tenants(length_s: int, random: Random) -> Calls:
    """Twenty clients, each with the rate and the coefficient of variation it had in each ten minutes."""
    recorded = rows("servegen_clients_week.csv.gz")
    windows: dict[int, list[tuple[int, float, float]]] = {}
    for row in recorded:
        found = int(row["client_id"]), float(row["rate_rps"]), float(row["interarrival_cv"])
        windows.setdefault(int(row["window_start_s"]), []).append(found)
    usual = sum(rate for of in windows.values() for _, rate, _ in of) / len(windows)
    times = sorted(windows)
    first = int(random.integers(len(times)))
    start, tenant = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    for number in range(-(-length_s // 600)):
        for client, rate, variation in windows[times[(first + number) % len(times)]]:
            came = _renewals(rate * PER_S / usual, variation, random) + 600 * number
            start.append(came)
            tenant.append(np.full(len(came), client))
    at, who = np.concatenate(start), np.concatenate(tenant)
    order = np.argsort(at)
    at, who = at[order], who[order]
    lengths = np.array([int(row["output_tokens"]) for row in rows("azure_conv_hour.csv.gz")], dtype=np.float64)
    return _answered(at, random.choice(lengths, len(at)), who, random)


def agents(length_s: int, random: Random) -> Calls:
    """Sessions that begin at random; what happens after the first hour of one is left out."""
    sessions: dict[str, list[tuple[float, float]]] = {}
    for row in rows("agentic_calls.csv.gz"):
        if float(row["start_s"]) < HOUR_S:
            sessions.setdefault(row["session_id"], []).append((float(row["start_s"]), float(row["took_s"])))
    recorded = [np.array(of) for of in sessions.values()]
    begun = random.uniform(-HOUR_S, length_s, random.poisson(SESSIONS_PER_S * (length_s + HOUR_S)))
    parts = [(recorded[int(random.integers(len(recorded)))], at, n) for n, at in enumerate(begun)]
    start = np.concatenate([of[:, 0] + at for of, at, _ in parts])
    took = np.concatenate([of[:, 1] for of, _, _ in parts])
    who = np.concatenate([np.full(len(of), n) for of, _, n in parts])
    kept = (start >= 0) & (start < length_s)
    start, took, who = start[kept], took[kept], who[kept]
    return Calls(start, took, random.random(len(start)) < FAILS, took * PRICE * 30, who, who)


REPLAYS: dict[str, Callable[[int, Random], Calls]] = {"chat": chat, "tenants": tenants, "agents": agents}


def hours(name: str, count: int, random: Random) -> Iterator[Calls]:
    """So many hours of a replay, each on its own clock from 0, without what was in flight before."""
    for _ in range(count):
        yield REPLAYS[name](HOUR_S, random)


def _answered(start: Floats, tokens: Floats, tenant: npt.NDArray[np.int64], random: Random) -> Calls:
    paces = [row for row in rows("llmperf_paces.csv.gz") if (row["provider"], row["model"]) == SERVICE]
    first = np.array([float(row["ttft_ms"]) for row in paces])
    each = np.array([float(row["inter_token_ms"]) for row in paces])
    drawn = random.integers(len(paces), size=len(start))
    took = (first[drawn] + tokens * each[drawn]) / 1000
    trace = np.arange(len(start))
    return Calls(start, took, random.random(len(start)) < FAILS, tokens * PRICE, tenant, trace)


def _renewals(rate: float, variation: float, random: Random) -> Floats:
    """Moments within ten minutes, gamma distributed apart."""
    shape = 1 / max(variation, 0.1) ** 2
    count = int(rate * 600 * 1.5 + 20)
    came = np.cumsum(random.gamma(shape, 1 / (rate * shape), count)) - random.uniform(0, 1 / rate)
    return np.asarray(came[(came >= 0) & (came < 600)])


def _zipf(count: int, random: Random) -> npt.NDArray[np.int64]:
    weights = 1 / np.arange(1, 21)
    return np.asarray(random.choice(20, count, p=weights / weights.sum()), dtype=np.int64)
