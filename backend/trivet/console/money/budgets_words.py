"""What the page of budgets says: its sentence, the preview of a new one, what a line did. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from trivet.budget.acting import COMMANDED
from trivet.budget.draft import Asked, Identity
from trivet.budget.returning import LEFT_ALONE, TAKEN_BACK
from trivet.console import format as say
from trivet.console.tongue import N_, _, _n, language
from trivet.kit.money import EXACT

NOTHING = N_("nothing was commanded")
REFUSES = N_("reservations beyond it are refused")
DONE = (COMMANDED, TAKEN_BACK, LEFT_ALONE)
PAST = 80  # %: what the sentence counts
MEASURES: Final = {"money": N_("Money"), "tokens": N_("Tokens"), "requests": N_("Requests")}
UNITS: Final = {"tokens": N_("tokens"), "requests": N_("requests")}
EVERY: Final = {
    "tenant": N_("every tenant"), "key": N_("every key"), "scenario": N_("every scenario"),
    "cost_centre": N_("every cost centre"), "end_user": N_("every end user"), "request": N_("every request"),
    "interaction": N_("every interaction"),
}  # fmt: skip
ONE: Final = {
    "tenant": N_("{name}"), "key": N_("the key {name}"), "scenario": N_("the scenario {name}"),
    "cost_centre": N_("the cost centre {name}"), "end_user": N_("the end user {name}"),
}  # fmt: skip
UNTIL: Final = {
    "day": N_("until midnight"), "week": N_("until Monday"), "month": N_("until the first of the next month"),
}  # fmt: skip
WINDOWS: Final = {
    "day": N_(" a day in {zone}"), "week": N_(" a week in {zone}"), "month": N_(" a month in {zone}"),
}  # fmt: skip
SPENDS: Final = {
    "money": N_("spend {amount}"), "tokens": N_("use {amount}"), "requests": N_("make {amount}"),
}  # fmt: skip
LEFT: Final = (
    (86_400, N_("{n} day"), N_("{n} days")), (3_600, N_("{n} hour"), N_("{n} hours")),
    (60, N_("{n} minute"), N_("{n} minutes")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """How one budget stands: its nearest window. `ends_at_percent` None: too early to say."""

    name: str
    percent: int
    limit: str
    ends_in: timedelta
    ends_at_percent: int | None


def sentence(standings: Sequence[Standing]) -> str:
    """`2 of 7 budgets are past 80 %: search at 92 % of 400 USD with 9 days to go; at the pace so far it ends at 118 %.`"""
    if not standings:
        return _("No budget holds now: nothing watches what is spent.")
    first = max(standings, key=lambda each: (each.percent, each.name))
    past, every = sum(each.percent >= PAST for each in standings), len(standings)
    how = _(
        "{name} at {percent} % of {limit} with {left} to go", name=first.name, percent=first.percent, limit=first.limit,
        left=left(first.ends_in),
    )  # fmt: skip
    if first.ends_at_percent is not None:
        how = _("{how}; at the pace so far it ends at {percent} %", how=how, percent=first.ends_at_percent)
    if past and every == 1:
        return _("1 of 1 budget is past {line} %: {how}.", line=PAST, how=how)
    if past:
        return _n(
            "{n} of {every} budgets is past {line} %: {how}.", "{n} of {every} budgets are past {line} %: {how}.", past,
            every=every, line=PAST, how=how, n=past,
        )  # fmt: skip
    if every == 1:
        return _("No budget is past {line} %. It is {how}.", line=PAST, how=how)
    return _("None of {every} budgets is past {line} %. The nearest is {how}.", every=every, line=PAST, how=how)


def left(time: timedelta) -> str:
    """`9 days`, `1 hour`, `12 minutes`: what of a window is to come."""
    seconds = max(int(time.total_seconds()), 0)
    for size, one, many in LEFT:
        if seconds >= size:
            return _n(one, many, seconds // size)
    return _("less than a minute")


def preview(identity: Identity, asked: Asked, *, starts_at: datetime | None) -> str:
    """`From 1 December, every tenant may spend 50 USD a day in Europe/Berlin; at 100 % its calls are cut off …`"""
    when = (
        _("From now") if starts_at is None else _("From {day}", day=_day(starts_at.astimezone(ZoneInfo(identity.zone))))
    )
    return _(
        "{when}, {who} may {spend}{window}; {consequence}.", when=when, who=_who(identity),
        spend=_spend(identity, asked.limit), window=_window(identity), consequence=_consequence(identity, asked),
    )  # fmt: skip


def _day(local: datetime) -> str:
    words = say.day(local) if language() == "zh" else f"{local.day} {say.month(local)}"
    return words if (local.hour, local.minute) == (0, 0) else f"{words}, {local:%H:%M}"


def _who(identity: Identity) -> str:
    if identity.scope == "global":
        return _("everyone together")
    who = _(ONE[identity.scope], name=identity.subject) if identity.subject else _(EVERY[identity.scope])
    who = _("{who} of {tenant}", who=who, tenant=identity.tenant) if identity.tenant else who
    return _("{who} in {scenario}", who=who, scenario=identity.scenario) if identity.scenario else who


def _spend(identity: Identity, limit: Decimal) -> str:
    single = identity.scope in ("request", "interaction")
    shown = amount(limit, identity.measure, identity.currency)
    return _("cost {amount}", amount=shown) if single and identity.measure == "money" else _(SPENDS[identity.measure], amount=shown)  # fmt: skip


def amount(value: Decimal, measure: str, currency: str) -> str:
    """`50 USD`, `0.25 USD`, `1,200 tokens`."""
    places = -int(value.normalize().as_tuple().exponent)
    digits = f"{value:,.0f}" if places <= 0 else f"{value:,.{max(places, 2)}f}"
    return f"{digits} {currency if measure == 'money' else _(UNITS[measure])}"


def _window(identity: Identity) -> str:
    return _(WINDOWS[identity.window], zone=identity.zone) if identity.window in WINDOWS else ""


def _consequence(identity: Identity, asked: Asked) -> str:
    if not asked.hard:
        if asked.owners:
            return _("the owners are told at {lines}, and nothing is stopped", lines=lines(asked.lines))
        return _("lines are drawn and nobody is told, and nothing is stopped")
    action = asked.action or "refuse"
    if action == "refuse":
        return _("at 100 % reservations beyond it are refused")
    over = _("over it") if identity.scope in ("request", "interaction") else _("at 100 %")
    said = (
        N_("{over} {calls} are cut off {until}")
        if action == "break"
        else N_("{over} {calls} run at level {level} {until}")
    )
    return _(said, over=over, calls=_calls(identity), level=asked.level, until=_until(identity, asked))


def _calls(identity: Identity) -> str:
    if identity.scope in ("request", "interaction"):
        return _("its tenant's calls")
    return _("all calls") if identity.scope == "global" else _("its calls")


def _until(identity: Identity, asked: Asked) -> str:
    if asked.way_back == "manual":
        return _("until somebody restores them")
    return _(UNTIL[identity.window]) if identity.window in UNTIL else _("for 15 minutes")


def lines(each: Sequence[int]) -> str:
    """`50, 80, 90 and 100 %`."""
    words = [str(line) for line in each]
    if len(words) > 1:
        return _("{first} and {last} %", first=", ".join(words[:-1]), last=words[-1])
    return f"{words[0]} %" if words else _("no line")


def done(kind: str, outcomes: Sequence[str], took_ms: int | None, *, returned: bool) -> str:
    """What a hard line did: `cut off 3 times, 1.25 s after the breach; taken back`."""
    given = sum(outcome in DONE for outcome in outcomes)
    if not given:
        return outcomes[0] if outcomes else _(NOTHING)
    what = {"break": _("cut off"), "degrade": _("degraded")}[kind]
    what = what if given == 1 else _("{what} in {n} places", what=what, n=given)
    if took_ms is not None:
        seconds = f"{EXACT.scaleb(Decimal(took_ms), -3):.2f}"
        what = _("{what}, {seconds} s after the breach", what=what, seconds=seconds)
    return _("{what}; taken back", what=what) if returned else what


def rule(identity: Identity) -> str:
    """`every tenant, a day in Europe/Berlin`."""
    if identity.window not in WINDOWS:
        return _who(identity)
    return _("{who},{window}", who=_who(identity), window=_window(identity))
