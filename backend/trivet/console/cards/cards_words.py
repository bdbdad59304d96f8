"""The sentences of the pages of cards. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from trivet.console import format as say


@dataclass(frozen=True, slots=True)
class Known:
    """What the list's sentence is made of."""

    cards: int
    without: int = 0
    owed: Sequence[tuple[str, int, str]] = ()  # scenario, revision, who broke the glass
    trials: Sequence[tuple[str, int, float]] = ()  # scenario, revision, share
    waiting: int = 0


def sentence(known: Known) -> str:
    """The list in one sentence: what is owed first, then what is tried, then what waits."""
    if not known.cards:
        return "No scenario has a card yet, so nothing says what may give way."
    parts = [f"{say.count(known.cards)} scenario{_s(known.cards)} {'has' if known.cards == 1 else 'have'} a card"]
    if known.without:
        parts[0] += f", {known.without} {'has' if known.without == 1 else 'have'} none"
    if known.owed:
        scenario, number, who = known.owed[0]
        more = f" and {len(known.owed) - 1} more" if len(known.owed) > 1 else ""
        parts.append(
            f"a review is owed of revision {number} of {say.title(scenario)}, which {who} activated by break-glass{more}"
        )
    if known.trials:
        scenario, number, share = known.trials[0]
        more = f" and {len(known.trials) - 1} more" if len(known.trials) > 1 else ""
        parts.append(
            f"revision {number} of {say.title(scenario)} is on trial with {100 * share:g} % of conversations{more}"
        )
    if known.waiting:
        parts.append(f"{known.waiting} revision{_s(known.waiting)} wait{'s' * (known.waiting == 1)} for approval")
    return "; ".join(parts) + "."


@dataclass(frozen=True, slots=True)
class One:
    """What one card's sentence is made of."""

    name: str
    number: int
    since: datetime
    gives_way: str
    reason: str
    trial: tuple[int, float] | None = None  # revision, share
    scheduled: tuple[int, datetime] | None = None
    owed: bool = False
    shadow: int = 0


def of_one(one: One, now: datetime, zone: tzinfo) -> str:
    """One card in a sentence: what governs and why, then what is under way."""
    since = say.day_clock(one.since, now, zone)
    parts = [f"{say.title(one.name)} has been governed by revision {one.number} since {since} ({_stopped(one.reason)})"]
    if one.gives_way:
        parts.append(f"{one.gives_way} gives way first")
    if one.shadow:
        parts.append(f"{one.shadow} of its guards {'is' if one.shadow == 1 else 'are'} in shadow")
    if one.owed:
        parts.append("a review by another person is owed")
    if one.trial:
        number, share = one.trial
        parts.append(f"revision {number} is on trial with {100 * share:g} % of conversations")
    if one.scheduled:
        number, at = one.scheduled
        parts.append(f"revision {number} is scheduled for {say.day_clock(at, now, zone)}")
    return "; ".join(parts) + "."


def without_card(name: str) -> str:
    return f"{say.title(name)} has no card yet, so nothing says what may give way."


def approvals(product: str | None, operations: str | None, *, solo: bool) -> str:
    """Who approved, and who is still waited for."""
    if solo:
        return f"both by {product}, in solo mode"
    said = [f"{who} for {side}" for side, who in (("product", product), ("operations", operations)) if who]
    missing = [side for side, who in (("product", product), ("operations", operations)) if not who]
    if len(missing) == 2:
        return "nobody yet"
    return ", ".join(said) + (f"; {missing[0]} is missing" if missing else "")


def differ(before: int, after: int, changes: int) -> str:
    """Above the list of what changed."""
    if before == after:
        return "Choose two revisions to see what changed between them."
    if not changes:
        return f"Revisions {before} and {after} say the same."
    return f"From revision {before} to {after}, {changes} field{_s(changes)} changed."


def _stopped(text: str) -> str:
    return text.rstrip(". ") or "no reason was given"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
