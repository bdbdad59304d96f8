"""The page of exports: a form, the files made lately, what goes out by itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.console.address import Address, Times, number_after
from trivet.console.jobs import exports_words as words
from trivet.console.jobs import jobs_read
from trivet.console.jobs.exports_views import ExportForm, ExportsPage, ScheduleForm, ScheduleRow
from trivet.console.tongue import _
from trivet.console.views import Choice, Reader
from trivet.job import api as jobs
from trivet.job.models import DONE, OPEN, Job
from trivet.kit.page import to_cursor
from trivet.report.files import due, later
from trivet.report.files.due import Rhythm
from trivet.report.files.files_api import PLATFORM_ONLY
from trivet.report.files.focus_columns import VERSIONS
from trivet.report.files.schedule_models import ReportRun, ReportSchedule
from trivet.settings import get_settings
from trivet.tenant.models import CostCentre

SHOWN = 20
SCHEDULES_SHOWN = 100
CENTRES_OFFERED = 500
Text = Annotated[str, Field(max_length=256)]


class Query(Times):
    """The range of files made lately, and what the form begins with."""

    file: Annotated[str, Field(max_length=40)] = ""
    by: Annotated[str, Field(max_length=100)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


class Asked(Times):
    """What the form of a file says; `since` and `until` are days, the last one included."""

    file: Annotated[str, Field(max_length=40)] = "costs.csv"
    by: Annotated[str, Field(max_length=100)] = "cost_centre"
    grain: Annotated[str, Field(max_length=10)] = ""
    cost_centre: Text = ""
    focus_version: Annotated[str, Field(max_length=10)] = ""


class Scheduled(Times):
    """What the form of a schedule says."""

    name: Text = ""
    file: Annotated[str, Field(max_length=40)] = "costs.csv"
    by: Annotated[str, Field(max_length=100)] = "cost_centre"
    every: Annotated[str, Field(max_length=10)] = "month"
    at: Annotated[str, Field(max_length=5)] = "08:00"
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    to: Annotated[str, Field(max_length=2_000)] = ""
    cost_centre: Text = ""


def listed(session: Session, looking: Reader, query: Query, address: Address, count: int) -> list[Job]:
    """Exports that the reader may see, newest first."""
    return jobs.listed(
        session, looking.tenant_id, kind=later.KIND, after=number_after(query.cursor), count=count,
        interval=address.interval,
    )  # fmt: skip


def page(
    session: Session,
    looking: Reader,
    query: Query,
    address: Address,
    *,
    asked: Asked | None = None,
    scheduled: Scheduled | None = None,
    problem: str = "",
) -> ExportsPage:
    """The page; `asked` or `scheduled` is the form that was refused, for `problem`."""
    found = listed(session, looking, query, address, SHOWN + 1)
    more = address.url(cursor=to_cursor([found[SHOWN - 1].id])) if len(found) > SHOWN else ""
    schedules, count, failed = _schedules(session, looking)
    made, under_way = _counts(session, looking, address)
    return ExportsPage(
        reader=looking,
        sentence=words.sentence(made, under_way, None if schedules is None else count, failed),
        address=address,
        form=_form(session, looking, asked or _begun(query, looking.now), problem if asked else ""),
        files=jobs_read.rows(session, found[:SHOWN], looking),
        next_url=more,
        schedules=schedules,
        schedules_left_out=count - len(schedules or ()),
        schedule_form=_schedule_form(looking, scheduled or Scheduled(), problem if scheduled else ""),
        unheard="" if get_settings().smtp_host else _(words.UNHEARD),
        live_url=address.url(cursor=query.cursor),
    )


def _begun(query: Query, now: datetime) -> Asked:
    return Asked(
        file=query.file if query.file in words.FILES else "costs.csv", by=query.by or "cost_centre",
        since=query.since or f"{now:%Y-%m}-01", until=query.until or f"{now:%Y-%m-%d}",
    )  # fmt: skip


def _counts(session: Session, looking: Reader, address: Address) -> tuple[int, int]:
    """Files made of the range, and those under way."""
    of = select(Job.state, func.count()).where(Job.kind == later.KIND, Job.state.in_((DONE, *OPEN))).group_by(Job.state)
    of = of.where(Job.created_at >= address.interval.start, Job.created_at < address.interval.end)
    if looking.tenant_id is not None:
        of = of.where(Job.tenant_id == looking.tenant_id)
    found: dict[str, int] = dict(session.execute(of).all())
    return found.get(DONE, 0), sum(found.get(state, 0) for state in OPEN)


def _form(session: Session, looking: Reader, asked: Asked, problem: str) -> ExportForm:
    centres = select(CostCentre.name).order_by(CostCentre.name).limit(CENTRES_OFFERED)
    return ExportForm(
        files=_choices(_files(looking), asked.file), since=asked.since, until=asked.until,
        groups=_choices(words.GROUPS, asked.by), grains=_choices(words.GRAINS, asked.grain),
        cost_centre=asked.cost_centre,
        centres=tuple(session.scalars(centres)) if looking.tenant_id is None else (),
        versions=_choices({version: version for version in VERSIONS}, asked.focus_version), problem=problem,
    )  # fmt: skip


def _files(looking: Reader) -> Mapping[str, str]:
    if looking.tenant_id is None:
        return words.FILES
    return {file: said for file, said in words.FILES.items() if later.split(file)[0] not in PLATFORM_ONLY}


def _choices(of: Mapping[str, str], chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, _(said), "", value == chosen) for value, said in of.items())


def _schedule_form(looking: Reader, asked: Scheduled, problem: str) -> ScheduleForm | None:
    if not looking.may_book or looking.tenant_id is not None:
        return None
    return ScheduleForm(
        name=asked.name, files=_choices(words.FILES, asked.file), groups=_choices(words.GROUPS, asked.by),
        rhythms=_choices(words.RHYTHMS, asked.every), at=asked.at, zone=asked.zone, to=asked.to,
        cost_centre=asked.cost_centre, problem=problem,
    )  # fmt: skip


def _schedules(session: Session, looking: Reader) -> tuple[tuple[ScheduleRow, ...] | None, int, int]:
    """Those that run, by name; how many there are; how many failed the last time."""
    if looking.tenant_id is not None:
        return None, 0, 0
    running = select(ReportSchedule).where(ReportSchedule.ended_at.is_(None))
    count = session.scalar(select(func.count()).select_from(running.subquery())) or 0
    found = session.scalars(running.order_by(ReportSchedule.name).limit(SCHEDULES_SHOWN)).all()
    last = _last(session, [row.id for row in found])
    rows = tuple(_schedule(row, last.get(row.id), looking.now) for row in found)
    return rows, count, sum(row.failed for row in rows)


def _last(session: Session, ids: Sequence[int]) -> dict[int, ReportRun]:
    """The newest run of each; of several of one time, one that failed."""
    newest = (
        select(ReportRun).where(ReportRun.schedule_id.in_(ids)).ext(distinct_on(ReportRun.schedule_id))
        .order_by(ReportRun.schedule_id, ReportRun.due_at.desc(), ReportRun.state)
    )  # fmt: skip
    return {run.schedule_id: run for run in session.scalars(newest)}


def _schedule(row: ReportSchedule, last: ReportRun | None, now: datetime) -> ScheduleRow:
    following = None if row.kind == "statement" else due.following(Rhythm(row.every, row.at, row.zone), now).at
    return ScheduleRow(
        id=row.id, name=row.name, what=words.what(row.kind, row.form, row.group_by, row.cost_centre),
        rhythm=words.rhythm(row.every, row.at, row.zone), to=", ".join(row.recipients) or _(words.OWNERS),
        by=row.created_by, next_at=following, last_at=last.made_at if last else None,
        last=last.detail if last else "", failed=last is not None and last.state == "failed",
    )  # fmt: skip
