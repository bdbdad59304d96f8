"""What is kept in a process is what the database says now, and takes no more room than it may."""

from datetime import timedelta

import pytest
from tests.support import books

from trivet import db
from trivet.kit.interval import Interval
from trivet.report import tokens
from trivet.report.costs import costs
from trivet.report.kept import Kept, answers

DAYS = Interval(books.DAY - timedelta(days=1), books.DAY + timedelta(days=1))
POSTED = books.DAY + timedelta(days=1, minutes=2)


class TestRoom:
    def test_an_answer_is_found_under_its_marker_alone(self):
        kept = Kept()
        kept.keep("a", 1, [(1,)])
        assert kept.find("a", 1) == [(1,)]
        assert kept.find("a", 2) is None and kept.find("b", 1) is None

    def test_the_answers_not_used_for_longest_make_room(self):
        kept = Kept(rows_max=6, largest=3)
        for name in "abc":
            kept.keep(name, 1, [(1,), (2,)])
            kept.find("a", 1)
        assert [kept.find(name, 1) is not None for name in "abc"] == [True, False, True]

    def test_one_that_is_too_large_is_not_kept(self):
        kept = Kept(rows_max=6, largest=3)
        kept.keep("a", 1, [(n,) for n in range(4)])
        assert kept.find("a", 1) is None

    def test_a_newer_answer_takes_the_place_of_the_older_one(self):
        kept = Kept(rows_max=4, largest=3)
        for marker in range(5):
            kept.keep("a", marker, [(marker,)])
        assert kept.find("a", 4) == [(4,)] and kept.find("a", 3) is None


def told():
    """By tenant: the cost of two days, and their tokens."""
    with db.transaction() as session:
        found = costs(session, DAYS, ["tenant"], {})
        served = tokens.counts(session, DAYS, [], {})
    return {row.key[0]: row.amount for row in found.rows}, served[()].tokens


@pytest.mark.usefixtures("database")
class TestTheLedgerMoves:
    def test_a_late_call_is_seen_once_it_is_posted_and_before(self):
        books.company()
        books.a_morning()
        for _ in range(3):
            books.post(now=POSTED)
        before, again = told(), told()
        assert before == again and before[0]["bolt"] > 0
        assert answers.find(*_a_question()) is not None
        books.a_late_request()
        coming = told()
        assert coming[1] == before[1] + 1_000_000  # usage has it already
        books.post(now=POSTED)
        after = told()
        assert after[0] != before[0] and after[1] == coming[1]


def _a_question():
    question, (marker, _) = next(iter(answers._answers.items()))  # what is kept is what is looked at here
    return question, marker
