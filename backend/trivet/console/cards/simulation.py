"""A card over the past as a picture and in words: hollow is what it would have done, solid what really was. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise

from trivet.console import format as say
from trivet.console.cards.editor_views import Bar, GuardRunRow, Simulation, Tick
from trivet.console.tongue import N_, _, _n
from trivet.guard.simulate import GuardRun, Simulated
from trivet.guard.simulated import Beside, Held

WIDTH = 1000
LEAST = Decimal(2)  # a bar is never thinner, so that a minute in a week is still seen
MOVES_SHOWN = 30
LABEL_ROOM = 20  # to each side of a day's mark
TICKS_MAX = 8
MINUTE_S = 60
CAUTION = N_(
    "Not simulated: what the degradation would have done to the traffic (every call counts as it was), stalls, calls that "
    "were still running, and the room of engines on the way back. Evidence is weighed by whole windows of stored buckets of {bucket}."
)


def shown(found: Beside, now: datetime, zone: tzinfo) -> Simulation:
    """The run as the page shows it."""
    run = found.run
    wanted = [(move.at, move.level) for move in run.moves]
    steps = [(run.start, 0), *wanted]
    newest = list(run.moves[-MOVES_SHOWN:])[::-1]
    return Simulation(
        sentence=sentence(run),
        caution=_(CAUTION, bucket=_bucket(run.grain_s)),
        wanted=_bars(steps, run, run.until, N_("would have been at level {level} from {start} to {end}"), now, zone),
        held=_bars(
            [(each.at, each.level) for each in found.held], run, run.end,
            N_("was at level {level} from {start} to {end}"), now, zone,
        ),
        ticks=_ticks(run, zone),
        says=_("{run} {really}", run=sentence(run), really=really(found.held, run)),
        levels=tuple((level, lasted(seconds)) for level, seconds in sorted(run.level_s.items()) if level),
        rows=tuple(_row(each, run) for each in run.guards),
        moves=tuple((move.at, _move(move.level, move.share, move.reason)) for move in newest),
        more_moves=max(0, len(run.moves) - MOVES_SHOWN),
    )  # fmt: skip


def sentence(run: Simulated) -> str:
    """`Over the last 7 days it would have degraded 3 times, 41 minutes in all.`"""
    if not run.requests:
        return _("No request of this scenario is stored in this time, so there is nothing to simulate with.")
    over = span((run.end - run.start).total_seconds())
    if not run.degraded:
        text = _("Over {span} and {n} requests it would not have degraded once.", span=over, n=say.count(run.requests))
    elif run.degraded == 1:
        text = _("Over {span} it would have degraded once, {time} in all.", span=over, time=lasted(run.degraded_s))
    else:
        text = _(
            "Over {span} it would have degraded {n} times, {time} in all.", n=run.degraded, span=over,
            time=lasted(run.degraded_s),
        )  # fmt: skip
    if run.complete:
        return text
    cut = _("It took too long: the run ends {time} before the end.", time=lasted((run.end - run.until).total_seconds()))
    return f"{text} {cut}"


def really(held: Sequence[Held], run: Simulated) -> str:
    """What really happened in the same time."""
    ends = [each.at for each in held[1:]] + [run.end]
    up = sum((end - each.at).total_seconds() for each, end in zip(held, ends, strict=True) if each.level)
    times = sum(one.level == 0 < other.level for one, other in pairwise(held))
    times += bool(held) and held[0].level > 0
    if not times:
        return _("Really it was at level 0 all the time.")
    if times == 1:
        return _("Really it degraded once, {time}.", time=lasted(up))
    return _("Really it degraded {n} times, {time}.", n=times, time=lasted(up))


def lasted(seconds: float) -> str:
    """`41 min`, `2 h 5 min`, `40 s`."""
    if seconds < MINUTE_S:
        return _("{n} s", n=f"{seconds:.0f}")
    minutes = round(seconds / MINUTE_S)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return _("{n} min", n=minutes)
    return _("{h} h {n} min", h=hours, n=rest) if rest else _("{n} h", n=hours)


def span(seconds: float) -> str:
    """`7 days`, `3 h`."""
    days = seconds / 86_400
    return _n("{n} day", "{n} days", round(days)) if days >= 1 else lasted(seconds)


def _bucket(grain_s: int) -> str:
    return {10: _("10 s"), 60: _("1 min"), 3600: _("1 h")}[grain_s]


def _bars(  # noqa: PLR0917  # what a row of the picture is made of
    steps: Sequence[tuple[datetime, int]], run: Simulated, end: datetime, words: str, now: datetime, zone: tzinfo
) -> tuple[Bar, ...]:
    found = []
    ends = [at for at, _level in steps[1:]] + [end]
    for (at, level), until in zip(steps, ends, strict=True):
        if level == 0 or until <= at:
            continue
        x = _x(at, run)
        width = max(LEAST, _x(until, run) - x)
        start, stop = say.day_clock(at, now, zone), say.day_clock(until, now, zone)
        found.append(Bar(min(x, WIDTH - width), width, level, _(words, level=level, start=start, end=stop)))
    return tuple(found)


def _x(at: datetime, run: Simulated) -> Decimal:
    share = Decimal((at - run.start).total_seconds()) / Decimal((run.end - run.start).total_seconds())
    return (share * WIDTH).quantize(Decimal("0.1"))


def _ticks(run: Simulated, zone: tzinfo) -> tuple[Tick, ...]:
    """The midnights of the reader's days."""
    midnight = run.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight + timedelta(days=n) for n in range(1, TICKS_MAX + 1)]
    found = [(_x(day, run), f"{day.month}-{day.day:02d}") for day in days if run.start <= day < run.end]
    return tuple(Tick(x, words if LABEL_ROOM <= x <= WIDTH - LABEL_ROOM else "") for x, words in found)


def _row(run: GuardRun, of: Simulated) -> GuardRunRow:
    longest = max((((span.end or of.until) - span.start).total_seconds() for span in run.spans), default=0.0)
    notes = [_(run.left_out) if run.left_out in LEFT_OUT else run.left_out] if run.left_out else []
    notes += [_("in shadow")] if run.shadow else [_("watches only")] if not run.raises_to else []
    return GuardRunRow(
        run.name, run.metric, run.times, lasted(run.broken_s) if run.times else "",
        lasted(longest) if run.times else "", run.spans[-1].start if run.spans else None, "; ".join(notes),
    )  # fmt: skip


LEFT_OUT = (N_("what it watches is not in the stored buckets of usage"),)


def _move(level: int, share: float, reason: str) -> str:
    if share:
        return _("{share} back to level {level}: {reason}", share=say.share(share), level=level - 1, reason=reason)
    return _("level {level}: {reason}", level=level, reason=reason)
