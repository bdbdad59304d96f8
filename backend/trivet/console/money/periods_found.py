"""What stands in the way of a close, and what is worth a look before, in the reader's language. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

from trivet.console import format as say
from trivet.console.money import bills_words
from trivet.console.money.periods_words import PLACES, month_words
from trivet.console.tongue import N_, _, _n
from trivet.ledger.period_checks import Found

Facts = Mapping[str, Any]
NAMES: Final = {
    "month_not_over": N_("month not over"), "hours_not_posted": N_("hours not posted"), "hours_due": N_("hours due"),
    "usage_not_folded": N_("usage not counted yet"), "earlier_open": N_("earlier month open"),
    "unattributed": N_("unattributed"), "unpriced": N_("unpriced"), "bill_variance": N_("bill variance"),
    "bill_unposted": N_("bill not posted"),
}  # fmt: skip


def name(found: Found) -> str:
    """What it is called."""
    return _(NAMES[found.name]) if found.name in NAMES else found.name.replace("_", " ")


def detail(found: Found, zone: tzinfo) -> str:
    """What is so and what to do; of a check that this page does not know, in the check's own words."""
    said = _DETAILS.get(found.name)
    return said(found.facts, zone) if said else found.detail


def _month_not_over(facts: Facts, zone: tzinfo) -> str:
    return _(
        "{month} is not over: it ends on {when}, and late usage has its grace.", month=month_words(facts["month"]),
        when=_when(facts["end"], zone),
    )  # fmt: skip


def _hours_not_posted(facts: Facts, zone: tzinfo) -> str:
    if facts["until"] is None:
        return _("Not every hour is posted: nothing has been posted yet. The posting task goes on every 30 s.")
    return _(
        "Not every hour is posted: posted up to {when}. The posting task goes on every 30 s.",
        when=_when(facts["until"], zone),
    )  # fmt: skip


def _hours_due(facts: Facts, _zone: tzinfo) -> str:
    return _n(
        "{n} hour changed and is due to be posted anew: ask again in a minute.",
        "{n} hours changed and are due to be posted anew: ask again in a minute.", facts["n"], n=say.count(facts["n"]),
    )  # fmt: skip


def _usage_not_folded(_facts: Facts, _zone: tzinfo) -> str:
    return _("Usage that came in just now is not counted yet: ask again in a minute.")


def _earlier_open(facts: Facts, _zone: tzinfo) -> str:
    return _("{month} is still open: close it first.", month=month_words(facts["month"]))


def _unattributed(facts: Facts, _zone: tzinfo) -> str:
    return _(
        "{amount}, {share} % of the total, is of tenants without a cost centre.", amount=_amount(facts),
        share=facts["share"],
    )  # fmt: skip


def _unpriced(facts: Facts, _zone: tzinfo) -> str:
    n = facts["n"]
    if facts["more"]:
        return _("{n} requests or more have no price, so they are in no total until one is entered.", n=say.count(n))
    return _n(
        "{n} request has no price, so it is in no total until one is entered.",
        "{n} requests have no price, so they are in no total until one is entered.", n, n=say.count(n),
    )  # fmt: skip


def _bill_variance(facts: Facts, _zone: tzinfo) -> str:
    return _("Bills differ from what was measured by {amount}.", amount=_amount(facts))


def _bill_unposted(facts: Facts, _zone: tzinfo) -> str:
    return _(
        "{provider}'s bill of {days}, {amount}, is not posted: post it, or replace it.", provider=facts["provider"],
        days=bills_words.days(facts["first"], facts["after"]), amount=_amount(facts),
    )  # fmt: skip


_DETAILS: Final[Mapping[str, Callable[[Facts, tzinfo], str]]] = {
    "month_not_over": _month_not_over, "hours_not_posted": _hours_not_posted, "hours_due": _hours_due,
    "usage_not_folded": _usage_not_folded, "earlier_open": _earlier_open, "unattributed": _unattributed,
    "unpriced": _unpriced, "bill_variance": _bill_variance, "bill_unposted": _bill_unposted,
}  # fmt: skip


def _when(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{say.day(local)} {local:%H:%M}"


def _amount(facts: Facts) -> str:
    return f"{say.amount(facts['amount'], PLACES)} {facts['currency']}"
