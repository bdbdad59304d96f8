"""What a verdict is, and what the next one needs to know of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from trivet.card.content import Guard

Word = Literal["ok", "breach", "stall", "no_data"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guard stood before: `broken` while its breach is open, which a lack of data does not end.

    `by_stall` where silence alone opened it, and no number since. `ok_since` is since when every verdict was `ok`: what was
    counted before that has been dealt with.
    """

    broken: bool = False
    over_since: datetime | None = None
    clear_since: datetime | None = None
    by_stall: bool = False
    ok_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, the reason in words with numbers, and the standing that the next verdict builds on.

    `numbers` are what the reason rests on, by name: of a share, its evidence (`sequential.Evidence.numbers`).
    """

    word: Word
    reason: str
    value: float | None
    threshold: float
    sample: int
    standing: Standing
    numbers: Mapping[str, float] = field(default_factory=dict)


def lasting(guard: Guard, seen: Verdict, reason: str, word: Word, now: datetime) -> Verdict:
    """The verdict `word` once it has lasted `for_s`; until then what was seen, and when it breaks."""
    assert seen.standing.over_since is not None
    lasted = now - seen.standing.over_since
    if lasted < timedelta(seconds=guard.for_s):
        return replace(
            seen,
            reason=f"{reason} for {lasted.total_seconds():.0f} s, breaks after {guard.for_s:g} s",
            standing=replace(seen.standing, by_stall=False),
        )
    return replace(seen, word=word, reason=reason, standing=Standing(broken=True, by_stall=word == "stall"))
