"""How long a breach took to begin, be seen, be acted upon and be over. Pure.

Began: the first of the bad buckets that lead up to its detection. Acted: the first command that names it. Recovered: the
guard is whole and the level that it caused is gone, as far as backends proved it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil

from trivet.kit.interval import Interval

LEVELS = frozenset({"degrade", "restore"})


@dataclass(frozen=True, slots=True)
class Act:
    """One command of a scenario, of all its backends where `whole`. `share` where it is for a part of conversations only."""

    id: int
    kind: str
    level: int | None
    whole: bool
    breach_id: int | None
    at: datetime
    observed_at: datetime | None = None
    effective_at: datetime | None = None
    ended_at: datetime | None = None
    share: float | None = None

    @property
    def held_at(self) -> datetime | None:
        """When it was proven, by telemetry or else by polls; what ended unproven counts from when it was given."""
        return self.effective_at or self.observed_at or (self.at if self.ended_at else None)


@dataclass(frozen=True, slots=True)
class Times:
    """Instants; None is not known, or not yet. `closed`: the guard is whole; `recovered`: and nothing is left of what was done."""

    began: datetime | None
    detected: datetime
    acted: datetime | None
    observed: datetime | None
    effective: datetime | None
    closed: datetime | None
    recovered: datetime | None
    command_id: int | None

    def seconds(self) -> dict[str, float | None]:
        """`detect` (began to detected), `act` (to the command), `take_hold` (to its proof), `recover` (from detected)."""
        return {
            "detect": _apart(self.began, self.detected),
            "act": _apart(self.detected, self.acted),
            "take_hold": _apart(self.acted, self.effective or self.observed),
            "recover": _apart(self.detected, self.recovered),
        }


def times(
    breach_id: int, opened: datetime, closed: datetime | None, acts: Sequence[Act], began: datetime | None
) -> Times:
    """Out of a scenario's commands since the breach opened, oldest first."""
    first = next((act for act in acts if act.breach_id == breach_id), None)
    return Times(
        began,
        opened,
        first.at if first else None,
        first.observed_at if first else None,
        first.effective_at if first else None,
        closed,
        _recovered(breach_id, closed, acts),
        first.id if first else None,
    )


def _recovered(breach_id: int, closed: datetime | None, acts: Sequence[Act]) -> datetime | None:
    """The later of the guard's end and the proof that what was done about it is undone; None until both are."""
    if closed is None:
        return None
    own = [act for act in acts if act.breach_id == breach_id and act.whole]
    if not own:
        return closed
    if own[0].kind not in LEVELS:  # gone back a revision: that is itself the way back
        held = own[0].held_at
        return max(closed, held) if held else None
    down = next((a for a in acts if a.at >= own[0].at and a.whole and a.level == 0 and not a.share), None)
    return max(closed, down.held_at) if down and down.held_at else None


def degraded(breach_id: int, acts: Iterable[Act], until: datetime) -> list[Interval]:
    """When a scenario was degraded for this breach: what is lost and saved then is its, and no other's.

    A level belongs to the last breach that raised to it, until another one raises, or level 0.
    """
    found: list[Interval] = []
    owner, since = None, None
    for act in acts:
        if not act.whole or act.kind not in LEVELS or act.share:
            continue
        named = None if not act.level else act.breach_id if act.breach_id is not None else owner
        if owner == breach_id and since is not None and named != owner and act.at > since:
            found.append(Interval(since, act.at))
        if named != owner:
            owner, since = named, act.at
    if owner == breach_id and since is not None and until > since:
        found.append(Interval(since, until))
    return found


def levels(acts: Iterable[Act], stretch: Interval) -> tuple[int, int]:
    """The level that a stretch began with, and the highest that was given in it."""
    given = [a.level for a in acts if a.whole and a.kind in LEVELS and a.level and stretch.start <= a.at < stretch.end]
    return (given[0], max(given)) if given else (1, 3)


def began(
    buckets: Iterable[tuple[datetime, Fraction, Fraction]], allowed: Fraction | None, detected: datetime, bucket_s: int, *,
    in_time: bool = False,
) -> datetime | None:  # fmt: skip
    """Start of the first bad bucket of those that lead up to the detection without a good one between; None where none is.

    `buckets` are (start, n, bad). A bucket is bad where more of its `n` (in time: of its seconds) was bad than is allowed;
    one in which nothing ended is neither.
    """
    if allowed is None:
        return None
    first = None
    for at, n, bad in sorted(buckets, reverse=True):
        if at > detected or (not n and not bad):
            continue
        if bad <= allowed * (bucket_s if in_time else n):
            if first is None and detected - at <= timedelta(seconds=2 * bucket_s):
                continue  # the bucket that was running: what is bad of it had not ended yet
            break
        first = at
    return None if first is None else min(first, detected)


def quantile(values: Sequence[float], q: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    ordered = sorted(values)
    return ordered[max(1, ceil(q * len(ordered) - 1e-9)) - 1] if ordered else None


def _apart(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, (end - start).total_seconds()), 3)
