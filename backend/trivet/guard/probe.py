"""Recovery by probe: a share of conversations goes back first, and is watched beside the others. Pure.

5, 20, 50, then 100 % (the card's own shares) have the level below, always the same conversations. A step is taken after its
time, when every guard that moves the ladder is past its `leave` in both arms and there is room for the next share. A guard
that breaks in either arm halves the share; below the smallest everyone goes back up, and the next probe waits twice as long.
Too little data waits, but not for ever: a ladder that nobody uses must come back too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from trivet.card.content import Guard, Level
from trivet.card.steps import Probe
from trivet.guard.decide import Verdict

BREAKS = ("breach", "stall")
PATIENCE = 3  # times its time that a step waits for data or a clear word
PATIENCE_MIN_S = 60.0
WAIT_MIN_S = 30.0  # before the next probe, after one that failed; it doubles from failure to failure
WAIT_MAX_S = 1800


@dataclass(frozen=True, slots=True)
class Probing:
    """So many conversations (0 to 1) are at the level below, since then."""

    share: float
    since: datetime


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an arm says of a step: it is `good`, it is `bad`, it is `near` its limits, or there is too `little` data."""

    word: Literal["good", "bad", "near", "little"]
    words: str
    guard: str | None = None


def moves(guard: Guard) -> bool:
    """Whether the guard moves the ladder: one in shadow says what it would have done, and moves nothing."""
    return bool(guard.raises_to) and not guard.shadow


def outlook(guards: Iterable[Guard], verdicts: Mapping[str, Verdict]) -> Outlook:
    """What one arm's verdicts come to."""
    found = [(guard, verdicts[guard.name]) for guard in guards if moves(guard) and guard.name in verdicts]
    for guard, seen in found:
        if seen.word in BREAKS:
            return Outlook("bad", seen.reason, guard.name)
    for guard, seen in found:
        if seen.standing.clear_since is None and (seen.word != "no_data" or seen.standing.broken):
            return Outlook("near", f"{guard.name}: {seen.reason}", guard.name)
    clear = [seen for _, seen in found if seen.standing.clear_since is not None]
    if clear:
        return Outlook("good", clear[0].reason)
    return Outlook("little", found[0][1].reason if found else "no guard measures it")


def worse(one: Outlook, other: Outlook) -> Outlook:
    """The one that says more against a step."""
    order = ("bad", "near", "little", "good")
    return min(one, other, key=lambda each: order.index(each.word))


def following(probe: Probe, share: float) -> float:
    """The share after this one; 1 is all."""
    return next((each for each in probe.shares if each > share + 1e-9), 1.0)


def halved(probe: Probe, share: float) -> float | None:
    """Half of it; None where that is less than the smallest: then everyone goes back up."""
    half = share / 2
    return half if probe.shares and half >= probe.shares[0] - 1e-9 else None


def patience_s(probe: Probe, failed: int = 0) -> float:
    """How long a step waits for data, or for a guard that is neither broken nor clear: longer with each that failed."""
    first_s = max(PATIENCE_MIN_S, PATIENCE * probe.step_s)
    return max(first_s, min(WAIT_MAX_S, first_s * 2.0 ** min(failed, 20)))


def retry_at(level: Level, failed: int, now: datetime) -> datetime:
    """When the next probe may begin, after so many that failed in a row."""
    first_s = max(WAIT_MIN_S, level.recover_after_s, level.probe.step_s)
    return now + timedelta(seconds=max(first_s, min(WAIT_MAX_S, first_s * 2.0 ** (min(failed, 20) - 1))))


def said(share: float) -> str:
    """`5 %` of conversations."""
    return f"{100 * share:.3g} %"


@dataclass(frozen=True, slots=True)
class Before:
    """What came before the present look: steps that failed in a row, and when both arms were last well."""

    failed: int = 0
    well_at: datetime | None = None


def passes(step: Probing, level: Level, arms: Outlook, before: Before, now: datetime) -> tuple[bool | None, str]:
    """Whether the step has passed (True), failed (False), or goes on (None), and why."""
    watched_s = (now - step.since).total_seconds()
    if arms.word == "bad":
        return False, arms.words
    if watched_s < level.probe.step_s:
        return None, f"watched for {level.probe.step_s - watched_s:.0f} s more"
    if arms.word == "good":
        return True, f"within limits for {watched_s:.0f} s: {arms.words}"
    since = max(step.since, before.well_at or step.since)
    left_s = patience_s(level.probe, before.failed if arms.word == "little" else 0) - (now - since).total_seconds()
    if left_s > 0:
        return None, f"{arms.words}; waits {left_s:.0f} s more"
    if arms.word == "near":
        return False, f"no clear word in {(now - since).total_seconds():.0f} s: {arms.words}"
    return True, f"too little data in {watched_s:.0f} s, and nothing against it: {arms.words}"
