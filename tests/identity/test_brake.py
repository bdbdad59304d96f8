"""Guessing is slow in all processes together; nobody can lock somebody else out for good; the table has an end."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from trivet import db
from trivet.identity import brake
from trivet.identity.models import SignInTry

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def tries(*counts: brake.Count, at: datetime = NOON) -> bool:
    with db.transaction() as session:
        return brake.allows(session, counts, at)


def rows() -> int:
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(SignInTry)) or 0


@pytest.mark.usefixtures("database")
class TestTheBrake:
    def test_holds_an_address_after_ten_tries_and_lets_it_go_after_a_minute(self) -> None:
        here = brake.from_address("203.0.113.7")
        assert [tries(here) for _ in range(11)] == [True] * 10 + [False]
        assert tries(brake.from_address("203.0.113.8"))
        assert tries(here, at=NOON + timedelta(seconds=61))

    def test_holds_an_account_that_is_tried_from_everywhere(self) -> None:
        said = [tries(brake.from_address(f"203.0.113.{n}"), brake.at_account("Ada@example.test")) for n in range(31)]
        assert said == [True] * 30 + [False]
        assert tries(brake.at_account("ada@example.test "), at=NOON + timedelta(minutes=16))

    def test_lets_a_browser_that_was_there_before_in_while_strangers_try(self) -> None:
        for n in range(40):
            tries(brake.from_address(f"203.0.113.{n}"), brake.at_account("ada@example.test"))
        assert tries(brake.from_address("198.51.100.1"), brake.known_browser("ada@example.test"))

    def test_counts_a_right_password_as_no_guess_and_forgets_no_guess_for_it(self) -> None:
        here = brake.from_address("203.0.113.7")
        for _ in range(9):
            tries(here)
        for _ in range(20):
            assert tries(here)
            with db.transaction() as session:
                brake.give_back(session, [here])
        assert [tries(here), tries(here)] == [True, False]

    def test_takes_one_network_of_ipv6_as_one_address(self) -> None:
        one, same = brake.from_address("2001:db8:1:2::1"), brake.from_address("2001:db8:1:2:ffff::9%eth0")
        other = brake.from_address("2001:db8:1:3::1")
        assert one == same
        assert one != other

    def test_has_an_end_and_then_strangers_share_one_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(brake, "ROWS_MAX", 3)
        said = [tries(brake.from_address(f"203.0.113.{n}")) for n in range(14)]
        assert said == [True] * 13 + [False]
        assert rows() == 4

    def test_clears_away_what_is_past(self) -> None:
        for n in range(5):
            tries(brake.from_address(f"203.0.113.{n}"))
        tries(brake.from_address("203.0.113.9"), at=NOON + timedelta(minutes=16))
        assert rows() == 1
