"""Utilisation, KV cache and queue over time, by pool, on one axis: three charts of the same width. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final

from trivet.console import format as say
from trivet.console.tongue import N_, _
from trivet.kit.interval import Interval

WIDTH, HEIGHT, TICKS = 960, 80, 5
POOLS_MAX: Final = 6
KINDS: Final = (
    ("used", N_("Utilisation of the cards: reads high at any load"), True),
    ("kv", N_("KV cache in use: how full the engines are"), True),
    ("waiting", N_("Calls that wait: the queue"), False),
)
Series = Mapping[datetime, float]  # by the start of a bucket


@dataclass(frozen=True, slots=True)
class Line:
    """One pool in one chart: `paths` are the stretches without a gap; `last` its newest value, in words."""

    pool: str
    index: int
    paths: tuple[str, ...]
    last: str
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One of the three. `top` is what its highest line means, in words; empty `lines`: nobody told of it."""

    key: str
    words: str
    top: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Multiples:
    """All three over the same time."""

    charts: tuple[Chart, ...]
    pools: tuple[tuple[str, int], ...]
    ticks: tuple[str, ...]


def multiples(
    found: Mapping[str, Mapping[str, Series]], pools: Sequence[str], over: Interval, grain_s: int, zone: tzinfo
) -> Multiples:
    """`found`: {kind: {pool: series}}; at most `POOLS_MAX` pools are drawn, in their order."""
    drawn = tuple(enumerate(pools[:POOLS_MAX]))
    charts = tuple(
        _chart(key, words, found.get(key, {}), drawn, _Scale(over, grain_s, 1.0, share)) for key, words, share in KINDS
    )
    ticks = tuple(say.day_clock(over.start + (over.end - over.start) * n / TICKS, over.end, zone) for n in range(TICKS))
    return Multiples(charts, tuple((pool, index) for index, pool in drawn), ticks)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the lines of one chart share: `highest` is its top, `share` says that it is 100 %."""

    over: Interval
    grain_s: int
    highest: float
    share: bool


def _chart(
    key: str, words: str, by_pool: Mapping[str, Series], drawn: Sequence[tuple[int, str]], scale: _Scale
) -> Chart:
    most = max((value for series in by_pool.values() for value in series.values()), default=0.0) or 1.0
    own = scale if scale.share else replace(scale, highest=most)
    lines = tuple(_line(pool, index, by_pool[pool], own) for index, pool in drawn if by_pool.get(pool))
    return Chart(key, _(words), "100 %" if own.share else say.count(round(own.highest)), lines)


def _line(pool: str, index: int, series: Series, scale: _Scale) -> Line:
    over, grain_s, highest, share = scale.over, scale.grain_s, scale.highest, scale.share
    whole = (over.end - over.start).total_seconds()
    pieces: list[list[str]] = []
    before: datetime | None = None
    for at in sorted(series):
        if before is None or (at - before).total_seconds() > grain_s * 1.5:
            pieces.append([])
        x = (at - over.start).total_seconds() / whole * WIDTH
        pieces[-1].append(f"{x:.1f},{_y(series[at], highest):.1f}")
        before = at
    newest = series[max(series)]
    last = say.share(newest) if share else f"{newest:.0f}"
    least, most = min(series.values()), max(series.values())
    spread = f"{say.share(least)}–{say.share(most)}" if share else f"{least:.0f}–{most:.0f}"
    words = _("{pool}: {spread}, now {last}", pool=pool or _("no pool"), spread=spread, last=last)
    return Line(pool, index, tuple(" ".join(piece if len(piece) > 1 else piece * 2) for piece in pieces), last,
                round(_y(newest, highest), 1), words)  # fmt: skip


def _y(value: float, highest: float) -> float:
    return HEIGHT * (1 - min(max(value / highest, 0.0), 1.0))
