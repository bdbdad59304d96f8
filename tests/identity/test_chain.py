"""The chain is verified in steps that remember where they were; what was changed behind our back is found by name."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from trivet import db
from trivet.identity import audit, chain, tasks
from trivet.identity.models import Audit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def record(count: int) -> None:
    with db.transaction() as session:
        for number in range(count):
            audit.record(session, actor="ada", action="test", subject=f"row:{number}", after={"n": number})


def tamper(sql: str) -> None:
    """As a superuser, past the trigger that refuses every change."""
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(sql))


def step(at: datetime = NOON, *, again: bool = False) -> chain.Standing:
    with db.transaction() as session:
        return chain.step(session, at, again=again)


@pytest.fixture(autouse=True)
def small_steps(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "STEP_ROWS", 4)
    monkeypatch.setattr(chain, "BATCH_ROWS", 3)


class TestAPass:
    def test_goes_on_where_it_was_and_says_when_it_came_to_the_end(self) -> None:
        record(10)
        said = [step(NOON + timedelta(minutes=n)) for n in range(3)]
        assert [(each.verified, each.rows, each.broken_id) for each in said] == [
            (4, 10, None),
            (8, 10, None),
            (10, 10, None),
        ]
        assert [each.whole_at for each in said] == [None, None, NOON + timedelta(minutes=2)]
        assert said[-1].since is not None
        record(1)
        assert step().verified == 11

    def test_looked_at_keeps_nothing(self) -> None:
        record(6)
        for _ in range(2):
            with db.transaction() as session:
                assert chain.look(session).verified == 4

    def test_begins_again_a_day_after_it_began(self) -> None:
        record(3)
        step(NOON)
        with db.transaction() as session:
            assert not chain.is_due(session, NOON + timedelta(hours=23))
            assert chain.is_due(session, NOON + timedelta(hours=24))

    def test_is_done_by_a_task_too(self) -> None:
        record(2)
        assert tasks.verify_chain() is None
        assert step().verified == 2

    def test_of_nothing_finds_nothing(self) -> None:
        found = step()
        assert (found.verified, found.rows, found.broken_id, found.since) == (0, 0, None, None)


class TestARowChangedBehindOurBack:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE audit SET after = '{\"n\": 99}' WHERE id = 6",
            "UPDATE audit SET actor = 'nobody' WHERE id = 6",
            "UPDATE audit SET at = at + interval '1 second' WHERE id = 6",
            "UPDATE audit SET hash = sha256('x') WHERE id = 6",
            "UPDATE audit SET id = 60 WHERE id = 6",
        ],
    )
    def test_is_named_and_stays_named(self, sql: str) -> None:
        record(7)
        tamper(sql)
        assert step().broken_id is None
        found = step()
        assert found.broken_id in {6, 7}
        assert found.verified == 5
        assert step().broken_id == found.broken_id

    def test_that_was_verified_before_is_found_by_a_pass_from_the_first_row(self) -> None:
        record(4)
        step()
        tamper("UPDATE audit SET reason = 'never mind' WHERE id = 2")
        assert step().broken_id is None
        assert step(again=True).broken_id == 2

    def test_at_the_end_of_what_was_verified_is_found_at_once(self) -> None:
        record(4)
        step()
        tamper("DELETE FROM audit WHERE id = 4")
        assert step().broken_id == 4

    def test_with_every_later_hash_made_to_fit_does_not_fit_what_was_remembered(self) -> None:
        record(4)
        step()
        with db.transaction() as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text("UPDATE audit SET actor = 'nobody' WHERE id = 3"))
            previous = audit.START
            for row in session.scalars(select(Audit).order_by(Audit.id)):
                row.previous_hash, row.hash = previous, b""
                row.hash = previous = audit.row_hash(row)
                session.flush()
            assert audit.first_broken(session) is None
        assert step().broken_id == 4
