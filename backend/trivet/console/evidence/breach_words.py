"""A breach in words: the sentence, its numbers, its instants. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from fractions import Fraction

from trivet.console import format as say
from trivet.console import story
from trivet.console.evidence.evidence_views import Moment, Number
from trivet.evidence.carriers import Carrier, Carriers
from trivet.evidence.excess import Kind
from trivet.evidence.telling import decimal
from trivet.evidence.times import Times
from trivet.guard.measures import MEASURES

STEPS = {
    "began": "Began", "detected": "Detected", "acted": "Acted", "observed": "Held by backends",
    "effective": "Proven by telemetry", "closed": "Guard whole again", "recovered": "Recovered",
}  # fmt: skip
SEEN = {
    "n": "requests since it began", "bad": "of them bad", "allowed": "bad ones that may be", "clump": "bad ones that count as one",
    "window_s": "window", "sample": "sample", "minimum_sample": "sample needed",
}  # fmt: skip
DIMENSIONS = {"tenant": "Tenants", "model": "Models", "context_class": "Context lengths", "backend": "Backends"}


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
    since = say.day_clock(opened, now, zone)
    when = f"from {since} to {say.day_clock(closed, now, zone)}" if closed else f"since {since}"
    is_ = "was" if closed else "has been"
    far = "" if worst == say.DASH else f", {worst} at worst"
    return shown(f"{story.spoken(guard)} of {say.title(scenario)} {is_} past its limit of {limit} {when}{far}{first}.")


def who_first(found: Carriers | None, name: str) -> str:
    """`; acme carries 90 % of the excess with 10 % of the traffic`, or that nobody stands out."""
    first = found.carry[0] if found and found.carry else None
    if first is None or not first.claimed or first.key is None:
        return ""
    said = f"{name} carries {say.share(first.excess_share)} of the excess with {say.share(first.traffic_share)} of the traffic"
    return f"; {said}" if first.stands_out else f"; no tenant stands out: {said}"


def numbers(seen: Mapping[str, object] | None, metric: str, currency: str) -> tuple[Number, ...]:
    """What the verdict saw that opened the breach, by names that people use."""
    found = dict(seen or {})
    luck = found.pop("luck", None)
    rows = [Number(word, value(metric, _float(found.get(key)), currency)) for key, word in LIMITS if key in found]
    rows += [Number(word, _plain(found[key], key)) for key, word in SEEN.items() if found.get(key) is not None]
    if isinstance(luck, int | float):
        rows.append(Number("chance of this by luck", "under 1 in a billion" if luck < 1e-9 else f"{luck:.2g}"))
    return tuple(rows)


LIMITS = (("value", "value"), ("enter", "breaks past"), ("leave", "whole again at"))


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
        after = "" if at is None or before is None else f"{max(0.0, (at - before).total_seconds()):.1f} s later"
        rows.append(Moment(words, at, after))
        before = at or before
    return tuple(rows)


def counted(kind: Kind, number: Fraction, currency: str) -> str:
    """A sum of what is bad, in its unit."""
    if kind.money:
        return say.watched(decimal(number), currency)
    exact = float(number)
    return (
        say.count(round(exact)) if abs(exact) >= 100 or exact == int(exact) else f"{exact:.1f}".replace("-", say.MINUS)
    )


def relief(found: Sequence[Carrier], names: Sequence[str], kind: Kind, currency: str) -> str:
    """Who is below what is usual."""
    if not found:
        return ""
    said = ", ".join(
        f"{name} {counted(kind, each.excess, currency)}" for each, name in zip(found[:3], names, strict=False)
    )
    return f"Below what is usual: {said}" + (" and others." if len(found) > 3 else ".")


def money(saved: Decimal | None, low: Decimal | None, high: Decimal | None, currency: str, words: str) -> str:
    """What was saved while degraded, between which bounds and on what terms."""
    if saved is None or low is None or high is None:
        return f"Money: {words}."
    verb = "saved" if saved >= 0 else "spent more"
    between = f"{say.watched(low, currency)} to {say.watched(high, currency)}"
    return f"Money: {say.watched(abs(saved), currency)} {verb} ({between} at 95 %): {words}."


def quality(lost: float | None, low: float | None, high: float | None, words: str) -> str:
    """What quality was lost while degraded."""
    if lost is None or low is None or high is None:
        return f"Quality: {words}."
    verb = "lost" if lost >= 0 else "gained"
    return f"Quality: {abs(lost):.3f} points {verb} ({low:+.3f} to {high:+.3f} at 95 %): {words}.".replace(
        "-0", f"{say.MINUS}0"
    )
