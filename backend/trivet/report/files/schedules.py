"""Schedules: made and ended by people, run by the clock. A due time is done once, file and mail in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import SEEK_END
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid, NotFound, TooLarge, TrivetError
from trivet.kit.interval import month_of
from trivet.ledger.models import Period
from trivet.notify import compose
from trivet.notify import service as notify
from trivet.report import names
from trivet.report.files import due, make, statement, statement_words
from trivet.report.files.due import Due, Rhythm
from trivet.report.files.schedule_models import EVERY, ReportRun, ReportSchedule
from trivet.tenant.models import CostCentre

SCHEDULES_MAX = 500
STATEMENTS_BACK = 3  # closed months whose statements are still sent: an older one is no news
OWNERS = "owners"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for. `to` empty is `owners`."""

    name: str
    kind: str
    form: str
    every: str
    at: str
    zone: str
    to: tuple[str, ...]
    group_by: str = ""
    cost_centre: str = ""
    filters: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One file that is due: of a schedule, at a time, for one cost centre or ("") for all."""

    schedule_id: int
    due: Due
    cost_centre: str
    to: tuple[str, ...]
    missed: int


def create(session: Session, wanted: Wanted, *, actor: str) -> ReportSchedule:
    """Make a schedule. `Invalid` names what is wrong, `Conflict` a name that is taken."""
    make.check(wanted.kind, wanted.form)
    if wanted.every not in EVERY:
        raise Invalid(f"`every` is one of {', '.join(EVERY)}.", field="every")
    due.check(_rhythm(wanted))
    if wanted.kind == "statement" and wanted.every != "month":
        raise Invalid("A statement is of a month: say every month.", field="every")
    if wanted.to:
        compose.addresses(wanted.to)
    elif wanted.kind != "statement":
        raise Invalid("Owners get statements; say who gets this file.", field="to")
    if wanted.kind == "statement" and wanted.to and not wanted.cost_centre:
        raise Invalid("Say whose statement, or send each to its owners.", field="cost_centre")
    if wanted.kind in make.GROUP_BY:
        names.parse(wanted.group_by, names.USAGE_BY if wanted.kind == "usage" else names.COSTS_BY)
    if (session.scalar(select(func.count()).where(ReportSchedule.ended_at.is_(None))) or 0) >= SCHEDULES_MAX:
        raise Invalid(f"There are {SCHEDULES_MAX} schedules already: end some first.", field="name")
    values = {
        "name": wanted.name, "kind": wanted.kind, "form": wanted.form, "group_by": wanted.group_by,
        "cost_centre": wanted.cost_centre, "filters": dict(wanted.filters or {}), "every": wanted.every, "at": wanted.at,
        "zone": wanted.zone, "recipients": list(wanted.to), "created_by": actor,
    }  # fmt: skip
    made: ReportSchedule | None = session.scalar(
        insert(ReportSchedule).values(values).on_conflict_do_nothing(index_elements=["name"]).returning(ReportSchedule)
    )
    if made is None:
        raise Conflict(
            f"There is a schedule {wanted.name!r} already, perhaps an ended one: choose another name.", field="name"
        )
    audit.record(session, actor=actor, action="schedule.create", subject=f"schedule:{wanted.name}", after=values)
    return made


def end(session: Session, schedule_id: int, *, actor: str, now: datetime) -> None:
    """No more of it. What was sent stays listed."""
    row = session.scalar(select(ReportSchedule).where(ReportSchedule.id == schedule_id).with_for_update())
    if row is None or row.ended_at is not None:
        raise NotFound(f"There is no running schedule {schedule_id}.")
    row.ended_at = now
    audit.record(session, actor=actor, action="schedule.end", subject=f"schedule:{row.name}")


def jobs(session: Session, now: datetime) -> list[Job]:
    """What is due and not done, schedule by schedule. Of times that passed unseen the newest only, with how many others."""
    running = session.scalars(
        select(ReportSchedule).where(ReportSchedule.ended_at.is_(None)).order_by(ReportSchedule.id).limit(SCHEDULES_MAX)
    )
    return [job for row in running for job in _jobs_of(session, row, now)]


def _jobs_of(session: Session, row: ReportSchedule, now: datetime) -> Iterator[Job]:
    if row.kind == "statement":
        for each in _closed_months(session, row, now):
            yield from _for_each(session, row, each, 0)
        return
    each = due.newest(_rhythm(row), now)
    if each.at <= row.created_at:
        return
    last = session.scalar(select(func.max(ReportRun.due_at)).where(ReportRun.schedule_id == row.id))
    if last is None or last < each.at:
        yield from _for_each(session, row, each, due.missed(_rhythm(row), last or row.created_at, each))


def _closed_months(session: Session, row: ReportSchedule, now: datetime) -> list[Due]:
    """Months closed since the schedule was made whose statement's time has come, oldest first."""
    newest = select(Period.month).where(Period.closed_at > row.created_at).order_by(Period.month.desc())
    months = sorted(session.scalars(newest.limit(STATEMENTS_BACK)))
    found = [due.of_month(_rhythm(row), statement.month_interval(month)) for month in months]
    return [each for each in found if each.at <= now]


