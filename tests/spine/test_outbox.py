"""Hand-offs leave after commit, at least once, and wait while the broker is away."""

import pytest
from sqlalchemy import func, select

from trivet import db, outbox
from trivet.outbox import Outbox


def waiting() -> int:
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(Outbox)) or 0


class TestTheOutbox:
    def test_a_hand_off_of_a_transaction_that_rolled_back_never_leaves(self, database: str) -> None:
        def send_and_fail() -> None:
            with db.transaction() as session:
                outbox.send(session, "x.y", 1)
                session.flush()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            send_and_fail()
        assert waiting() == 0

    def test_it_leaves_once_in_order_with_its_arguments(self, database: str) -> None:
        with db.transaction() as session:
            outbox.send(session, "a.first", 1, "two")
            session.flush()
            outbox.send(session, "b.second", queue="control")
        sent: list[tuple[str, list[object], str]] = []
        with db.transaction() as session:
            assert outbox.relay(session, lambda *message: sent.append(message)) == 2
        assert sorted(sent) == [("a.first", [1, "two"], "work"), ("b.second", [], "control")]
        assert waiting() == 0

    def test_it_waits_while_the_broker_is_away(self, database: str) -> None:
        def away(*_: object) -> None:
            raise ConnectionError

        with db.transaction() as session:
            outbox.send(session, "a.first")
        with pytest.raises(ConnectionError), db.transaction() as session:
            outbox.relay(session, away)
        assert waiting() == 1
