"""Requests and interactions are judged one by one as they arrive."""

from decimal import Decimal

import pytest
from sqlalchemy import select, text
from tests.support import governed
from tests.support.budgets import NOW, budget, known, prices, refresh, rows, spend, spent, windows

from trivet import db
from trivet.budget import over
from trivet.budget.limits import Subject
from trivet.budget.models import BudgetOver, BudgetOverDay
from trivet.budget.service import limits_of
from trivet.command.models import Command
from trivet.notify.models import Message

pytestmark = pytest.mark.usefixtures("database")


def commands():
    with db.transaction() as session:
        return [(c.kind, c.tenant_id, c.actor, c.reason) for c in session.scalars(select(Command).order_by(Command.id))]


def days():
    with db.transaction() as session:
        return [(row.items, row.over) for row in session.scalars(select(BudgetOverDay))]


class TestARequest:
    def test_over_its_budget_is_listed_counted_told_once_a_day_and_degrades_its_tenant(self):
        prices()
        governed.register("chat")
        [acme] = known("acme")
        each = budget("call", scope="request", window="request", limit="2", hard=True, action="degrade", level=1,
                      owners=("ole@example.com",))  # fmt: skip
        spend("2", trace_id=b"a" * 16, span=b"a" * 8)  # at the limit is not over it
        spend("2.5", trace_id=b"b" * 16, span=b"b" * 8)
        spend("3", trace_id=b"c" * 16, span=b"\xff" * 8)
        assert over.judge(NOW) == 2
        assert over.judge(NOW) == 0
        assert [(row.what, row.amount, row.budget_id) for row in rows(BudgetOver)] == [
            ("62" * 16 + "/" + "62" * 8, Decimal("2.5"), each),
            ("63" * 16 + "/" + "ff" * 8, Decimal(3), each),
        ]
        assert days() == [(2, Decimal("1.5"))]
        assert commands() == [(
            "degrade", acme, "budget:call",
            f"Budget call: request {'62' * 16}/{'62' * 8} came to 2.50 USD, over 2.00 USD a request",
        )]  # fmt: skip
        [message] = rows(Message)
        assert message.subject == "Budget call: a request came to 2.50 USD, over 2.00 USD"

    def test_of_another_tenant_or_scenario_is_not_concerned(self):
        prices()
        known("acme", "bolt")
        budget("call", scope="request", window="request", limit="2", tenant="bolt")
        spend("3")
        assert over.judge(NOW) == 0

    def test_is_judged_in_tokens_too(self):
        prices()
        budget("call", scope="request", window="request", measure="tokens", limit="400000")
        spend("1")  # 400,000 tokens
        spend("1.01")
        assert over.judge(NOW) == 1

    def test_that_nobody_budgets_is_not_looked_at(self):
        prices()
        spend("3")
        assert over.judge(NOW) == 0
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM budget_seen")) == 0


class TestAnInteraction:
    def test_is_over_by_all_its_requests_and_has_its_newest_amount(self):
        prices()
        budget("talk", scope="interaction", window="interaction", limit="2")
        spend("1.5", conversation_id="c1")
        assert over.judge(NOW) == 0
        spend("1.5", conversation_id="c1")
        spend("1.5", trace_id=b"t" * 16)
        assert over.judge(NOW) == 1
        spend("1", conversation_id="c1")
        assert over.judge(NOW) == 0
        assert [(row.what, row.amount) for row in rows(BudgetOver)] == [("c1", 4)]
        assert days() == [(1, 1)]

    def test_that_a_reservation_asked_about_has_a_window_which_follows(self):
        prices()
        [acme] = known("acme")
        talk = budget("talk", scope="interaction", window="interaction", limit="20", hard=True)
        with db.transaction() as session:
            limits_of(session, Subject(acme, interaction="c1"), NOW)
        assert spent(talk) == 0
        spend("1.5", conversation_id="c1")
        over.judge(NOW)
        assert spent(talk) == Decimal("1.5")

    def test_of_which_something_is_held_follows_in_the_refresh_that_releases_it(self):
        prices()
        [acme] = known("acme")
        talk = budget("talk", scope="interaction", window="interaction", limit="20", hard=True)
        with db.transaction() as session:
            limits_of(session, Subject(acme, interaction="c1"), NOW)
            session.execute(text("UPDATE budget_window SET held = 2"))
        spend("1.5", conversation_id="c1")
        over.judge(NOW)
        assert spent(talk) == 0
        refresh(NOW)
        assert spent(talk) == Decimal("1.5")


class TestPrune:
    def test_forgets_counters_and_quiet_windows_of_long_ago_and_keeps_those_with_lines(self):
        budget(measure="tokens", limit="1000000", begin=NOW.replace(year=2025))
        quiet, loud = NOW.replace(month=5, day=21), NOW.replace(month=5, day=22)
        for usd, at in (("1", quiet), ("2", loud), ("1", NOW)):  # 400,000 tokens, 800,000, 400,000
            spend(usd, at=at)
            refresh(at)
        assert over.prune(NOW) == 2 + 1  # the counters of two quarters of May, the window of the 21st
        assert [w.starts_at.day for w in windows()] == [22, 21]
        refresh(NOW)
        assert [w.spent for w in windows()] == [800_000, 400_000]
