"""What the page of breaches says. Pure."""

from datetime import datetime, tzinfo
from decimal import Decimal

from trivet.command.models import Command
from trivet.console import format as say
from trivet.console.control.commands_words import span
from trivet.console.evidence.breaches_views import CarriedBy
from trivet.console.tongue import _, _n
from trivet.evidence.breach_list import First
from trivet.evidence.models import BreachTimes


def sentence(open_: int, over: int, first: tuple[str, str, datetime, str] | None, now: datetime, zone: tzinfo) -> str:
    """What is broken now, the one that opened last first, and how much was before.

    `first`: guard, scenario, since when, and the reason, of the newest that is open.
    """
    before = _n("{n} breach of this time is over.", "{n} breaches of this time are over.", over)
    if first is None:
        return (
            _("Nothing is broken now. {before}", before=before)
            if over
            else _("Nothing is broken, and nothing was in this time.")
        )
    guard, scenario, since, reason = first
    said = _(
        "{guard} of {scenario} is broken since {at}: {reason}.",
        guard=guard, scenario=scenario, at=say.day_clock(since, now, zone), reason=reason.rstrip("."),
    )  # fmt: skip
    others = _n("{n} other guard is broken too.", "{n} other guards are broken too.", open_ - 1) if open_ > 1 else ""
    return " ".join(part for part in (said, others, before if over else "") if part)


def carried(is_known: bool, first: First | None) -> CarriedBy:
    """Who carries most: `90 % of the excess, 10 % of the traffic`."""
    if not is_known:
        return CarriedBy(known=False)
    if first is None:
        return CarriedBy(known=True)
    words = _(
        "{excess} of the excess, {traffic} of the traffic",
        excess=say.share(first.excess),
        traffic=say.share(first.traffic),
    )
    return CarriedBy(True, first.name, words, first.claimed)


def took(opened: datetime, command: Command | None, times: BreachTimes | None) -> tuple[str, ...]:
    """`acted after 0.2 s`, `effective after 3.1 s`, `recovered after 4 min`: each from when it was detected."""
    acted = times.acted_at if times else command.created_at if command else None
    effective = times.effective_at if times else command.effective_at if command else None
    recovered = times.recovered_at if times else None
    found = []
    if acted:
        found.append(_("acted after {span}", span=_apart(opened, acted)))
    if effective:
        found.append(_("effective after {span}", span=_apart(opened, effective)))
    if recovered:
        found.append(_("recovered after {span}", span=_apart(opened, recovered)))
    return tuple(found)


def _apart(start: datetime, end: datetime) -> str:
    return span(max(0.0, (end - start).total_seconds()))


def outcome(times: BreachTimes | None) -> str:
    """What was saved and lost while degraded for it, where that could be measured."""
    if times is None:
        return ""
    found = []
    if times.saved is not None:
        amount = say.watched(abs(times.saved), times.currency)
        found.append(_("saved {amount}", amount=amount) if times.saved >= 0 else _("cost {amount} more", amount=amount))
    if times.lost is not None:
        points = f"{Decimal(repr(abs(times.lost))):.3f}"
        found.append(
            _("lost {points} of quality", points=points)
            if times.lost > 0
            else _("gained {points} of quality", points=points)
        )
    return "; ".join(found)
