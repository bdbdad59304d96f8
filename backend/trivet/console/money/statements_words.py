"""Words of the page of statements. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from trivet.report.files.schedule_models import ReportRun, ReportSchedule
from trivet.report.files.statement_words import month_words

NOBODY = (
    "There is no cost centre yet, so nothing can be stated: map tenants to one, and its month stands here, "
    "line by line, to be signed."
)
EVERY = {"day": "every day", "week": "every Monday", "month": "on the first of every month"}
# kind.form -> words, in the order of the form
KINDS: Mapping[str, str] = {
    "statement.pdf": "Statement of each cost centre (PDF), after the close",
    "costs.csv": "Costs by cost centre (CSV)",
    "costs.xlsx": "Costs by cost centre (workbook)",
    "usage.csv": "Usage by tenant and model (CSV)",
    "allocation.focus.csv": "Allocation (FOCUS, CSV)",
    "supply.focus.csv": "Supply (FOCUS, CSV)",
}
STATES = {"queued": "pending", "sent": "effective", "failed": "expired", "no_channel": "missing"}
SAID = {"queued": "waiting", "sent": "sent", "failed": "failed", "no_channel": "no mail server"}
MONTHS_SHOWN = 12


def months(now: datetime) -> list[str]:
    """This month and those before it, newest first."""
    at, found = now.replace(day=1), []
    for _ in range(MONTHS_SHOWN):
        found.append(f"{at:%Y-%m}")
        at = (at - timedelta(days=1)).replace(day=1)
    return found


def choice_of(month: str, state: str) -> str:
    """`October 2026, closed`."""
    return f"{month_words(month)}, closed" if state == "closed" else month_words(month)


def when(row: ReportSchedule) -> str:
    """`every Monday at 07:30, Europe/Berlin`."""
    told = f"{EVERY[row.every]} at {row.at}, {row.zone}"
    return f"when a month is closed, not before {row.at}, {row.zone}" if row.kind == "statement" else told


def to(row: ReportSchedule) -> str:
    """Who gets it."""
    return ", ".join(row.recipients) or "the owners of each cost centre"


def last(run: ReportRun | None) -> str:
    """What came of its newest time."""
    return run.detail if run else "not due yet"
