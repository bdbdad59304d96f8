"""A breach in words: the sentence, its numbers, its instants. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from fractions import Fraction

from trivet.console import format as say
from trivet.console import story
from trivet.console.evidence.evidence_views import Moment, Number
from trivet.console.tongue import N_, _
from trivet.evidence.carriers import Carrier, Carriers
from trivet.evidence.excess import Kind
from trivet.evidence.telling import decimal
from trivet.evidence.times import Times
from trivet.guard.measures import MEASURES

STEPS = {
    "began": N_("Began"), "detected": N_("Detected"), "acted": N_("Acted"), "observed": N_("Held by backends"),
    "effective": N_("Proven by telemetry"), "closed": N_("Guard whole again"), "recovered": N_("Recovered"),
}  # fmt: skip
SEEN = {
    "n": N_("requests since it began"), "bad": N_("of them bad"), "allowed": N_("bad ones that may be"),
    "clump": N_("bad ones that count as one"), "window_s": N_("window"), "sample": N_("sample"),
    "minimum_sample": N_("sample needed"),
}  # fmt: skip
LIMITS = (("value", N_("value")), ("enter", N_("breaks past")), ("leave", N_("whole again at")))
DIMENSIONS = {
    "tenant": N_("Tenants"), "model": N_("Models"), "context_class": N_("Context lengths"), "backend": N_("Backends"),
}  # fmt: skip


COUNTED = (
    N_("{n} requests"), N_("{n} priced requests"), N_("{n} scores"), N_("{n} prompt tokens"), N_("{n} slower than the limit"),
    N_("{n} failed"), N_("{n} timed out"), N_("{n} were refused"), N_("{n} spent"), N_("{n} points lost"),
    N_("{n} not found in a cache"), N_("{n} tokens"),
)  # fmt: skip
USUAL = (
    N_("each one's own rate before"), N_("the time before the breach"),
    N_("what the guard allows, as too little was measured before"),
)  # fmt: skip
TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """Text with names that others chose: marks that would turn the words around them are shown as what they are."""
    return TURNING.sub(lambda mark: f"‹{ord(mark[0]):04X}›", text)


def value(metric: str, number: float | None, currency: str) -> str:
    """A value of the guard's metric in its unit."""
    if number is None:
        return say.DASH
    if metric.startswith("cost_"):
        return say.watched(Decimal(repr(float(number))), currency)
    return MEASURES[metric].show(float(number)) if metric in MEASURES else f"{number:.4g}"


def sentence(
    scenario: str, guard: str, *, opened: datetime, closed: datetime | None, worst: str, limit: str, first: str,
    now: datetime, zone: tzinfo,
) -> str:  # fmt: skip
    """What broke, since when, how far, and who carries it."""
    said = {
        "guard": story.spoken(guard),
        "scenario": say.title(scenario),
        "limit": limit,
        "since": say.day_clock(opened, now, zone),
        "until": say.day_clock(closed, now, zone) if closed else "",
        "far": "" if worst == say.DASH else _(", {worst} at worst", worst=worst),
        "first": first,
    }
    if closed and said["since"] == said["until"]:
        said["span"] = say.elapsed((closed - opened).total_seconds())
        return shown(
            _("{guard} of {scenario} was past its limit of {limit} for {span} at {since}{far}{first}.", **said)
        )
    if closed:
        return shown(
            _("{guard} of {scenario} was past its limit of {limit} from {since} to {until}{far}{first}.", **said)
        )
    return shown(_("{guard} of {scenario} has been past its limit of {limit} since {since}{far}{first}.", **said))


def who_first(found: Carriers | None, name: str) -> str:
    """`; acme carries 90 % of the excess with 10 % of the traffic`, or that nobody stands out."""
    first = found.carry[0] if found and found.carry else None
    if first is None or not first.claimed or first.key is None:
        return ""
    said = {"name": name, "excess": say.share(first.excess_share), "traffic": say.share(first.traffic_share)}
    if first.stands_out:
        return _("; {name} carries {excess} of the excess with {traffic} of the traffic", **said)
    return _("; no tenant stands out: {name} carries {excess} of the excess with {traffic} of the traffic", **said)


