"""What is said of routes and of maintenance windows before they are made, changed or deleted. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from trivet.console import format as say
from trivet.console.alerts import alerts_words
from trivet.console.alerts.past import DAYS, Counts, Kept, Moved
from trivet.console.tongue import N_, _, _n
from trivet.notify.rules.route import Way
from trivet.notify.rules.windows import Window, in_force, times

NAMED: Final = 5
WEEKDAYS: Final = (
    N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday"),
)  # fmt: skip
LATER: Final = (
    N_("the same day"), N_("the next day"), N_("two days later"), N_("three days later"), N_("four days later"),
    N_("five days later"), N_("six days later"), N_("a week later"),
)  # fmt: skip


def route(way: Way) -> str:
    """What a route does."""
    said = {"name": way.name, "takes": alerts_words.takes(way), "channels": _(", ").join(way.channels)}
    return _("Route {name} takes {takes} and tells {channels}, {rhythm}.", rhythm=alerts_words.rhythm(way), **said)


def window(made: Window) -> str:
    """What a window does."""
    matchers = alerts_words.joined(made.matchers)
    return _("Maintenance {name} keeps {takes} quiet: {when}.", name=made.name, takes=matchers, when=when(made))


def when(made: Window) -> str:
    """`Monday, Tuesday from 22:00 to 02:00 the next day, by the clock of Europe/Berlin`."""
    ends, later = end_of(made)
    said = {
        "days": _(", ").join(_(WEEKDAYS[day]) for day in sorted(made.weekdays)), "starts": f"{made.starts:%H:%M}",
        "ends": ends, "later": _(LATER[later]), "zone": made.zone,
    }  # fmt: skip
    if not later:
        return _("{days} from {starts} to {ends}, by the clock of {zone}", **said)
    return _("{days} from {starts} to {ends} {later}, by the clock of {zone}", **said)


def end_of(made: Window) -> tuple[str, int]:
    """When it ends by its clock, and how many days after the one it begins on."""
    minutes = made.starts.hour * 60 + made.starts.minute + made.minutes
    later, rest = divmod(minutes, 24 * 60)
    return f"{rest // 60:02}:{rest % 60:02}", later


def would_take(found: Moved) -> str:
    """What a route would have told of, and what of that others tell no more."""
    if not found.asked:
        return _("No alert fired in the last {days} days, so there is nothing to show it by.", days=DAYS)
    many = _sum(found.takes)
    if many:
        said = {"all": _all(found), "n": many, "names": names(found.takes)}
        head = _("Of {all} this would have told of {n}: {names}.", **said)
    else:
        head = _("Of {all} this would have told of none.", all=_all(found))
    fewer = [_("{route} would have told of {n} fewer.", route=route, n=n) for route, n in found.fewer[:NAMED]]
    return " ".join([head, *fewer, *_unheard(found)])


def would_lose(found: Moved) -> str:
    """What nobody is told of once a route is deleted."""
    end = _("What it has told of, it tells no end of.")
    many = _sum(found.takes)
    if not many:
        return _("Of {all} it takes none.", all=_all(found)) + f" {end}"
    said = {"all": _all(found), "n": many, "names": names(found.takes)}
    head = _("Of {all} it takes {n}: {names}.", **said)
    rest = _unheard(found) or [_("Other routes would tell of them.")]
    return " ".join([head, *rest, end])


def would_keep(found: Kept, made: Window, now: datetime, zone: tzinfo) -> str:
    """What a window would have kept quiet, and when it is in force next."""
    return f"{_kept(found)} {_next(made, now, zone)}"


def would_tell(found: Kept) -> str:
    """What is told again once a window is deleted."""
    return f"{_kept(found)} " + _("Without it they are told like any other, from this moment on.")


def names(found: Counts) -> str:
    """`chat p95 (8), rag floor (3) and 2 more`: the most first."""
    first = _(", ").join(_("{name} ({n})", name=name, n=n) for name, n in found[:NAMED])
    more = len(found) - NAMED
    return _("{some} and {n} more", some=first, n=more) if more > 0 else first


def _unheard(found: Moved) -> list[str]:
    if not found.unheard:
        return []
    return [_("Of {n} nobody would be told any more: {names}.", n=_sum(found.unheard), names=names(found.unheard))]


def _kept(found: Kept) -> str:
    if not found.asked:
        return _("No alert fired in the last {days} days, so there is nothing to show it by.", days=DAYS)
    said = {"all": _all(found), "n": found.fits}
    if not found.quiet:
        return _("Of {all} it fits {n}, and none of them fired in its hours.", **said)
    many = {"k": _sum(found.quiet), "names": names(found.quiet)}
    return _("Of {all} it fits {n}; {k} of them fired in its hours: {names}.", **said, **many)


def _next(made: Window, now: datetime, zone: tzinfo) -> str:
    until = in_force(made, now)
    if until is not None:
        return _("It is in force at once, until {at}.", at=say.day_clock(until, now, zone))
    ahead: Sequence[tuple[datetime, datetime]] = times(made, now, now + timedelta(days=8))
    return _("It begins next {at}.", at=say.day_clock(ahead[0][0], now, zone)) if ahead else ""


def _all(found: Moved | Kept) -> str:
    if found.more:
        return _("the newest {n} alerts of the last {days} days", n=say.count(found.asked), days=DAYS)
    return _n("{n} alert of the last {days} days", "{n} alerts of the last {days} days", found.asked, days=DAYS)


def _sum(found: Counts) -> int:
    return sum(many for _name, many in found)
