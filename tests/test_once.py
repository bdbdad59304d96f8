"""What a page asks again and again is asked of the database once; whoever changes something sees what they changed."""

from contextvars import copy_context
from datetime import UTC, datetime

from sqlalchemy import event

from trivet import db
from trivet.ledger.models import PostedHour
from trivet.ledger.service import posted_until

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


def asked_twice() -> int:
    """How many statements it takes to ask the same twice in one transaction."""
    told: list[str] = []
    with db.transaction() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *given: told.append(given[2]))
        assert posted_until(session) == posted_until(session)
    return len(told)


def looking() -> int:
    db.look(None)
    return asked_twice()


class TestAQuestionOfOnePage:
    def test_is_asked_once_where_the_transaction_only_reads(self, database):
        assert (copy_context().run(looking), asked_twice()) == (1, 2)

    def test_is_asked_again_by_whoever_may_change_the_answer(self, database):
        with db.transaction() as session:
            assert posted_until(session) is None
            session.add(PostedHour(id=1, posted_until=AT))
            session.flush()
            assert posted_until(session) == AT
