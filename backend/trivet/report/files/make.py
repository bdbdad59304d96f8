"""Which files there are, and making one: whole, on disk, before any of it leaves. Then it is sent on in parts."""

import io
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.report.files import ask, csv_file, statement
from trivet.report.files.table import Gone, Table

PART_BYTES = 1 << 16
IN_MEMORY_BYTES = 4 << 20  # larger files go to disk while they are made
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "focus.csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "parquet": "application/vnd.apache.parquet",
}
GROUP_BY = {"costs": "cost_centre", "usage": "tenant,model"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a file is to hold. `where` are ids by column and `asked` the same by the names people use."""

    form: str
    interval: Interval
    group_by: str = ""
    grain: str | None = None
    basis: str = "allocation"
    as_of: str | None = None
    focus_version: str = "1.2"
    cost_centre: str = ""
    month: str = ""
    where: Mapping[str, Collection[Any]] = field(default_factory=dict)
    asked: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    gone: Gone = field(default_factory=Gone, compare=False)


@dataclass(frozen=True, slots=True)
class Made:
    """A file. Who takes it closes `content`."""

    name: str
    media_type: str
    content: BinaryIO
    rows: int

    @property
    def is_text(self) -> bool:
        return self.media_type.startswith("text/")


Writer = Callable[[Session, str, Wish, datetime, BinaryIO], int]


def file(session: Session, kind: str, wish: Wish, now: datetime) -> Made:
    """Make a file; who calls holds the session at one moment (`ask.one_moment`)."""
    writer = check(kind, wish.form)
    content = _fresh()
    try:
        rows = writer(session, kind, wish, now, content)
        content.seek(0)
    except BaseException:
        content.close()
        raise
    return Made(name_of(kind, wish), MEDIA_TYPES[wish.form], content, rows)


def told(wish: Wish, gone: Gone) -> Wish:
    """The same wish, which tells how far it is."""
    return replace(wish, gone=gone)


def check(kind: str, form: str) -> Writer:
    """What makes such a file; `Invalid` names what there is where there is no such one."""
    writer = FILES.get((kind, form))
    if writer is None:
        if kind not in KINDS:
            raise Invalid(f"There is no export of {kind[:40]!r}: it is one of {', '.join(KINDS)}.", field="kind")
        forms = ", ".join(own for named, own in FILES if named == kind)
        raise Invalid(f"There is no {kind}.{form[:40]}: {kind} comes as {forms}.", field="format")
    return writer


def _fresh() -> BinaryIO:
    """A file of nobody's name, in memory while it is small."""
    return tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # type: ignore[return-value]  # its taker closes it; it is a BinaryIO in all but its type


def parts(content: BinaryIO) -> Iterator[bytes]:
    """The file from its beginning, part by part; closed behind the last."""
    with content:
        content.seek(0)
        while part := content.read(PART_BYTES):
            yield part


def name_of(kind: str, wish: Wish) -> str:
    """`trivet-costs-2026-11-01-2026-12-01.csv`: what a file is called, in letters that every file system takes."""
    if kind == "statement":
        of = f"{_NOT_IN_A_NAME.sub('-', wish.cost_centre)[:60]}-{wish.month}"
    else:
        of = f"{wish.interval.start:%Y-%m-%d}-{wish.interval.end:%Y-%m-%d}"
    return f"trivet-{kind}-{of}.{wish.form}"


def _table(session: Session, kind: str, wish: Wish, now: datetime) -> Table:
    asked = ask.question(
        kind, wish.interval, wish.group_by or GROUP_BY[kind], where=wish.where, grain=wish.grain, basis=wish.basis,
        as_of=wish.as_of, asked=wish.asked, gone=wish.gone,
    )  # fmt: skip
    return ask.table(session, asked, now)


def _csv(session: Session, kind: str, wish: Wish, now: datetime, out: BinaryIO) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        return csv_file.write(_table(session, kind, wish, now), text)
    finally:
        text.flush()
        text.detach()


def _xlsx(session: Session, kind: str, wish: Wish, now: datetime, out: BinaryIO) -> int:
    from trivet.report.files import (
        xlsx_file,
    )  # what writes other files than CSV is large, and loaded where it is asked for

    return xlsx_file.write(_table(session, kind, wish, now), out)


def _pdf(session: Session, _: str, wish: Wish, __: datetime, out: BinaryIO) -> int:
    if not (wish.cost_centre and wish.month):
        raise Invalid("A statement is of one cost_centre and one month.", field="cost_centre")
    from trivet.report.files import pdf_file

    return pdf_file.write(statement.read(session, wish.cost_centre, wish.month), out)


def _focus(session: Session, kind: str, wish: Wish, _: datetime, out: BinaryIO) -> int:
    if wish.grain not in (None, "1h", "1d"):
        raise Invalid("A row of FOCUS is of an hour (1h) or a day (1d).", field="grain")
    if wish.basis != "allocation":
        raise Invalid("A FOCUS file is on the basis `allocation`.", field="basis")
    asked = ask.Question(
        kind, wish.interval, (), wish.where, wish.grain or "1d", as_of=wish.as_of, asked=wish.asked, gone=wish.gone
    )
    from trivet.report.files import focus_file

    return focus_file.write(
        session, kind, asked, out, version=wish.focus_version, parquet=wish.form == "parquet"
    )  # fmt: skip


FILES: Mapping[tuple[str, str], Writer] = {
    ("costs", "csv"): _csv, ("costs", "xlsx"): _xlsx,
    ("usage", "csv"): _csv, ("usage", "xlsx"): _xlsx,
    ("statement", "pdf"): _pdf,
    ("allocation", "focus.csv"): _focus, ("allocation", "parquet"): _focus,
    ("supply", "focus.csv"): _focus, ("supply", "parquet"): _focus,
}  # fmt: skip
KINDS = tuple(dict.fromkeys(kind for kind, _ in FILES))
