"""The form of a weekly maintenance window: what it says, what the service is asked, what a window says in it. Pure."""

from datetime import time
from typing import Annotated, Final

from pydantic import BaseModel, Field

from trivet.console.alerts import rules_words as words
from trivet.console.alerts.rules_form import Lines, Text, held, lines, needed
from trivet.console.tongue import _
from trivet.kit.errors import Invalid
from trivet.notify.alert.alerts_api import NewWindow
from trivet.notify.alert.keep import ZONES
from trivet.notify.rules.matchers import checked
from trivet.notify.rules.windows import Window

FIELDS: Final = (*NewWindow.model_fields, "ends")
DAY_MIN: Final = 24 * 60


class Asking(BaseModel):
    """What the form says, also in the address. `of`: the window that is changed; `said`: filled in, not only opened.

    It ends at `ends` by its clock, `later` days after the one it begins on.
    """

    of: Text = ""
    said: Text = ""
    name: Text = ""
    matchers: Lines = ""
    weekdays: Annotated[list[Text], Field(max_length=7)] = []  # pydantic copies it
    starts: Text = ""
    ends: Text = ""
    later: Text = "0"
    zone: Text = ""
    reason: Text = ""


def asked(asking: Asking) -> NewWindow:
    """The same body that the API takes; `Invalid` names the field that is wrong."""
    starts = _clock(asking.starts, "starts", _("Say when it begins, such as 22:00."))
    return held(
        NewWindow,
        {
            "name": asking.of or needed(asking.name, "name", _("Give it a name.")), "matchers": lines(asking.matchers),
            "weekdays": _weekdays(asking), "starts": starts, "minutes": _minutes(asking, starts),
            "zone": asking.zone.strip(),
            "reason": needed(asking.reason, "reason", _("Say why: it stands beside every alert that is kept quiet.")),
        },
    )  # fmt: skip


def window_of(asking: Asking) -> Window:
    """The window as decisions see it, before it has a name or a reason; `Invalid` names what is wrong."""
    body = asked(asking.model_copy(update={"name": asking.name.strip() or "–", "reason": asking.reason.strip() or "–"}))
    if body.zone not in ZONES:
        raise Invalid(f"{body.zone[:80]!r} is no time zone: write one such as Europe/Berlin.", field="zone")
    matchers = tuple(checked(body.matchers, least=1))
    return Window(body.name, matchers, tuple(body.weekdays), body.starts, body.minutes, body.zone, body.reason)


def filled(made: Window) -> Asking:
    """The form as it stands for a window that is there."""
    ends, later = words.end_of(made)
    return Asking(
        of=made.name, name=made.name, matchers="\n".join(made.matchers), weekdays=[str(day) for day in made.weekdays],
        starts=f"{made.starts:%H:%M}", ends=ends, later=str(later), zone=made.zone, reason=made.reason,
    )  # fmt: skip


def _weekdays(asking: Asking) -> list[int]:
    days = [int(day) for day in asking.weekdays if day in {"0", "1", "2", "3", "4", "5", "6"}]
    if not days:
        raise Invalid(_("Choose the days that it begins on."), field="weekdays")
    return days


def _minutes(asking: Asking, starts: time) -> int:
    ends = _clock(asking.ends, "ends", _("Say when it ends, such as 02:00."))
    later = int(asking.later) if asking.later in {str(n) for n in range(len(words.LATER))} else 0
    minutes = later * DAY_MIN + (ends.hour - starts.hour) * 60 + ends.minute - starts.minute
    if minutes < 1:
        raise Invalid(_("It would end before it begins: let it end the next day, or later."), field="ends")
    if minutes > 7 * DAY_MIN:
        raise Invalid(_("It would last longer than a week."), field="ends")
    return minutes


def _clock(text: str, field: str, lacking: str) -> time:
    try:
        found = time.fromisoformat(needed(text, field, lacking))
    except ValueError as wrong:
        raise Invalid(_("Write a time of day such as 22:00."), field=field) from wrong
    return found.replace(second=0, microsecond=0, tzinfo=None)
