"""Words of the page of statements. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from trivet.console import format as say
from trivet.console.tongue import N_, _
from trivet.report.files.schedule_models import ReportRun, ReportSchedule
from trivet.report.files.statement_words import Words

# A statement in the language of its reader.
SPOKEN = Words(_, say.month_year)
NOBODY = N_(
    "There is no cost centre yet, so nothing can be stated: map tenants to one, and its month stands here, "
    "line by line, to be signed."
)
# What `statement.KINDS` says, for the catalogues.
BOOKED = (
    N_("Requests"), N_("Idle capacity"), N_("Headroom"), N_("Capacity that could not serve"), N_("Hidden capacity"),
    N_("Shared costs"), N_("What bills say beyond what was measured"),
)  # fmt: skip
# kind.form -> words, in the order of the form
KINDS: Mapping[str, str] = {
    "statement.pdf": N_("Statement of each cost centre (PDF), after the close"),
    "costs.csv": N_("Costs by cost centre (CSV)"),
    "costs.xlsx": N_("Costs by cost centre (workbook)"),
    "usage.csv": N_("Usage by tenant and model (CSV)"),
    "allocation.focus.csv": N_("Allocation (FOCUS, CSV)"),
    "supply.focus.csv": N_("Supply (FOCUS, CSV)"),
}
STATES = {
    "queued": "pending", "sent": "effective", "failed": "expired", "no_channel": "missing", "digested": "effective",
}  # fmt: skip
SAID = {
    "queued": N_("waiting"), "sent": N_("sent"), "failed": N_("failed"), "no_channel": N_("no mail server"),
    "digested": N_("sent with others"),
}  # fmt: skip
MONTHS_SHOWN = 12


def months(now: datetime) -> list[str]:
    """This month and those before it, newest first."""
    at = now.replace(day=1)
    found: list[str] = []
    while len(found) < MONTHS_SHOWN:
        found.append(f"{at:%Y-%m}")
        at = (at - timedelta(days=1)).replace(day=1)
    return found


def choice_of(month: str, state: str) -> str:
    """`October 2026, closed`."""
    return _("{month}, closed", month=SPOKEN.of_month(month)) if state == "closed" else SPOKEN.of_month(month)


def when(row: ReportSchedule) -> str:
    """`every Monday at 07:30, Europe/Berlin`."""
    at = {"at": row.at, "zone": row.zone}
    if row.kind == "statement":
        return _("when a month is closed, not before {at}, {zone}", **at)
    if row.every == "day":
        return _("every day at {at}, {zone}", **at)
    if row.every == "week":
        return _("every Monday at {at}, {zone}", **at)
    return _("on the first of every month at {at}, {zone}", **at)


def to(row: ReportSchedule) -> str:
    """Who gets it."""
    return ", ".join(row.recipients) or _("the owners of each cost centre")


def last(run: ReportRun | None) -> str:
    """What came of its newest time."""
    return run.detail if run else _("not due yet")
