"""What a check of a promise comes to."""

from dataclasses import dataclass
from datetime import datetime

EVERY_S = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the promise holds, and what was looked at; where it does not hold, what was found."""

    holds: bool
    detail: str


def turn(now: datetime, count: int) -> int:
    """Which of `count` things the run at `now` looks at: runs are `EVERY_S` apart, and each takes the next one."""
    return int(now.timestamp()) // EVERY_S % count
