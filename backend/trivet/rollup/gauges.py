"""How gauges stand now, sender by sender: several processes that speak for one backend are added up and not overwritten."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from trivet.fleet.signal_models import SignalSample, SignalSeries
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.rollup.read import one_of

DAY_S = 86_400
SENDERS_MAX = 5_000  # read at once; more are left out
SILENT_FOR = 3  # of its own intervals: a sender that was quiet for longer while others of its kind spoke is gone
SHORTEST = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Gauge:
    """The newest value of one sender, in the metric's unit; `every` is how often it speaks, None where it spoke once."""

    sender: int
    tenant_id: int
    scenario_id: int
    model_id: int
    backend_id: int
    pool_id: int
    metric: str
    detail: str
    at: datetime
    value: float
    every: timedelta | None = None

    @property
    def of(self) -> tuple[Any, ...]:
        """What it is a gauge of, whoever sends it."""
        return self.tenant_id, self.scenario_id, self.model_id, self.backend_id, self.pool_id, self.metric, self.detail


def newest(session: Session, within: Interval, metrics: Collection[str]) -> list[Gauge]:
    """The newest value of each sender within an interval. One statement, by keys."""
    last = (
        select(SignalSample.sampled_at, (SignalSample.total / SignalSample.samples).label("value"))
        .where(SignalSample.series_id == SignalSeries.id, SignalSample.samples > 0)
        .where(SignalSample.sampled_at >= within.start, SignalSample.sampled_at < within.end)
        .order_by(SignalSample.sampled_at.desc())
        .limit(2)
        .lateral()
    )
    s = SignalSeries
    query = (
        select(
            s.id, s.tenant_id, s.scenario_id, s.model_id, s.backend_id, s.pool_id, s.metric, s.detail, last.c.sampled_at, last.c.value
        )
        .join(last, true())
        .where(one_of(s.metric, metrics), s.seen_on >= floor(within.start, DAY_S) - timedelta(days=1))
        .order_by(s.id, last.c.sampled_at.desc())
        .limit(2 * SENDERS_MAX)
    )  # fmt: skip
    spoken = groupby((Gauge(*row) for row in session.execute(query)), lambda gauge: gauge.sender)
    return alive(_newest(list(own)) for _, own in spoken)


def _newest(own: Sequence[Gauge]) -> Gauge:
    """The first of one sender's values, newest first, with how long after the one before it came."""
    now = own[0]
    every = now.at - own[1].at if len(own) > 1 else None
    return replace(now, every=every)


def alive(gauges: Iterable[Gauge]) -> list[Gauge]:
    """Those left when senders that have gone are left out: what a process had in hand when it was replaced runs no more.

    Pure. The last of its kind to speak is never left out: nobody took its place.
    """
    found = list(gauges)
    heard: dict[tuple[Any, ...], datetime] = {}
    for each in found:
        heard[each.of] = max(each.at, heard.get(each.of, each.at))
    return [
        each
        for each in found
        if each.every is None or heard[each.of] - each.at <= max(SHORTEST, SILENT_FOR * each.every)
    ]
