"""A bill read by a worker: the same import, in one transaction with the job's last word."""

import hashlib
from typing import IO

from sqlalchemy.orm import Session

from trivet import db
from trivet.bill import service
from trivet.bill.asked import Given, wanted_of
from trivet.bill.read.table import Limits
from trivet.job import api as jobs
from trivet.job import parts
from trivet.job.models import Job
from trivet.job.service import Came, Wanted
from trivet.job.work import Running
from trivet.kit.body import NAME_MAX
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

KIND, TASK = "bill", "bill.import"
FILE, USAGE = "file", "usage"


def limits() -> Limits:
    """Of one file, as the settings say."""
    settings = get_settings()
    return Limits(settings.bill_file_limit_bytes, settings.bill_rows_limit)


def begin(session: Session, file: IO[bytes], usage: IO[bytes] | None, *, name: str, given: Given, actor: str) -> Job:
    """Ask for an import; the file is kept until the job ends. What the address says wrongly is refused now."""
    wanted_of(given, file, usage, name)
    files = {FILE: file} | ({USAGE: usage} if usage is not None else {})
    params = given.model_dump(mode="json", include=set(Given.model_fields), exclude_defaults=True)
    params |= {"name": name[:NAME_MAX], "sha256": {of: _digest(content) for of, content in files.items()}}
    title = f"Import of the bill {name[:NAME_MAX]}"
    return jobs.begun(session, Wanted(KIND, title, TASK, params, unit="lines", given=files), actor)


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # an upload is a file in all but its type
    file.seek(0)
    return digest


def run(running: Running) -> None:
    """Read it, compare it, and say which bills came of it."""
    claim = running.claim
    given = Given.model_validate({name: value for name, value in claim.params.items() if name in Given.model_fields})
    with parts.opened(claim.id, FILE) as file, parts.opened(claim.id, USAGE) as usage, db.transaction() as session:
        beside = usage if USAGE in claim.params["sha256"] else None
        wanted = wanted_of(given, file, beside, claim.params["name"])
        made = service.do_import(
            session, wanted, limits=limits(), actor=claim.actor, now=utc_now(), progress=running.advance
        )
        lines = sum(bill.lines for bill in made.bills)
        note = f"{len(made.bills)} {'bill' if len(made.bills) == 1 else 'bills'}, {lines:,} lines."
        note = note if made.new else f"This file was imported before: {note}"
        running.finish(session, Came(note, f"/bills?bill={made.bills[0].id}"))
