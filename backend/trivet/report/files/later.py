"""Files made in the background: asked for as over `GET /exports`, made by a worker as that makes them, then kept for a while."""

from datetime import timedelta

from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.auth import Principal
from trivet.job import api as jobs
from trivet.job.models import Job
from trivet.job.service import Came, Wanted
from trivet.job.work import Running
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.report.files import ask, files_api, make
from trivet.report.files.files_api import ExportQuery
from trivet.report.files.table import Gone

KIND, TASK = "export", "report.export"
GRAINS = {"1h": "hour", "1d": "day", "1mo": "month"}
FORMS = {"csv": "CSV", "xlsx": "workbook", "pdf": "PDF", "focus.csv": "FOCUS CSV", "parquet": "FOCUS Parquet"}


def begin(session: Session, file: str, query: ExportQuery, principal: Principal) -> Job:
    """Ask for a file. What could not be made is refused now, not in the background."""
    kind, form = split(file)
    wish = files_api.wish(session, kind, form, query, principal)
    if kind in ask.KINDS:
        ask.question(kind, wish.interval, wish.group_by or make.GROUP_BY[kind])
    if wish.interval.end <= wish.interval.start:
        raise Invalid("`to` lies before `from`.", field="to")
    asked = query.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    wanted = Wanted(KIND, title(kind, wish), TASK, {"file": file} | asked, principal.tenant_id, "days")
    return jobs.begun(session, wanted, principal.actor)


def split(file: str) -> tuple[str, str]:
    """`costs.csv` as what it tells and its form."""
    kind, _, form = file.partition(".")
    return kind, form


def title(kind: str, wish: make.Wish) -> str:
    """`Costs by cost centre, a row each day, 2026-11-01 to 2026-11-30, CSV`; the last day is one it still covers."""
    if kind == "statement":
        return f"Statement of {wish.cost_centre}, {wish.month}, PDF"
    by = f" by {wish.group_by.replace('_', ' ').replace(',', ', ')}" if wish.group_by else ""
    rows = f", a row each {GRAINS.get(wish.grain, wish.grain)}" if wish.grain else ""
    return f"{kind.capitalize()}{by}{rows}, {days(wish.interval)}, {FORMS[wish.form]}"


def days(interval: Interval) -> str:
    """`2026-11-01 to 2026-11-30`: the days it covers."""
    last = interval.end - timedelta(microseconds=1)
    return f"{interval.start:%Y-%m-%d} to {last:%Y-%m-%d}"


def export(running: Running) -> None:
    """Make the file, in one state of the database, and keep it."""
    claim = running.claim
    params = dict(claim.params)
    kind, form = split(str(params.pop("file")))
    query = ExportQuery.model_validate(params)
    asker = Principal(claim.actor, frozenset({"read"}), claim.tenant_id)
    with db.bound_to(claim.tenant_id), db.transaction() as session:
        ask.one_moment(session)
        wish = files_api.wish(session, kind, form, query, asker)
        made = make.file(session, kind, _told(wish, running), utc_now())
    with made.content as content, running.finishing() as session:
        note = f"{made.rows:,} rows." if made.rows != 1 else "1 row."
        running.finish(session, Came(note, "", made.name, made.media_type, content))


def _told(wish: make.Wish, running: Running) -> make.Wish:
    def tell(done: int, of: int, rows: int) -> None:
        running.advance(done, of, f"{rows:,} rows so far")

    return make.told(wish, Gone(tell))
