"""The form of a route: what it says, what the service is asked, and what a route says in it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, Field

from trivet.console.alerts.rules_form import Lines, Text, held, lines, needed, seconds
from trivet.console.alerts.rules_views import StepRow
from trivet.console.tongue import _
from trivet.console.views import Choice
from trivet.kit.errors import Invalid
from trivet.notify.alert.keep import ROUTE_CHANNELS_MAX, STEPS_MAX
from trivet.notify.channel.channels_api import Escalation, NewRoute
from trivet.notify.rules.decide import span
from trivet.notify.rules.route import Step, Way

FIELDS: Final = tuple(NewRoute.model_fields)
BLANK_STEPS: Final = 2
STEPS_SHOWN: Final = STEPS_MAX * ROUTE_CHANNELS_MAX + BLANK_STEPS
Names = Annotated[list[Text], Field(max_length=STEPS_SHOWN)]


class Asking(BaseModel):
    """What the form says, also in the address. `of`: the route that is changed; `said`: filled in, not only opened.

    `after` and `then` go by pairs: after how long nobody acknowledged, which channel is told as well.
    """

    of: Text = ""
    said: Text = ""
    name: Text = ""
    position: Text = "100"
    matchers: Lines = ""
    channels: Names = []  # pydantic copies it
    group_by: Text = "scenario"
    group_wait_s: Text = "5 s"
    group_interval_s: Text = "5 min"
    repeat_s: Text = "4 h"
    after: Names = []
    then: Names = []
    goes_on: Text = ""


def asked(asking: Asking) -> NewRoute:
    """The same body that the API takes; `Invalid` names the field that is wrong."""
    if not asking.channels:
        raise Invalid(_("Say whom it tells: choose one channel at least."), field="channels")
    return held(
        NewRoute,
        {
            "name": asking.of or needed(asking.name, "name", _("Give it a name.")), "position": asking.position.strip(),
            "matchers": lines(asking.matchers), "channels": asking.channels,
            "group_by": asking.group_by.replace(",", " ").split(), "steps": _steps(asking), "goes_on": bool(asking.goes_on),
            **{name: seconds(getattr(asking, name), name, NewRoute) for name in ("group_wait_s", "group_interval_s", "repeat_s")},
        },
    )  # fmt: skip


def _steps(asking: Asking) -> list[dict[str, object]]:
    """Pairs gathered by their time, rising."""
    found: dict[float, list[str]] = {}
    for after, channel in zip(asking.after, asking.then, strict=False):
        if not after.strip() and not channel:
            continue
        if not channel:
            raise Invalid(_("Say whom to tell after {span}.", span=after[:40]), field="steps")
        after_s = _after_s(after, channel)
        found.setdefault(after_s, []).append(channel)
    return [{"after_s": after_s, "channels": found[after_s]} for after_s in sorted(found)]


def _after_s(text: str, channel: str) -> float:
    needed(text, "steps", _("Say after how long {channel} is told.", channel=channel[:80]))
    try:
        return seconds(text, "after_s", Escalation)
    except Invalid as wrong:
        raise Invalid(wrong.detail, field="steps") from wrong


def way_of(body: NewRoute, id_: int) -> Way:
    """The route as decisions see it."""
    steps = tuple(Step(step.after_s, tuple(step.channels)) for step in body.steps)
    return Way(
        id_, body.name, tuple(body.matchers), tuple(body.channels), tuple(body.group_by), body.group_wait_s,
        body.group_interval_s, body.repeat_s, steps, body.goes_on,
    )  # fmt: skip


def filled(way: Way, position: int) -> Asking:
    """The form as it stands for a route that is there."""
    pairs = [(span(step.after_s), channel) for step in way.steps for channel in step.channels]
    return Asking(
        of=way.name, name=way.name, position=str(position), matchers="\n".join(way.matchers), channels=list(way.channels),
        group_by=", ".join(way.group_by), group_wait_s=span(way.group_wait_s),
        group_interval_s=span(way.group_interval_s), repeat_s=span(way.repeat_s),
        after=[after for after, _channel in pairs], then=[channel for _after, channel in pairs],
        goes_on="on" if way.goes_on else "",
    )  # fmt: skip


def steps(asking: Asking, channels: Sequence[str]) -> tuple[StepRow, ...]:
    """What was said, and empty ones after it."""
    return tuple(_rows(asking, channels))


def _rows(asking: Asking, channels: Sequence[str]) -> Iterator[StepRow]:
    said = [pair for pair in zip(asking.after, asking.then, strict=False) if any(pair)]
    for after, chosen in [*said, *[("", "")] * BLANK_STEPS]:
        yield StepRow(after, tuple(Choice(name, name, "", name == chosen) for name in channels))
