"""Files of the small invented company."""

import io

import pytest
from tests.support import books

from trivet import db
from trivet.kit.clock import utc_now
from trivet.kit.interval import Interval
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
