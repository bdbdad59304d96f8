"""Files of the small invented company."""

import io
from datetime import UTC, datetime

import pytest
from sqlalchemy.dialects.postgresql import insert as upsert
from tests.support import books

from trivet import db
from trivet.kit.clock import utc_now
from trivet.kit.interval import Interval
from trivet.ledger import period_close
from trivet.ledger.models import PostedHour
from trivet.report import names
from trivet.report.files import ask, make


@pytest.fixture
def made(database):
    """`made("costs", "csv", …)` -> the bytes of a file of seven to eight, where nothing else is said."""

    def file(kind, form, interval=None, asked=None, **wish):
        with db.transaction() as session:
            ask.one_moment(session)
            where = names.where(session, asked or {})
            wished = make.Wish(
                form, interval or Interval(books.SEVEN, books.EIGHT), where=where, asked=asked or {}, **wish
            )
            found = make.file(session, kind, wished, utc_now())
        return b"".join(make.parts(found.content))

    return file


@pytest.fixture
def morning(database):
    books.company()
    books.a_morning()
    books.post()


def text(content: bytes) -> io.StringIO:
    return io.StringIO(content.decode())


DECEMBER = datetime(2026, 12, 1, 2, tzinfo=UTC)  # each hour until then is posted


def close_november(now=DECEMBER):
    """Everything of November is posted; two people close it."""
    until = {"id": 1, "posted_until": datetime(2026, 12, 1, tzinfo=UTC)}
    with db.transaction() as session:
        row = upsert(PostedHour).values(until)
        session.execute(row.on_conflict_do_update(index_elements=["id"], set_=until))
    with db.transaction() as session:
        period_close.request(session, month="2026-11", reason="All is in.", actor="ann", now=now, grace_s=60)
    with db.transaction() as session:
        period_close.close(session, month="2026-11", actor="bob", now=now, grace_s=60)


def late_request():
    """bolt's late request of the same morning, booked in December because November is closed."""
    books.a_late_request()
    books.post(DECEMBER)
