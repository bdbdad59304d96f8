"""The sentences of the pages of cards. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import quote

from trivet.card.sentences import LEGS
from trivet.console import format as say
from trivet.console.tongue import _, _n


def address(name: str) -> str:
    """Of the page of a scenario's card."""
    return f"/cards/{quote(name, safe='')}"


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
        return _("No scenario has a card yet, so nothing says what may give way.")
    parts = [_n("{n} scenario has a card", "{n} scenarios have a card", known.cards, n=say.count(known.cards))]
    if known.without:
        parts[0] += _n(", {n} has none", ", {n} have none", known.without)
    if known.owed:
        scenario, number, who = known.owed[0]
        text = _(
            "a review is owed of revision {number} of {name}, which {who} activated by break-glass", number=number,
            name=say.title(scenario), who=who,
        )  # fmt: skip
        parts.append(text + _more(len(known.owed)))
    if known.trials:
        scenario, number, share = known.trials[0]
        text = _(
            "revision {number} of {name} is on trial with {share} of conversations", number=number,
            name=say.title(scenario), share=f"{100 * share:g} %",
        )  # fmt: skip
        parts.append(text + _more(len(known.trials)))
    if known.waiting:
        parts.append(_n("{n} revision waits for approval", "{n} revisions wait for approval", known.waiting))
    return _("{parts}.", parts=_("; ").join(parts))


def _more(n: int) -> str:
    return _(" and {n} more", n=n - 1) if n > 1 else ""


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
    parts = [
        _(
            "{name} has been governed by revision {number} since {at} ({reason})", name=say.title(one.name),
            number=one.number, at=say.day_clock(one.since, now, zone), reason=_stopped(one.reason),
        )
    ]  # fmt: skip
    if one.gives_way:
        parts.append(_("{leg} gives way first", leg=_(LEGS[one.gives_way])))
    if one.shadow:
        parts.append(_n("{n} of its guards is in shadow", "{n} of its guards are in shadow", one.shadow))
    if one.owed:
        parts.append(_("a review by another person is owed"))
    if one.trial:
        number, share = one.trial
        parts.append(
            _("revision {number} is on trial with {share} of conversations", number=number, share=f"{100 * share:g} %")
        )
    if one.scheduled:
        number, at = one.scheduled
        parts.append(_("revision {number} is scheduled for {at}", number=number, at=say.day_clock(at, now, zone)))
    return _("{parts}.", parts=_("; ").join(parts))


def without_card(name: str) -> str:
    return _("{name} has no card yet, so nothing says what may give way.", name=say.title(name))


def approvals(product: str | None, operations: str | None, *, solo: bool) -> str:
    """Who approved, and who is still waited for."""
    if solo:
        return _("both by {who}, in solo mode", who=product)
    if product and operations:
        return _("{product} for product, {operations} for operations", product=product, operations=operations)
    if product:
        return _("{who} for product; operations is missing", who=product)
    if operations:
        return _("{who} for operations; product is missing", who=operations)
    return _("nobody yet")


def differ(before: int, after: int, changes: int) -> str:
    """Above the list of what changed."""
    if before == after:
        return _("Choose two revisions to see what changed between them.")
    if not changes:
        return _("Revisions {before} and {after} say the same.", before=before, after=after)
    return _n(
        "From revision {before} to {after}, {n} field changed.", "From revision {before} to {after}, {n} fields changed.",
        changes, before=before, after=after,
    )  # fmt: skip


def waits(number: int, state: str) -> str:
    """A revision that is on its way; `state` is draft, to be approved, or approved."""
    if state == "draft":
        return _("revision {number} draft", number=number)
    if state == "approved":
        return _("revision {number} approved", number=number)
    return _("revision {number} to be approved", number=number)


def progress(served: int, needed: int) -> str:
    """How far a step of a trial is: `312 of 1,000 requests`."""
    if served >= needed:
        return _("{n} requests, {needed} were needed", n=say.count(served), needed=say.count(needed))
    return _("{n} of {needed} requests", n=say.count(served), needed=say.count(needed))


def back_to(number: int, to: int, changes: int) -> str:
    """The preview of a rollback."""
    return _n(
        "Revision {number} is retired with your reason and revision {to} governs at once, for everyone: {n} field is as it was before.",
        "Revision {number} is retired with your reason and revision {to} governs at once, for everyone: {n} fields are as they were before.",
        changes, number=number, to=to,
    )  # fmt: skip


def _stopped(text: str) -> str:
    return text.rstrip(". ") or _("no reason was given")
