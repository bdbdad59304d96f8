"""`trivet export`: files of usage, costs and statements, with the numbers that the page and the API give."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from trivet import db
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.report.files import ask, csv_file, make, statement


def export(kind: str, interval: Interval, group_by: Sequence[str] | str, out: TextIO) -> int:
    """Write usage or costs of an interval as CSV with a header; says how many rows. Costs end with what is kept apart.

    `group_by` is a list of dimensions or the API's comma-separated text. `Invalid` as the API says it.
    """
    by = group_by if isinstance(group_by, str) else ",".join(group_by)
    with db.transaction() as session:
        ask.one_moment(session)
        return csv_file.write(ask.table(session, ask.question(kind, interval, by), utc_now()), out)


def run(kind: str, wish: make.Wish, out: Path | None) -> int:
    """Write a file, or a text format to the terminal; how many rows."""
    with db.transaction() as session:
        ask.one_moment(session)
        made = make.file(session, kind, wish, utc_now())
    with made.content as content:
        if out is not None:
            with out.open("wb") as file:
                for part in make.parts(content):
                    file.write(part)
        elif made.is_text:
            for part in make.parts(content):
                sys.stdout.write(part.decode())
        else:
            raise Invalid(f"A {made.name.rpartition('.')[2]} file is no text: name it with --out.", field="out")
    return made.rows


FORMS = {"statement": "pdf", "allocation": "focus.csv", "supply": "focus.csv"}  # others are CSV where nothing is said


def wish_of(kind: str, start: str, end: str, *, form: str, month: str, cost_centre: str, **more: Any) -> make.Wish:
    """A file as the command line asks for it: of a month, or between two times."""
    make.check(kind, form or FORMS.get(kind, "csv"))
    if month:
        interval = statement.month_interval(month)
    elif start and end:
        interval = Interval(instant(start, "from"), instant(end, "to"))
    else:
        raise Invalid("Say --month, or --from and --to.", field="from")
    if kind == "statement" and not month:
        raise Invalid("A statement is of a --month and a --cost-centre.", field="month")
    return make.Wish(form or FORMS.get(kind, "csv"), interval, month=month, cost_centre=cost_centre, **more)


def instant(text: str, field: str) -> datetime:
    """An RFC 3339 time out of the command line; `Invalid` says how to write one."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as bad:
        raise Invalid(f"--{field} is a time such as 2026-11-01T00:00:00Z, not {text!r}.", field=field) from bad
    if at.tzinfo is None:
        raise Invalid(f"--{field} {text} needs its zone: write {at.isoformat()}Z for UTC.", field=field)
    return at
