"""What ladders learn of budgets: that everyone's is spent, and whose midnight begins a scenario's budget day."""

from datetime import timedelta

from sqlalchemy import select
from tests.support.budgets import NOW, budget, prices, refresh, spend
from tests.support.governed import register

from trivet import db
from trivet.budget import short
from trivet.guard import shortages
from trivet.guard.models import LadderState, Shortage


def shortage():
    with db.transaction() as session:
        return session.scalars(select(Shortage)).one_or_none()


def ladder(scenario_id):
    with db.transaction() as session:
        session.add(
            LadderState(scenario_id=scenario_id, level=0, since=NOW, reason="", failed=0, yields=0, direction=0)
        )


def zone(scenario_id):
    with db.transaction() as session:
        return session.get_one(LadderState, scenario_id).budget_zone


class TestAGlobalBudgetThatIsSpent:
    def test_is_a_shortage_for_every_scenario_until_it_is_over(self, database):
        prices()
        ids = [register("chat"), register("lab", criticality="experimental")]
        budget("all", limit="10", hard=True, action="refuse")
        spend("12")
        refresh(NOW)
        short.tell(NOW)
        found = shortage()
        assert (found.kind, found.subject, found.scenario_ids, found.calm_since) == ("budget", "all", ids, None)
        assert found.reason.startswith("budget all is spent: ")
        with db.transaction() as session:
            assert shortages.give_way(session, NOW + timedelta(seconds=20)) == 1
        assert shortage().yields == {str(ids[1]): 1}  # the experimental one
        short.tell(NOW + timedelta(days=1))  # another window
        assert shortage().calm_since == NOW + timedelta(days=1)

    def test_that_is_soft_or_not_spent_is_none(self, database):
        prices()
        register("chat")
        budget("all", limit="10")
        budget("more", limit="100", hard=True, action="refuse")
        spend("12")
        refresh(NOW)
        short.tell(NOW)
        assert shortage() is None


class TestABudgetDay:
    def test_is_of_the_scenarios_own_daily_budget(self, database):
        chat = register("chat")
        ladder(chat)
        short.tell(NOW)
        assert zone(chat) is None
        budget("chats", scope="scenario", subject="chat", zone="Europe/Berlin")
        short.tell(NOW)
        assert zone(chat) == "Europe/Berlin"
