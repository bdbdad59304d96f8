"""What the pages of periods and cost centres say. Pure: facts in, words out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Final

from trivet.console import format as say
from trivet.console.tongue import N_, _, _n
from trivet.kit.clock import rfc3339

PLACES = 2
STRETCHES: Final = {"hour": N_("hour"), "day": N_("day"), "month": N_("month")}
STATES: Final = {"open": N_("open"), "closing": N_("closing"), "closed": N_("closed")}


@dataclass(frozen=True, slots=True)
class Closed:
    """The last month that was closed."""

    month: str
    at: datetime
    by: str
    totals: Mapping[str, Decimal]
    adjustments: int = 0  # postings that name it
    adjusted_by: Mapping[str, Decimal] | None = None


def month_words(month: str) -> str:
    """`2026-10` -> `October 2026`; in Chinese `2026 年 10 月`."""
    return say.month_year(_first(month))


def month_name(month: str) -> str:
    """`2026-10` -> `October`."""
    return say.month(_first(month))


def _first(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def amounts(totals: Mapping[str, Decimal]) -> str:
    """`12,345.67 USD and 10.00 EUR`; `nothing` where there is nothing."""
    found = [f"{say.amount(amount, PLACES)} {currency}" for currency, amount in sorted(totals.items())]
    return _listed(found) if found else _("nothing")


def person(actor: str, names: Mapping[str, str]) -> str:
    """A person's name, or which key it was."""
    if actor.startswith("key:"):
        return _("the key {name}", name=actor.removeprefix("key:"))
    return names.get(actor, actor)


def sentence(last: Closed | None, open_: Sequence[str], asked: Mapping[str, str], zone: tzinfo) -> str:
    """How the months stand: the last close, what is open (oldest first), who asked for what, what names the closed one."""
    parts = []
    if last:
        parts.append(
            _("{month} was closed on {day} by {who} at {amounts}", month=month_words(last.month),
              day=say.day(last.at.astimezone(zone)), who=last.by, amounts=amounts(last.totals))
        )  # fmt: skip
    parts += [
        _("{who} asked to close {month}, and a second person has to agree", who=who, month=month_name(month))
        for month, who in asked.items()
    ]
    still = [month_name(month) for month in open_ if month not in asked]
    if still:
        parts.append(_n("{months} is open", "{months} are open", len(still), months=_listed(still)))
    if last and last.adjustments:
        parts.append(
            _n("{n} adjustment of {amounts} names {month}", "{n} adjustments of {amounts} name {month}", last.adjustments,
               amounts=amounts(last.adjusted_by or {}), month=month_name(last.month), n=last.adjustments)
        )  # fmt: skip
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if last else _("No month is closed yet; {rest}.", rest=text)


def request_preview(month: str, totals: Mapping[str, Decimal]) -> str:
    """What asking to close a month does."""
    return _(
        "You ask to close {month}, which stands at {amounts}. A second person closes it; until then it still takes postings.",
        month=month_words(month), amounts=amounts(totals),
    )  # fmt: skip


def close_preview(month: str, after: str, totals: Mapping[str, Decimal]) -> str:
    """What closing a month does."""
    return _(
        "{month} closes at {amounts} and stays closed. What comes late is booked in {after} as an adjustment that names it.",
        month=month_words(month), amounts=amounts(totals), after=month_name(after),
    )  # fmt: skip


def cancel_preview(month: str) -> str:
    """What taking a request back does."""
    return _("{month} is open again, as if nobody had asked.", month=month_words(month))


def by(closed: str, asked: str, at: datetime | None, zone: tzinfo) -> str:
    """`Mia Lind on 3 Nov 2026, asked by Robin Sato`; `asked by Robin Sato` of one not closed yet."""
    if not closed or at is None:
        return _("asked by {who}", who=asked) if asked else ""
    local = at.astimezone(zone)
    return _("{who} on {day} {year}, asked by {asker}", who=closed, day=say.day(local), year=local.year, asker=asked)


def centres(count: int, tenants: int, unmapped: int) -> str:
    """How complete the mapping is."""
    none = _n("{n} tenant", "{n} tenants", unmapped, n=f"{unmapped:,}")
    if not count and not unmapped:
        return _("No cost centre has been made and no tenant met yet.")
    if not count:
        return _("There is no cost centre yet, so what {tenants} cost shows as unattributed.", tenants=none)
    charged = _n(
        "{n} cost centre bears the cost of {tenants}", "{n} cost centres bear the cost of {tenants}", count, n=f"{count:,}",
        tenants=_n("{n} tenant", "{n} tenants", tenants, n=f"{tenants:,}"),
    )  # fmt: skip
    if not unmapped:
        return _("{charged}; every tenant has one.", charged=charged)
    return _n(
        "{charged}; {tenants} has none, and what they cost shows as unattributed.",
        "{charged}; {tenants} have none, and what they cost shows as unattributed.", unmapped, charged=charged, tenants=none,
    )  # fmt: skip


def rule(kind: str, usage_of: str, targets: Sequence[tuple[str, str]]) -> str:
    """`60 % CC-7, 40 % acme`, `evenly: CC-7, acme`, `by usage of the month: CC-7`."""
    if kind == "fixed":
        return ", ".join(f"{percent} % {name}" for name, percent in targets)
    whom = ", ".join(name for name, _percent in targets) or _("everybody")
    if kind == "even":
        return _("evenly: {names}", names=whom)
    return _("by usage of the {stretch}: {names}", stretch=_(STRETCHES[usage_of]), names=whom)


def mapping(tenant: str, before: str | None, centre: str, start: datetime | None, *, known: bool) -> str:
    """`acme: from CC-1 to CC-2, from 2026-11-01T00:00:00Z on`."""
    if before and before != centre:
        where = _("{tenant}: from {before} to {centre}", tenant=tenant, before=before, centre=centre)
    elif before:
        where = _("{tenant}: stays with {centre}", tenant=tenant, centre=before)
    else:
        where = _("{tenant}: to {centre}", tenant=tenant, centre=centre)
    if start and start.year > 1970:
        said = _("{where}, from {instant} on", where=where, instant=rfc3339(start))
    else:
        said = _("{where}, for all its usage", where=where)
    return said if known else _("{said} (never met in spans)", said=said)


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return _("{first} and {last}", first=", ".join(names[:-1]), last=names[-1])
