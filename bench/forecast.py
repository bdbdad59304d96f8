"""The forecast against two naive ones, back-tested: from each past point on, how far off was the sum of what came?

`last` says that the next stretch costs what the last one of its length did; `rate` goes on at the mean of the last season.
Real usage: hourly requests of production LLM serving (season 24) and daily cost of one developer's tool (season 7); made-up
daily series with a seed beside them. Prints the mean absolute percentage error of sums over half, one and two seasons, MASE
of single steps (below 1: better than repeating the season before), and how often the truth lay within the interval.
"""

import csv
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from bench import say

from trivet.report.forecast import INTERVAL, forecast

DATA = Path(__file__).parent / "data"
SEED = 20261121
COVERAGE_GOAL = (INTERVAL - 0.1, 1.0)


@dataclass
class Score:
    """Errors of one series: relative ones of sums by forecaster, absolute ones of steps, and hits of the interval."""

    sums: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "last": [], "rate": []})
    steps: list[float] = field(default_factory=list)
    repeated: list[float] = field(default_factory=list)
    within: list[bool] = field(default_factory=list)

    def mape(self, who: str) -> float:
        return 100 * float(np.mean(self.sums[who]))

    def mase(self) -> float:
        return float(np.mean(self.steps)) / float(np.mean(self.repeated))


def main() -> bool:
    """A line a series, then the whole; true where ours beats both naive ones over all and the interval keeps its word."""
    real = real_series()
    print(f"{'series':<24}{'ours':>9}{'last':>9}{'rate':>9}   {'MASE':>6}{'within':>9}")
    scores = {name: tell(name, *given) for name, given in (real | made_up()).items()}
    met = []
    for naive in ("last", "rate"):
        for words, names in (("real", real.keys()), ("all", scores.keys())):
            ratio = mean_ratio([scores[name] for name in names], naive)
            met.append(
                say.verdict(
                    f"error over that of `{naive}`, {words}", f"{ratio:.2f} (geometric mean)", "< 1", met=ratio < 1
                )
            )
    within = float(np.mean([hit for score in scores.values() for hit in score.within]))
    low, high = COVERAGE_GOAL
    met.append(
        say.verdict(
            f"interval of {INTERVAL:.0%}", f"{within:.0%} within", f"{low:.0%} or more", met=low <= within <= high
        )
    )
    for naive in ("last", "rate"):
        worse = [name for name, score in scores.items() if score.mape("ours") > score.mape(naive)]
        say.note(f"worse than `{naive}`: {', '.join(worse) or 'nowhere'}")
    return all(met)


def tell(name: str, values: Sequence[float], season: int) -> Score:
    """Back-test one series, and print it."""
    score = back_test(np.asarray(values, dtype=float), season)
    within = f"{np.mean(score.within):.0%}" if score.within else "–"
    errors = "".join(f"{score.mape(who):>8.1f}%" for who in ("ours", "last", "rate"))
    print(f"{name:<24}{errors}   {score.mase():>6.2f}{within:>9}", flush=True)
    return score


def back_test(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", season: int) -> Score:
    """Every half season from the fourth season on is an origin."""
    score = Score()
    for horizon in (season // 2, season, 2 * season):
        for origin in range(4 * season, len(values) - horizon + 1, max(season // 2, 1)):
            truth = values[origin : origin + horizon]
            whole = float(truth.sum())
            if whole <= 0:
                continue
            ours = forecast(values[:origin].tolist(), horizon, season)
            last = float(values[origin - horizon : origin].sum())
            rate = float(values[origin - season : origin].mean()) * horizon
            for who, told in (("ours", ours.total), ("last", last), ("rate", rate)):
                score.sums[who].append(abs(told - whole) / whole)
            repeated = np.resize(values[origin - season : origin], horizon)
            score.steps.append(float(np.abs(np.asarray(ours.steps) - truth).mean()))
            score.repeated.append(float(np.abs(repeated - truth).mean()))
            if ours.low is not None and ours.high is not None:
                score.within.append(ours.low <= whole <= ours.high)
    return score


def mean_ratio(scores: Sequence[Score], naive: str) -> float:
    """Geometric mean of our error over a naive one's: no series counts for more because its errors are larger."""
    return math.exp(float(np.mean([math.log(score.mape("ours") / score.mape(naive)) for score in scores])))


def real_series() -> dict[str, tuple[list[float], int]]:
    with (DATA / "servegen_hourly.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {name: ([float(row[name]) for row in rows], 24) for name in rows[0] if name != "hour"}
    with (DATA / "aider_daily.csv").open(newline="") as file:
        found["aider, cost a day"] = [float(row["cost_usd"]) for row in csv.DictReader(file)], 7
    return found


def made_up() -> dict[str, tuple[list[float], int]]:
    """120 days each, seeded: quiet weekends, growth, a step, pure noise, single bursts."""
    random = np.random.default_rng(SEED)
    day = np.arange(120)
    week = np.array([1, 1.05, 1.1, 1.05, 1, 0.45, 0.4])[day % 7]

    def noisy(plain: "np.ndarray[tuple[int], np.dtype[np.float64]]", spread: float) -> list[float]:
        return list(map(float, plain * random.lognormal(0, spread, len(day))))

    bursts = np.where(np.isin(day, (31, 64, 92)), 6.0, 1.0)
    return {
        "made up: weekends": (noisy(100 * week, 0.1), 7),
        "made up: growing": (noisy(100 * week * 1.01**day, 0.1), 7),
        "made up: a step": (noisy(100 * week * np.where(day >= 80, 1.6, 1.0), 0.1), 7),
        "made up: noise": (noisy(np.full(len(day), 100.0), 0.3), 7),
        "made up: bursts": (noisy(100 * week * bursts, 0.1), 7),
    }


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
