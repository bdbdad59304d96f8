"""How many requests there were over time, by outcome, as bars. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from trivet.console import format as say
from trivet.console.address import Address
from trivet.console.requests.asked import OUTCOME_WORDS
from trivet.console.tongue import _
from trivet.ingest.models import OUTCOMES
from trivet.kit.clock import floor
from trivet.kit.interval import Interval

WIDTH, HEIGHT, TICKS = 960, 96, 5
GAP = 0.25  # of a step, between two bars
GRAINS_S: Final = ((900, 10), (3_600, 60), (21_600, 600), (86_400, 3_600), (7 * 86_400, 21_600))
DRAWN_MAX = timedelta(days=7, hours=6)
Counts = Mapping[datetime, Sequence[int]]  # by bucket: one number an outcome


@dataclass(frozen=True, slots=True)
class Piece:
    """One outcome of one bar."""

    outcome: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bucket, and the address of its requests alone."""

    x: float
    width: float
    pieces: tuple[Piece, ...]
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One outcome: how often, and the address that keeps it alone."""

    outcome: str
    count: int
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it. `partial`: filters that sums do not know are not in it."""

    bars: tuple[Bar, ...]
    outcomes: tuple[Shown, ...]
    ticks: tuple[tuple[float, str], ...]
    highest: int
    says: str
    partial: bool


def buckets(interval: Interval) -> tuple[Interval, int] | None:
    """The interval in whole buckets and how long one is; None where it is too long for a picture."""
    if interval.end - interval.start > DRAWN_MAX:
        return None
    seconds = (interval.end - interval.start).total_seconds()
    grain_s = next((grain for longest, grain in GRAINS_S if seconds <= longest), GRAINS_S[-1][1])
    end = floor(interval.end, grain_s)
    if end < interval.end:
        end += timedelta(seconds=grain_s)
    return Interval(floor(interval.start, grain_s), end), grain_s


def picture(counts: Counts, over: Interval, grain_s: int, address: Address, zone: tzinfo, *, partial: bool) -> Picture:
    """Bars from zero, the outcomes of each on top of one another, what went well below."""
    chosen = address.said.get("outcome", "")
    kept = [name for name in OUTCOMES if chosen in ("", name)]
    steps = int((over.end - over.start).total_seconds()) // grain_s
    totals = {at: sum(_of(counts[at], name) for name in kept) for at in counts}
    highest = max(totals.values(), default=0)
    width = WIDTH / max(steps, 1)
    starts = [over.start + timedelta(seconds=grain_s * n) for n in range(steps)]
    scale = _Scale(address, zone, grain_s, width, highest, kept)
    bars = tuple(_bar(counts[at], at, n, scale) for n, at in enumerate(starts) if totals.get(at))
    shown = tuple(
        Shown(name, sum(_of(each, name) for each in counts.values()), address.url(outcome="" if name == chosen else name, cursor=""), name == chosen)
        for name in OUTCOMES
    )  # fmt: skip
    ticks = tuple(
        (WIDTH * n / TICKS, say.day_clock(over.start + (over.end - over.start) * n / TICKS, over.end, zone))
        for n in range(TICKS)
    )
    said = ", ".join(f"{_(each.outcome)} {say.count(each.count)}" for each in shown if each.count)
    return Picture(
        bars, shown, ticks, highest, _("Requests over time by outcome: {counts}", counts=said or _("none")), partial
    )


def _of(counts: Sequence[int], outcome: str) -> int:
    return counts[OUTCOMES.index(outcome)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """What all bars share: `highest` fills the height."""

    address: Address
    zone: tzinfo
    grain_s: int
    width: float
    highest: int
    kept: Sequence[str]


def _bar(counts: Sequence[int], at: datetime, step: int, scale: _Scale) -> Bar:
    pieces: list[Piece] = []
    y = float(HEIGHT)
    for name in scale.kept:
        height = HEIGHT * _of(counts, name) / scale.highest
        if height:
            y -= height
            pieces.append(Piece(name, round(y, 2), round(height, 2)))
    until = at + timedelta(seconds=scale.grain_s)
    told = ", ".join(f"{_(name)} {say.count(_of(counts, name))}" for name in scale.kept if _of(counts, name))
    start, end = say.clock(at, scale.zone, seconds=True), say.clock(until, scale.zone, seconds=True)
    words = _("{start} to {end}: {counts}", start=start, end=end, counts=told)
    url = scale.address.url(since=at.isoformat(), until=until.isoformat(), range="", cursor="")
    return Bar(round(step * scale.width, 2), round(scale.width * (1 - GAP), 2), tuple(pieces), words, url)


assert OUTCOME_WORDS == OUTCOMES
