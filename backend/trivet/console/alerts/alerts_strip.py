"""The picture of alerts: a lane for each from its beginning to its end; solid where somebody was told, hollow where nobody was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from trivet.console.control.lanes import Band, Lane, Lanes, Scale
from trivet.console.tongue import _
from trivet.kit.interval import Interval

LANES_MAX = 14


@dataclass(frozen=True, slots=True)
class Stretch:
    """An alert as it is drawn."""

    name: str
    severity: str
    since: datetime
    until: datetime | None
    told: bool


def draw(stretches: Sequence[Stretch], interval: Interval, now: datetime, zone: tzinfo) -> Lanes:
    """Alerts in the order given, as far as they lie in the interval."""
    scale = Scale(interval, zone)
    seen = [each for each in stretches if scale.holds(each.since, each.until or now)]
    lanes = tuple(Lane(each.name, bands=(_band(each, scale, now),)) for each in seen[:LANES_MAX])
    return Lanes(lanes, scale.ticks, max(len(seen) - LANES_MAX, 0))


def _band(each: Stretch, scale: Scale, now: datetime) -> Band:
    x, width = scale.band(each.since, each.until or now)
    word = _("somebody was told") if each.told else _("nobody was told")
    said = {"name": each.name, "severity": _(each.severity), "word": word}
    if each.until is None:
        says = _("{name} ({severity}) fires; {word}", **said)
    else:
        says = _("{name} ({severity}) is over; {word}", **said)
    return Band(x, width, "told" if each.told else "wanted", says)