def numbers(seen: Mapping[str, object] | None, metric: str, currency: str) -> tuple[Number, ...]:
    """What the verdict saw that opened the breach, by names that people use."""
    found = dict(seen or {})
    luck = found.pop("luck", None)
    rows = [Number(_(word), value(metric, _float(found.get(key)), currency)) for key, word in LIMITS if key in found]
    rows += [Number(_(word), _plain(found[key], key)) for key, word in SEEN.items() if found.get(key) is not None]
    if isinstance(luck, int | float):
        rows.append(Number(_("chance of this by luck"), _("under 1 in a billion") if luck < 1e-9 else f"{luck:.2g}"))
    return tuple(rows)


def _float(number: object) -> float | None:
    return float(number) if isinstance(number, int | float) else None


def _plain(number: object, key: str) -> str:
    if not isinstance(number, int | float):
        return str(number)
    said = f"{number:,.0f}" if number == int(number) else f"{number:,.3g}"
    return f"{said} s" if key.endswith("_s") else said


def moments(told: Times) -> tuple[Moment, ...]:
    """The instants in order, each with how long it took since the one before that is known."""
    rows: list[Moment] = []
    before: datetime | None = None
    for name, words in STEPS.items():
        at: datetime | None = getattr(told, name)
        after = "" if at is None or before is None else _later((at - before).total_seconds())
        rows.append(Moment(_(words), at, after))
        before = at or before
    return tuple(rows)


def _later(seconds: float) -> str:
    return _("{span} later", span=f"{max(0.0, seconds):.1f} s")


def counted(kind: Kind, number: Fraction, currency: str) -> str:
    """A sum of what is bad, in its unit."""
    if kind.money:
        return say.watched(decimal(number), currency)
    exact = float(number)
    return (
        say.count(round(exact)) if abs(exact) >= 100 or exact == int(exact) else f"{exact:.1f}".replace("-", say.MINUS)
    )


def of(number: str, what: str) -> str:
    """`150 requests`: a number of what a metric counts."""
    known = f"{{n}} {what}"
    return _(known, n=number) if known in COUNTED else f"{number} {what}"


def relief(found: Sequence[Carrier], names: Sequence[str], kind: Kind, currency: str) -> str:
    """Who is below what is usual."""
    if not found:
        return ""
    said = ", ".join(
        f"{name} {counted(kind, each.excess, currency)}" for each, name in zip(found[:3], names, strict=False)
    )
    return (
        _("Below what is usual: {said} and others.", said=said)
        if len(found) > 3
        else _("Below what is usual: {said}.", said=said)
    )


def money(saved: Decimal | None, low: Decimal | None, high: Decimal | None, currency: str, words: str) -> str:
    """What was saved while degraded, between which bounds and on what terms."""
    if saved is None or low is None or high is None:
        return _("Money: {words}.", words=words)
    said = {
        "amount": say.watched(abs(saved), currency), "low": say.watched(low, currency), "high": say.watched(high, currency),
        "words": words,
    }  # fmt: skip
    if saved >= 0:
        return _("Money: {amount} saved ({low} to {high} at 95 %): {words}.", **said)
    return _("Money: {amount} spent more ({low} to {high} at 95 %): {words}.", **said)


def quality(lost: float | None, low: float | None, high: float | None, words: str) -> str:
    """What quality was lost while degraded."""
    if lost is None or low is None or high is None:
        return _("Quality: {words}.", words=words)
    ends = {name: f"{end:+.3f}".replace("-", say.MINUS) for name, end in (("low", low), ("high", high))}
    said = {"points": f"{abs(lost):.3f}", "words": words, **ends}
    if lost >= 0:
        return _("Quality: {points} points lost ({low} to {high} at 95 %): {words}.", **said)
    return _("Quality: {points} points gained ({low} to {high} at 95 %): {words}.", **said)
