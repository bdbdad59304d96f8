"""What a guard wrote when it judged, said in another language. Pure.

Verdicts are stored as sentences in English. Each rule is one of their clauses with its holes: it is found in a sentence by
its fixed words, and said again with whatever its holes hold, each said again in turn. In English that is what was stored, to
the letter; what no rule knows stays as it was written.
"""

import re
from dataclasses import dataclass
from string import Formatter

from trivet.kit.marked import N_, Say, english

LENGTH_MAX = 500  # characters; what is longer no guard wrote
LABELS = (
    "P50", "P95", "P99", N_("P50 of the first token"), N_("P95 of the first token"),
    N_("P99 of the first token"), N_("P50 between two tokens"), N_("P95 between two tokens"), N_("P99 between two tokens"),
    N_("error rate"), N_("timeout rate"), N_("refusal rate"), N_("rate limited"), N_("cold starts"), N_("health events"),
    N_("out of memory"), N_("cost per request"), N_("cost per hour"), N_("cost of the day"), N_("cost of a tenant's day"),
    N_("quality"), N_("drift of quality"), N_("drift of input length"), N_("queue"), N_("KV cache"), N_("GPUs"),
    N_("cache hits"),
)  # fmt: skip
COUNTED = (
    N_("requests"), N_("requests or events"), N_("priced requests"), N_("scores"), N_("gauges"), N_("points"), N_("tokens"),
)  # fmt: skip
LUCK = (N_("a billion"), N_("100 million"), N_("10 million"), N_("a million"))
OTHERS = (N_("another revision governs now"), N_("no engine told its queue"), N_("no engine told its KV cache"))
KNOWN = frozenset((*LABELS, *COUNTED, *LUCK, *OTHERS))
# The outermost clause first: what follows takes the inside of what stands before it.
CLAUSES = (
    N_("gives way to level {n}: {reason}"),
    N_("{reason}; in shadow: would have raised {scenario} to level {n}"),
    N_("{reason}; in shadow: would have gone back to revision {n}"),
    N_("{reason}; in shadow: would have opened a breach and moved nothing"),
    N_("{reason}; the breach stays open until there are enough"),
    N_("requests finish again: {reason}"),
    N_("requests finish again; {reason}"),
    N_("since {clock} UTC {reason}; {said} in all {seconds} s, limit {limit}"),
    N_("{reason}; {said} in all {seconds} s, limit {limit}"),
    N_("{reason} for {seconds} s, breaks after {more} s"),
    N_("{reason}; {running}, a stall once that lasts {n} s"),
    N_("{reason}; not yet a breach, it could be luck: {counted}"),
    N_("{reason}; chance of this by luck under 1 in {odds}"),
    N_("{reason}: no longer too fast"),
    N_("{said}: {counted}"),
    N_("{counted}, counted as {n} as they come in bunches"),
    N_("{n} scores lost {bad} points where {few} may be lost"),
    N_("{bad} of {n} took over {limit} where {few} may"),
    N_("{bad} of {n} failed where {few} may"),
    N_("{bad} of {n} timed out where {few} may"),
    N_("{bad} of {n} were refused where {few} may"),
    N_("{bad} of {n} were rate limited where {few} may"),
    N_("{bad} of {n} started cold where {few} may"),
    N_("the error budget burns {bad} times as fast as it may over {span} and {few} over {short}, limit {limit}"),
    N_("nothing finished in {seconds} s while {running}"),
    N_("nothing finished in {seconds} s, more than chance, while {running}"),
    N_("{n} {what} in {seconds} s, {few} needed for a verdict"),
    N_("{said}, ends at {limit}"),
    N_("{said}, back within {limit}"),
    N_("{said} over {limit}"),
    N_("{said} under {limit}"),
    N_("{said}, limit {limit}"),
    N_("{said} with {n} still running"),
    N_("{said} as engines count"),
    N_("{said} by {tenant}, the dearest of {n}"),
    N_("{label} {value}"),
    N_("calm for {seconds} s"),
    N_("{running} and {n} were let in"),
    N_("{running} and {n} wait"),
    N_("{n} run, {more} wait"),
    N_("{n} run"),
    N_("{n} wait"),
    N_("{n} were let in"),
)
GIVEN = frozenset({"scenario", "tenant"})  # names that somebody gave
_NUMBER, _UNIT = r"-?\d[\d.,]*(?:e[+-]?\d+)?", r"(?: (?:ms|s|%|min|h|d))?"
_LABEL = "|".join(map(re.escape, LABELS))
_HOLES = {
    **dict.fromkeys(("counted", "running"), rf"{_NUMBER} .+?"),
    **dict.fromkeys(("n", "bad", "few", "seconds", "more"), _NUMBER),
    **dict.fromkeys(("value", "limit", "span", "short"), _NUMBER + _UNIT),
    "clock": r"\d\d:\d\d:\d\d",
    "label": _LABEL, "said": f"(?:{_LABEL}) .+?", "what": "|".join(map(re.escape, COUNTED)),
    "odds": "|".join((*map(re.escape, LUCK), _NUMBER)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rule:
    """A clause, the longest of its fixed words (most texts lack it, which is seen at once), and how it is found."""

    clause: str
    mark: str
    pattern: re.Pattern[str]


def _rule(clause: str) -> _Rule:
    parts = [(fixed, hole) for fixed, hole, _spec, _conversion in Formatter().parse(clause)]
    found = (
        f"{re.escape(fixed)}(?P<{hole}>{_HOLES.get(hole, '.+?')})" if hole else re.escape(fixed)
        for fixed, hole in parts
    )
    return _Rule(clause, max((fixed for fixed, _hole in parts), key=len), re.compile("".join(found), re.DOTALL))


_RULES = tuple(map(_rule, CLAUSES))


def again(reason: str, _: Say = english) -> str:
    """A verdict's reason in the reader's language; as it was written where no guard of ours wrote it."""
    if reason in KNOWN:
        return _(reason)
    if len(reason) <= LENGTH_MAX:
        for rule in _RULES:
            if rule.mark in reason and (found := rule.pattern.fullmatch(reason)):
                held = {hole: text if hole in GIVEN else again(text, _) for hole, text in found.groupdict().items()}
                return _(rule.clause, **held)
    return reason
