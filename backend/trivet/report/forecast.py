"""A forecast of daily cost and the interval it was within before. Pure; statistics are floats, money is made of them once.

    day h ahead = (level + trend so far) × what this day of the week usually is

- *season*: each day over the median of the week around it; the median of these ratios by day of the week, drawn towards 1
  where few weeks were seen. Without two whole weeks there is none.
- *level*: mean of the days without their season, the newer the heavier (half a week back counts half), none counting for more
  than three robust deviations from the median.
- *trend*: the median of all slopes between the last weeks (Theil and Sen), less the less it stands out of how they vary, and
  dying away, so that a rise is not drawn out for ever.
- *interval*: the same forecast is made at each past day that has enough before and after it; the relative errors of its
  sums have quantiles, and these are put around the forecast. A forecast on too little history has no interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from trivet.kit.money import EXACT

METHOD = "weekday-robust-1"
WEEK = 7
HISTORY_MAX = 26  # seasons that are looked at
SEASONS_FOR_TREND = 4
DAMPING = 0.85  # of the trend, per half season
INTERVAL = 0.8  # how often the truth is to lie within …
TAKEN = 0.9  # … for which so much of the past errors is taken: what comes errs more than what was (bench/forecast.py)
ORIGINS = 12  # seasons of past forecasts
ERRORS_MIN = 8  # past forecasts that an interval needs
DOUBT = 30.0  # a rise of so many squared deviations counts half
CLIP = 3.0
STILL = 0.05
MAD_TO_SIGMA = 1.4826
PLACES = Decimal(1).scaleb(-6)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forecast:
    """One value a step, their sum and the interval of the sum; None where history is too short to know it.

    `errors` is how many past forecasts the interval was made from.
    """

    steps: tuple[float, ...]
    total: float
    low: float | None
    high: float | None
    errors: int


def forecast(history: Sequence[float], horizon: int, season: int = WEEK) -> Forecast:
    """The next `horizon` steps after some history, oldest first; of no history nothing."""
    known = np.asarray(history[-HISTORY_MAX * season :], dtype=np.float64)
    if not len(known) or horizon < 1:
        return Forecast((0.0,) * max(horizon, 0), 0.0, None, None, 0)
    steps = _ahead(known, horizon, season)
    total = float(steps.sum())
    errors = _errors(known, horizon, season)
    low = high = None
    if len(errors) >= ERRORS_MIN and total > 0:
        measure = _measure(total, known, horizon, season)
        low, high = (max(total + measure * _quantile(errors, q), 0.0) for q in ((1 - TAKEN) / 2, (1 + TAKEN) / 2))
        low, high = min(low, total), max(high, total)
    return Forecast(tuple(map(float, steps)), total, low, high, len(errors))


def _ahead(known: Floats, horizon: int, season: int) -> Floats:
    factors = _season(known, season)
    own = factors[np.arange(len(known)) % season]
    near = _clipped(known / own, season)
    drift = _trend(near[-SEASONS_FOR_TREND * season :], season)
    age = np.arange(len(near))[::-1]
    weights = 0.5 ** (age / (season / 2)) * own  # so that the level gives the sum of what was seen
    level = float(((near + drift * age) * weights).sum() / weights.sum())
    fading = np.cumsum(DAMPING ** (np.arange(1, horizon + 1) / (season / 2)))
    ahead = np.arange(len(known), len(known) + horizon) % season
    values = (level + drift * fading) * factors[ahead]
    return np.maximum(values, 0.0) if bool((known >= 0).all()) else values


def _clipped(plain: Floats, season: int) -> Floats:
    """No step further from the median of the last seasons than robust deviations allow; what never varied by 5 %."""
    last = plain[-SEASONS_FOR_TREND * season :]
    middle = float(np.median(last))
    spread = max(MAD_TO_SIGMA * float(np.median(np.abs(last - middle))), STILL * abs(middle))
    return np.clip(plain, middle - CLIP * spread, middle + CLIP * spread) if spread else plain


def _season(known: Floats, season: int) -> Floats:
    """Factor by phase, from the start of the history; ones where there is too little to tell."""
    ones = np.ones(season)
    if len(known) < 2 * season or not bool((known >= 0).all()):
        return ones
    half = season // 2
    around = np.lib.stride_tricks.sliding_window_view(known, 2 * half + 1)
    middle = around.mean(axis=1)
    centre = known[half : len(known) - half]
    usable = middle > 0
    ratios, phases = (centre[usable] / middle[usable], (np.arange(half, half + len(centre)) % season)[usable])
    found = ones.copy()
    for phase in range(season):
        own = ratios[phases == phase]
        if len(own):
            found[phase] = 1 + (float(np.median(own)) - 1) * len(own) / (len(own) + 1)
    return np.maximum(found / found.mean(), 0.02) if found.mean() > 0 else ones


def _trend(near: Floats, season: int) -> float:
    """Median slope a step, less where it does not stand out of how the seasons vary; none on less than two seasons."""
    if len(near) < 2 * season:
        return 0.0
    whole = near[len(near) % season :].reshape(-1, season).mean(axis=1)
    first, second = np.triu_indices(len(whole), 1)
    slope = float(np.median((whole[second] - whole[first]) / (second - first)))
    left = whole - slope * np.arange(len(whole))
    noise = float(np.median(np.abs(left - np.median(left))))
    rise = slope * (len(whole) - 1)
    return slope / season * (rise * rise / (rise * rise + DOUBT * noise * noise) if rise else 0.0)


def _errors(known: Floats, horizon: int, season: int) -> Floats:
    """Relative errors of the sums of past forecasts as far ahead, or as far as history allows."""
    reach = min(horizon, max(len(known) - 2 * season - ERRORS_MIN, 1))
    origins = range(2 * season, len(known) - reach + 1)
    found = []
    for origin in origins[-ORIGINS * season :: max(season // 6, 1)]:
        told = float(_ahead(known[:origin], reach, season).sum())
        measure = _measure(told, known[:origin], reach, season)
        if measure > 0:
            found.append((float(known[origin : origin + reach].sum()) - told) / measure)
    return np.asarray(found)


def _measure(told: float, known: Floats, steps: int, season: int) -> float:
    """What errors of a sum are relative to: the forecast, but never less than half of what was usual lately.

    A forecast of next to nothing, after a fall, would make any error a hundredfold one.
    """
    return max(told, float(np.median(known[-2 * season :])) * steps / 2)


def _quantile(errors: Floats, q: float) -> float:
    """An empirical quantile that is a little wider on few errors, as the next one is not among them."""
    n = len(errors)
    wider = min(max(q + (q - 0.5) / n, 0.0), 1.0)
    return float(np.quantile(errors, wider))


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """What a month comes to: `spent` so far, `expected` of the days that are left, and the whole with its interval."""

    spent: Decimal
    expected: Decimal
    total: Decimal
    low: Decimal | None
    high: Decimal | None
    days: tuple[tuple[date, Decimal], ...]
    errors: int


def month_end(daily: Sequence[Decimal], spent: Decimal, first_left: date, days_left: int, begun: Decimal) -> MonthEnd:
    """The month's total from whole days so far (`daily`, oldest first, up to the day before `first_left`).

    `spent` is the month so far, `begun` what of it fell on `first_left` already: that day is taken whole, and at least that.
    Money becomes a float here, for statistics, and the forecast becomes money once.
    """
    told = forecast([float(amount) for amount in daily], days_left)
    steps = [max(_money(step), begun if n == 0 else _money(0.0)) for n, step in enumerate(told.steps)]
    expected = EXACT.subtract(_sum(steps), begun if steps else Decimal(0))
    low = None if told.low is None else EXACT.add(spent, max(EXACT.subtract(_money(told.low), begun), Decimal(0)))
    high = None if told.high is None else EXACT.add(spent, max(EXACT.subtract(_money(told.high), begun), expected))
    total = EXACT.add(spent, expected)
    days = tuple((first_left + timedelta(days=n), step) for n, step in enumerate(steps))
    return MonthEnd(spent, expected, total, None if low is None else min(low, total), high, days, told.errors)


def _sum(amounts: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for each in amounts:
        total = EXACT.add(total, each)
    return total


def _money(value: float) -> Decimal:
    return EXACT.quantize(Decimal(repr(value)), PLACES)
