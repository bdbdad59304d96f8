"""What pages say of jobs. Pure."""

from typing import Final

from trivet.console.tongue import N_, _, _n
from trivet.job.models import DONE, FAILED, RUNNING, STOPPED, WAITING, Job

KINDS: Final = {
    "export": N_("export"), "bill": N_("bill"), "prices": N_("price list"), "rebuild": N_("rebuild"), "replay": N_("replay"),
}  # fmt: skip
UNITS: Final = {
    "days": N_("days"), "hours": N_("hours"), "lines": N_("lines"), "prices": N_("prices"), "scenarios": N_("scenarios"),
}  # fmt: skip
STATES: Final = {
    WAITING: N_("waiting"), RUNNING: N_("running"), DONE: N_("done"), FAILED: N_("failed"), STOPPED: N_("stopped"),
}  # fmt: skip
SIZES: Final = ((1 << 20, "MiB"), (1 << 10, "KiB"))


def sentence(waiting: int, running: int, failed: int, shown: int) -> str:
    """`1 job runs, 2 wait. One failed in this time.`"""
    if not (waiting or running or failed):
        return _("Nothing runs and nothing waits; what was asked for in this time is done.") if shown else _("Nothing runs and nothing waits.")  # fmt: skip
    said = []
    if running or waiting:
        runs = _n("{n} job runs", "{n} jobs run", running) if running else _("No job runs")
        waits = _n("{n} waits", "{n} wait", waiting) if waiting else _("none waits")
        said.append(_("{runs}, {waits}.", runs=runs, waits=waits))
    else:
        said.append(_("Nothing runs and nothing waits."))
    if failed:
        said.append(_n("{n} failed in this time; why stands beside it.", "{n} failed in this time; why stands beside each.", failed))  # fmt: skip
    return " ".join(said)


def one(job: Job) -> str:
    """What opens the page of one job."""
    said = {
        WAITING: N_("{title}: waiting until a worker is free."),
        RUNNING: N_("{title}: {far}. You can leave this page and come back."),
        DONE: N_("{title}: done. {note}"),
        FAILED: N_("{title}: it failed, and nothing of it was kept."),
        STOPPED: N_("{title}: stopped by {who}, and nothing of it was kept."),
    }[job.state]
    return _(said, title=job.title, far=far(job), note=job.note, who=job.stop_asked_by).strip()


def far(job: Job) -> str:
    """`12 of 30 days, 14,000 rows so far`."""
    if job.state != RUNNING:
        return _(STATES[job.state])
    unit = _(UNITS.get(job.unit, job.unit)) if job.unit else ""
    if job.total:
        said = _("{done} of {total} {unit}", done=f"{job.done:,}", total=f"{job.total:,}", unit=unit)
    elif job.done:
        said = _("{done} {unit} so far", done=f"{job.done:,}", unit=unit)
    else:
        said = _("just begun")
    return f"{said}, {job.note}" if job.note else said


def came(job: Job) -> str:
    """What came of it, as whoever did it wrote it."""
    return job.problem or (job.note if job.state == DONE else "")


def size(of_bytes: int) -> str:
    """`12.4 MiB`."""
    for least, unit in SIZES:
        if of_bytes >= least:
            return f"{of_bytes / least:.1f} {unit}"
    return f"{of_bytes} B"


def width(job: Job) -> float | None:
    """How much of its bar is full, out of 100; None where nobody knows."""
    if job.state == DONE:
        return 100.0
    if not job.total:
        return 0.0 if job.state == WAITING else None
    return round(min(job.done / job.total, 1) * 100, 2)
