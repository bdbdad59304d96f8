"""Which budgets a call falls under, and how their windows stand before anything was held."""

import pytest
from tests.support.budgets import NOW, budget, crossed, known, prices, scenario, spend, spent, windows

from trivet import db
from trivet.budget.limits import Subject
from trivet.budget.refresh import refresh
from trivet.budget.service import limits_of

pytestmark = pytest.mark.usefixtures("database")


class TestLimitsOf:
    def test_a_call_falls_under_every_layer_and_windows_come_in_the_order_of_locking(self):
        prices()
        acme, _ = known("acme", "bolt")
        chat = scenario("chat")
        spend("1")
        refresh(NOW)
        budget("call", scope="request", window="request", limit="0.5", hard=True)
        budget("all", limit="100")
        budget("each", scope="tenant", limit="5", hard=True)
        budget("bolt", scope="tenant", subject="bolt")
        budget("chat", scope="scenario", subject="chat", window="month")
        with db.transaction() as session:
            limits = limits_of(session, Subject(acme, chat), NOW)
        assert [each.budget for each in limits] == ["call", "all", "each", "chat"]
        assert limits[0].window_id is None
        ids = [each.window_id for each in limits[1:]]
        assert ids == sorted(ids)
        assert [w.spent for w in windows()] == [1, 1, 1]  # made with what was spent before
        assert [(each.hard, each.unknown_price) for each in limits] == [
            (True, "closed"), (False, "open"), (True, "closed"), (False, "open"),
        ]  # fmt: skip
        with db.transaction() as session:
            assert limits_of(session, Subject(acme, chat), NOW) == limits

    def test_lines_that_were_passed_before_the_window_was_made_are_told(self):
        prices()
        [acme] = known("acme")
        spend("9")
        refresh(NOW)
        budget("each", scope="tenant")
        with db.transaction() as session:
            limits_of(session, Subject(acme), NOW)
        refresh(NOW)
        assert crossed() == [50, 80, 90]

    def test_an_interaction_is_counted_from_its_requests(self):
        prices()
        [acme] = known("acme")
        spend("1", conversation_id="c1")
        spend("2", conversation_id="c1")
        spend("4", conversation_id="c1", tenant="bolt")
        each = budget("talk", scope="interaction", window="interaction", limit="5", hard=True)
        with db.transaction() as session:
            [limit] = limits_of(session, Subject(acme, interaction="c1"), NOW)
        assert (limit.budget_id, spent(each)) == (each, 3)
