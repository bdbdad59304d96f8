"""What pages of requests say first. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from trivet.console import format as say
from trivet.console.requests.picture import Picture
from trivet.console.tongue import _, _n
from trivet.kit.money import from_picos


def of_list(shown: int, picture: Picture | None, *, more: bool, partial: bool) -> str:
    """How many there are, as far as that is known, and how many went wrong."""
    if not shown and not more:
        return _("No request matches.")
    if picture is None or partial:
        return (
            _n("The newest {n} request that matches.", "The newest {n} requests that match.", shown)
            if more
            else _n("{n} request matches.", "{n} requests match.", shown)
        )
    chosen = [each.count for each in picture.outcomes if each.chosen]
    if chosen:
        return _n("{n} request matches.", "{n} requests match.", chosen[0])
    every = sum(each.count for each in picture.outcomes)
    failed = every - sum(each.count for each in picture.outcomes if each.outcome == "ok")
    if not failed:
        return _n("{n} request, which ended well.", "{n} requests; all ended well.", every, n=say.count(every))
    share = say.share(failed / every)
    return _("{n} requests; {share} did not end well.", n=say.count(every), share=share)


def of_one(item: Mapping[str, Any], zone: tzinfo) -> str:
    """One request: whose, what, how long, for how much, under which level."""
    at = say.clock(datetime.fromisoformat(item["started_at"]), zone, seconds=True)
    cost = item["cost"]
    said = {
        "tenant": item["tenant"], "scenario": item["scenario"], "model": item["model"], "at": at,
        "lasted": say.duration(item["duration_ms"]), "level": item["level"],
    }  # fmt: skip
    if item["repeats"]:
        return _("This span tells of a call that another span is billed for: {tenant}, {scenario}, {model} at {at}, {lasted}.", **said)  # fmt: skip
    if cost is None:
        return _(
            "{tenant} asked {model} for {scenario} at {at}: {lasted} at level {level}, and it has no price.", **said
        )
    said["cost"] = say.watched(Decimal(cost["amount"]), cost["currency"])
    return _("{tenant} asked {model} for {scenario} at {at}: {lasted} at level {level}, for {cost}.", **said)


def of_trace(found: Any) -> str:
    """A trace as one thing."""
    lasted = say.duration((found.ended - found.started).total_seconds() * 1000)
    cost = amounts(found)
    return _n(
        "This trace is {n} request in {lasted}, for {cost}.", "This trace is {n} requests in {lasted}, for {cost}.",
        found.requests, lasted=lasted, cost=cost,
    )  # fmt: skip


def amounts(found: Any) -> str:
    """What an interaction cost, in each of its currencies, with what has no price said."""
    said: Sequence[str] = [say.watched(from_picos(picos), currency) for currency, picos in sorted(found.picos.items())]
    return " + ".join(said) or (_("nothing") if not found.unpriced else say.DASH)
