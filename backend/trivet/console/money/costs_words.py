"""The sentence of the costs page: what was spent, against what, why it moved, where it leads. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from trivet.console import format as say
from trivet.console.tongue import N_, _
from trivet.kit.interval import Interval
from trivet.report import names
from trivet.report.grain import MONTH

DAY = timedelta(days=1)
HUNDRED = Decimal(100)
# Why it moved, by the names of `moves.STATEMENT` and `moves.PER_TOKEN`.
NAMED = {
    "volume": N_("volume"), "price": N_("price"), "mix": N_("mix"), "efficiency": N_("efficiency"), "idle": N_("idle"),
    "shared": N_("shared cost"), "bill": N_("bills"), "utilisation": N_("utilisation"),
}  # fmt: skip
# Names that are words of ours and no name that somebody gave.
OURS = (N_("unattributed"), N_("no tenant"), N_("none"), N_("metered"))
# Accounts of the ledger that somebody bears, and kinds of postings, as they are stored.
ACCOUNTS = frozenset({
    N_("cost_centre"), N_("unattributed"), N_("variance"), N_("idle"), N_("headroom"), N_("down"), N_("hidden"), N_("shared"),
    N_("bill_variance"),
})  # fmt: skip
POSTED = (N_("metered"), N_("pool"), N_("shared"), N_("bill"), N_("units"))


@dataclass(frozen=True, slots=True)
class Spent:
    """Facts of one currency. `low` and `high` None: no interval. `parts` by `moves.STATEMENT`."""

    interval: Interval
    running: bool
    currency: str
    total: Decimal
    of: str = ""  # whose, where it is filtered
    before: Interval | None = None
    was: Decimal | None = None
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    unattributed: Decimal = Decimal(0)
    close: str = ""
    ends_at: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    others: tuple[str, ...] = ()  # further currencies


def sentence(spent: Spent) -> str:
    """`November so far cost 3,204 USD, 8 % more than October's first 20 days: 6 % volume, 3 % price, −1 % mix; …`"""
    places = say.watched_places([spent.total])
    whole = during(spent.interval, running=spent.running, of=spent.of)
    said = _(
        "{whole} cost {amount} {currency}", whole=whole, amount=say.amount(spent.total, places), currency=spent.currency
    )
    clauses = [_against(spent, said), _unattributed(spent), _end(spent, places), _others(spent)]
    if spent.close:
        clauses.append(_("as it stood when {month} was closed", month=month_name(spent.close)))
    return ended(clauses)


def ended(clauses: Iterable[str]) -> str:
    """Clauses as one sentence; empty ones are left out."""
    return _("{sentence}.", sentence=_("; ").join(clause for clause in clauses if clause))


def nothing(interval: Interval, *, running: bool, of: str) -> str:
    """Of an interval without any cost."""
    return _("{whole} has cost nothing that Trivet knows of.", whole=during(interval, running=running, of=of))


def during(interval: Interval, *, running: bool = False, of: str = "") -> str:
    """`CC-7 in October`, `CC-7 on 20 November`, `CC-7 from 5 to 11 October`; without whose it is the time alone."""
    words = when(interval, running=running)
    if not of:
        return words
    if _is_months(interval):
        return _("{name} in {when}", name=of, when=words)
    single = interval.end - interval.start <= DAY
    return _("{name} on {when}", name=of, when=words) if single else _("{name} from {when}", name=of, when=words)


def when(interval: Interval, *, running: bool = False) -> str:
    """`November so far`, `October`, `October's first 20 days`, `5 to 11 November`."""
    start, end = interval.start, interval.end
    name = say.month(start)
    if _is_months(interval):
        if end == MONTH.after(start):
            return name
        if running:
            return _("{month} so far", month=name)
        days = max(round((end - start) / DAY), 1)
        return (
            _("{month}'s first day", month=name)
            if days == 1
            else _("{month}'s first {days} days", month=name, days=days)
        )
    last = end - timedelta(microseconds=1)
    if (last.month, last.year) != (start.month, start.year):
        return _("{first} to {last}", first=say.day(start), last=say.day(last))
    if last.day == start.day:
        return _("{day} {month}", day=start.day, month=name)
    return _("{first} to {last} {month}", first=start.day, last=last.day, month=name)


def _is_months(interval: Interval) -> bool:
    """Whether it is a month, or the beginning of one."""
    start = interval.start
    return MONTH.floor(start) == start and interval.end <= MONTH.after(start)


def month_name(period: str) -> str:
    """`2026-10` as `October 2026`."""
    return say.month_year(date.fromisoformat(f"{period}-01"))


def _against(spent: Spent, said: str) -> str:
    if spent.was is None or spent.before is None:
        return said
    than = when(spent.before)
    if spent.was <= 0:
        return _("{said}, and nothing is on record for {then}", said=said, then=than) if spent.was == 0 else said
    share = round(abs(spent.total - spent.was) / spent.was * HUNDRED)
    compared = [
        _("{said}, the same as {then}", said=said, then=than),
        _("{said}, {percent} % more than {then}", said=said, percent=share, then=than),
        _("{said}, {percent} % less than {then}", said=said, percent=share, then=than),
    ][0 if not share else 1 if spent.total > spent.was else 2]
    shares = [
        (name, part / spent.was) for name, part in spent.parts.items() if abs(part / spent.was) >= Decimal("0.005")
    ]
    shares.sort(key=lambda each: -abs(each[1]))
    why = _(", ").join(
        _("{percent} {part}", percent=_percent(share), part=_(NAMED.get(name, name))) for name, share in shares
    )
    return _("{compared}: {why}", compared=compared, why=why) if why else compared


def _percent(share: Decimal) -> str:
    return f"{share * HUNDRED:.0f} %".replace("-", say.MINUS)


def _unattributed(spent: Spent) -> str:
    if not spent.unattributed or spent.total <= 0:
        return ""
    return _("{share} is unattributed", share=say.share(float(spent.unattributed / spent.total)))


def _end(spent: Spent, places: int) -> str:
    if spent.ends_at is None:
        return ""
    wide = max(places - 2, 0)
    at = say.amount(spent.ends_at, wide)
    if spent.low is None or spent.high is None:
        return _("at this pace the month ends at {amount}, told from too few days for an interval", amount=at)
    low, high = say.amount(spent.low, wide), say.amount(spent.high, wide)
    return _("at this pace the month ends at {amount} ({low} to {high})", amount=at, low=low, high=high)


def _others(spent: Spent) -> str:
    if not spent.others:
        return ""
    return _("{currencies} beside it", currencies=_(" and ").join(spent.others))


def called(dimension: str, name: str) -> str:
    """A name of a dimension as it is shown: as it was given, and in the reader's language where it is a word of ours. Pure."""
    ours = {names.said(dimension, None), names.TEXTS.get(dimension, "")}
    if dimension == "tenant":
        ours.add(names.NO_TENANT)
    return _(name) if name in ours or (dimension == "account" and name in ACCOUNTS) else name


def whose(filters: Mapping[str, str]) -> str:
    """The names that something is narrowed to, by dimension, in one line; "" for none. Pure."""
    return _(", ").join(called(name, value) for name, value in filters.items())
