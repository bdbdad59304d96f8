"""What the page of budgets says: its sentence, the preview of a new one, what a line did. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from trivet.budget.draft import Asked, Identity
from trivet.kit.money import EXACT

NOTHING = "nothing was commanded"
REFUSES = "reservations beyond it are refused"
PAST = 80  # %: what the sentence counts
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
EVERY = {
    "tenant": "every tenant", "key": "every key", "scenario": "every scenario", "cost_centre": "every cost centre",
    "end_user": "every end user", "request": "every request", "interaction": "every interaction",
}  # fmt: skip
ONE = {"tenant": "", "key": "the key ", "scenario": "the scenario ", "cost_centre": "the cost centre ", "end_user": "the end user "}  # fmt: skip
UNTIL = {"day": "until midnight", "week": "until Monday", "month": "until the first of the next month"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one budget stands: its nearest window. `ends_at_percent` None: too early to say."""

    name: str
    percent: int
    limit: str
    ends_in: timedelta
    ends_at_percent: int | None


def sentence(standings: Sequence[Standing]) -> str:
    """`2 of 7 budgets are past 80 %: search at 92 % of 400 USD with 9 days to go; at this pace it ends at 118 %.`"""
    if not standings:
        return "No budget holds now: nothing watches what is spent."
    first = max(standings, key=lambda each: (each.percent, each.name))
    past = sum(each.percent >= PAST for each in standings)
    count = f"{len(standings)} budget{'s' if len(standings) > 1 else ''}"
    if past:
        lead = f"{past} of {count} {'is' if past == 1 else 'are'} past {PAST} %: "
    else:
        lead = f"No budget is past {PAST} %. " if len(standings) == 1 else f"None of {count} is past {PAST} %. "
        lead += "It is " if len(standings) == 1 else "The nearest is "
    going = f"; at this pace it ends at {first.ends_at_percent} %" if first.ends_at_percent is not None else ""
    return f"{lead}{first.name} at {first.percent} % of {first.limit} with {left(first.ends_in)} to go{going}."


def left(time: timedelta) -> str:
    """`9 days`, `1 hour`, `12 minutes`: what of a window is to come."""
    seconds = max(int(time.total_seconds()), 0)
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if count > 1 else ''}"
    return "less than a minute"


def preview(identity: Identity, asked: Asked, *, starts_at: datetime | None) -> str:
    """`From 1 December, every tenant may spend 50 USD a day in Europe/Berlin; at 100 % its calls are cut off …`"""
    when = "From now" if starts_at is None else f"From {_day(starts_at.astimezone(ZoneInfo(identity.zone)))}"
    what = f"{when}, {_who(identity)} may {_spend(identity, asked.limit)}{_window(identity)}"
    return f"{what}; {_consequence(identity, asked)}."


def _day(local: datetime) -> str:
    words = f"{local.day} {MONTHS[local.month - 1]}"
    return words if (local.hour, local.minute) == (0, 0) else f"{words}, {local:%H:%M}"


def _who(identity: Identity) -> str:
    if identity.scope == "global":
        return "everyone together"
    who = f"{ONE[identity.scope]}{identity.subject}" if identity.subject else EVERY[identity.scope]
    of = f" of {identity.tenant}" if identity.tenant else ""
    return f"{who}{of}{f' in {identity.scenario}' if identity.scenario else ''}"


def _spend(identity: Identity, limit: Decimal) -> str:
    single = identity.scope in ("request", "interaction")
    verb = {"money": "cost" if single else "spend", "tokens": "use", "requests": "make"}[identity.measure]
    return f"{verb} {amount(limit, identity.measure, identity.currency)}"


def amount(value: Decimal, measure: str, currency: str) -> str:
    """`50 USD`, `0.25 USD`, `1,200 tokens`."""
    places = -int(value.normalize().as_tuple().exponent)
    digits = f"{value:,.0f}" if places <= 0 else f"{value:,.{max(places, 2)}f}"
    return f"{digits} {currency if measure == 'money' else measure}"


def _window(identity: Identity) -> str:
    return f" a {identity.window} in {identity.zone}" if identity.window in UNTIL else ""


def _consequence(identity: Identity, asked: Asked) -> str:
    if not asked.hard:
        told = f"the owners are told at {lines(asked.lines)}" if asked.owners else "lines are drawn and nobody is told"
        return f"{told}, and nothing is stopped"
    until = _until(identity, asked)
    action = asked.action or "refuse"
    if action == "refuse":
        return f"at 100 % {REFUSES}"
    over = "over it" if identity.scope in ("request", "interaction") else "at 100 %"
    return f"{over} {_calls(identity)} {'are cut off' if action == 'break' else f'run at level {asked.level}'} {until}"


def _calls(identity: Identity) -> str:
    if identity.scope in ("request", "interaction"):
        return "its tenant's calls"
    return "all calls" if identity.scope == "global" else "its calls"


def _until(identity: Identity, asked: Asked) -> str:
    if asked.way_back == "manual":
        return "until somebody restores them"
    return UNTIL.get(identity.window, "for 15 minutes")


def lines(each: Sequence[int]) -> str:
    """`50, 80, 90 and 100 %`."""
    words = [str(line) for line in each]
    return f"{', '.join(words[:-1])} and {words[-1]} %" if len(words) > 1 else f"{words[0]} %" if words else "no line"


def done(kind: str, outcomes: Sequence[str], took_ms: int | None, *, returned: bool) -> str:
    """What a hard line did: `cut off 3 times, 1.25 s after the breach; taken back`."""
    given = sum(outcome in ("Commanded.", "Taken back.") or "Another command" in outcome for outcome in outcomes)
    if not given:
        return outcomes[0] if outcomes else NOTHING
    what = {"break": "cut off", "degrade": "degraded"}[kind]
    times = "" if given == 1 else f" in {given} places"
    took = "" if took_ms is None else f", {EXACT.scaleb(Decimal(took_ms), -3):.2f} s after the breach"
    return f"{what}{times}{took}{'; taken back' if returned else ''}"


def rule(identity: Identity) -> str:
    """`every tenant, a day in Europe/Berlin`."""
    return f"{_who(identity)}{',' if identity.window in UNTIL else ''}{_window(identity)}"
