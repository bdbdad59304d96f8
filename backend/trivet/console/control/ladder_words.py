"""What the page of ladders says. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from trivet.command.models import Command
from trivet.console import format as say
from trivet.console.control import commands_words
from trivet.console.tongue import _, _n


def sentence(
    away: Sequence[tuple[str, int, datetime]], scenarios: int, stays: Mapping[str, Mapping[int, float]], now: datetime, zone: tzinfo
) -> str:  # fmt: skip
    """Who stands above level 0, the highest and longest first; and the longest stay of the range.

    `away`: name, level, since. `stays`: by scenario the seconds at each level, as telemetry proved them.
    """
    long = max(
        ((seconds, level, name) for name, stay in stays.items() for level, seconds in stay.items() if level),
        default=None,
    )
    longest = ""
    if long:
        span = say.elapsed(long[0])
        longest = _(
            " The longest stay of this time: {span} at level {n}, by {scenario}.",
            span=span,
            n=long[1],
            scenario=long[2],
        )
    if not away:
        if not scenarios:
            return _("There is no scenario with a ladder yet.")
        return _n("{n} scenario stands at level 0.", "All {n} scenarios stand at level 0.", scenarios) + longest
    name, level, since = min(away, key=lambda each: (-each[1], each[2], each[0]))
    at = say.day_clock(since, now, zone)
    others, said = len(away) - 1, {"scenario": say.title(name), "level": level, "at": at}
    if others:
        return (
            _n(
                "{scenario} has been at level {level} since {at}, and {n} other stands above level 0.",
                "{scenario} has been at level {level} since {at}, and {n} others stand above level 0.",
                others, **said,
            )
            + longest
        )  # fmt: skip
    if scenarios > 1:
        return _("{scenario} has been at level {level} since {at}; all others stand at level 0.", **said) + longest
    return _("{scenario} has been at level {level} since {at}.", **said) + longest


def move(level_from: int, level_to: int, share: str) -> str:
    """`level 0 to 2`, `5 % back at level 1`."""
    if share:
        return _("{share} of conversations back at level {n}", share=share, n=max(level_to - 1, 0))
    if level_from == level_to:
        return _("no share is back any more, level {n}", n=level_to)
    return _("level {before} to {after}", before=level_from, after=level_to)


def who(actor: str, people: Mapping[str, str]) -> str:
    """Whose move it was."""
    return {"ladder": _("the ladder"), "expiry": _("a time limit")}.get(actor) or people.get(actor, actor)


def of_command(command: Command) -> str:
    """A command on the time axis."""
    return _("{what}, {state}", what=commands_words.what(command), state=_(command.status))
