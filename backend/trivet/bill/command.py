"""`trivet bill import`: the same import as over REST, from a file on this machine."""

from collections.abc import Callable
from pathlib import Path

from trivet import db
from trivet.bill import answers, posting, service
from trivet.bill.asked import Given, wanted_of
from trivet.bill.later import limits
from trivet.bill.models import Bill
from trivet.bill.telling import Told, sentence
from trivet.kit.clock import utc_now

PROGRESS_ROWS = 50_000
Say = Callable[[str], None]


def run(path: Path, usage: Path | None, given: Given, *, spread: str, actor: str, say: Say) -> None:
    """Import a file; where `spread` is told, post its bills, each in a transaction of its own."""
    with path.open("rb") as file, (usage or path).open("rb") as beside:
        wanted = wanted_of(given, file, beside if usage else None, given.file_name or path.name)
        with db.transaction() as session:
            made = service.do_import(
                session, wanted, limits=limits(), actor=actor, now=utc_now(),
                progress=lambda rows: say(f"{rows:,} rows read") if rows % PROGRESS_ROWS == 0 else None,
            )  # fmt: skip
            told = [_told(answers.told(bill, answers.rows_of(session, bill.id)), bill) for bill in made.bills]
    for line in told:
        say(line if made.new else f"imported before: {line}")
    for bill in made.bills if spread else ():
        with db.transaction() as session:
            posting.post(session, bill.id, spread=spread, actor=actor, now=utc_now())
        say(f"bill {bill.id} is posted")


def _told(of: Told, bill: Bill) -> str:
    return f"bill {bill.id}, {bill.lines:,} lines: {sentence(of)}"
