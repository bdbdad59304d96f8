"""What a guard asks for beside its scenario's requests. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.card.content import Guard
from trivet.guard.window import AHEAD, BUCKET_S
from trivet.kit.clock import floor
from trivet.kit.interval import Interval

Key = tuple[int, str]  # scenario, guard


@dataclass(frozen=True, slots=True)
class Ask:
    """One guard of one scenario's active card."""

    scenario_id: int
    revision_id: int
    guard: Guard
    currency: str

    @property
    def key(self) -> Key:
        return self.scenario_id, self.guard.name


def back(now: datetime, seconds: float, grain_s: int = BUCKET_S) -> Interval:
    """So many seconds back from now, in whole buckets, and what clocks that go a little fast have sent."""
    return Interval(floor(now - timedelta(seconds=seconds), grain_s), floor(now, BUCKET_S) + AHEAD)