def _for_each(session: Session, row: ReportSchedule, each: Due, missed: int) -> Iterator[Job]:
    if row.recipients:
        wanted = [(row.cost_centre, tuple(row.recipients))]
    else:
        centres = select(CostCentre.name, CostCentre.owners).where(func.cardinality(CostCentre.owners) > 0)
        if row.cost_centre:
            centres = centres.where(CostCentre.name == row.cost_centre)
        wanted = [(name, tuple(owners)) for name, owners in session.execute(centres.order_by(CostCentre.name))]
    done = set(
        session.scalars(
            select(ReportRun.cost_centre).where(ReportRun.schedule_id == row.id, ReportRun.due_at == each.at)
        )
    )
    for centre, to in wanted:
        if centre not in done:
            yield Job(row.id, each, centre, to, missed)


def run(session: Session, job: Job, now: datetime) -> bool:
    """Make the file and enqueue its mail, once; False where another process did. A refusal is kept and not tried again."""
    row = session.get(ReportSchedule, job.schedule_id, with_for_update=True)
    key = f"schedule:{job.schedule_id}:{rfc3339(job.due.at)}:{job.cost_centre}"
    own = (job.schedule_id, job.due.at, job.cost_centre)
    if row is None or row.ended_at is not None or session.get(ReportRun, own) is not None:
        return False
    said = f"{job.missed} earlier times passed while nothing ran; this is the newest. " if job.missed else ""
    try:
        with session.begin_nested():
            state, detail = "mailed", f"{said}{_mail(session, row, job, key, now)}"
    except TrivetError as refused:
        state, detail = "failed", f"{said}{refused.detail}"
    session.add(
        ReportRun(
            schedule_id=own[0], due_at=own[1], cost_centre=own[2], state=state, detail=detail, made_at=now,
            message_key=key if state == "mailed" else "",
        )
    )  # fmt: skip
    session.flush()
    return True


def _mail(session: Session, row: ReportSchedule, job: Job, key: str, now: datetime) -> str:
    month = month_of(job.due.covers.start) if row.every == "month" else ""
    where = names.where(session, row.filters)
    made = make.file(
        session, row.kind,
        make.Wish(
            row.form, job.due.covers, row.group_by, where=where, asked=row.filters, month=month,
            cost_centre=job.cost_centre or row.cost_centre,
        ),
        now,
    )  # fmt: skip
    with made.content as content:
        if content.seek(0, SEEK_END) > compose.ATTACHMENT_BYTES_MAX:
            raise TooLarge(
                f"{made.name} is larger than the {compose.ATTACHMENT_BYTES_MAX >> 20} MiB a mail carries: filter it, group by "
                "less, or fetch it from /exports."
            )
        content.seek(0)
        attachment = notify.Attachment(made.name, made.media_type.partition(";")[0], content.read())
    subject, text = _words(session, row, job, month)
    notify.enqueue(session, key=key, to=job.to, subject=subject, text=text, attachments=[attachment], now=now)
    return f"{made.name}, {made.rows} rows, to {', '.join(job.to)}."


def _words(session: Session, row: ReportSchedule, job: Job, month: str) -> tuple[str, str]:
    covers = job.due.covers
    if row.kind == "statement":
        found = statement.read(session, job.cost_centre or row.cost_centre, month)
        lines = [statement_words.sentence(found), statement_words.standing(found), *statement_words.notes(found)]
        subject = f"Statement of {found.centre}, {statement_words.month_words(month)}"
    else:
        lines = [f"{row.kind.capitalize()} from {rfc3339(covers.start)} to before {rfc3339(covers.end)}, attached."]
        subject = f"{row.name}: {row.kind} until {covers.end:%Y-%m-%d}"
    if job.missed:
        lines.append(f"{job.missed} earlier times passed while nothing ran; this is the newest.")
    lines.append(f"Sent by the schedule {row.name!r}, which {row.created_by} made.")
    return subject, "\n\n".join(lines) + "\n"


def _rhythm(of: Any) -> Rhythm:
    return Rhythm(of.every, of.at, of.zone)
