"""A hard line commands once, by the budget's name, and what it commanded is taken back when it should be."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update
from tests.support import commanding, governed
from tests.support.budgets import NOW, BudgetAct, budget, known, prices, refresh, rows, spend

from trivet import db
from trivet.budget import acting, making, returning
from trivet.budget.lines import overshoot
from trivet.budget.models import BudgetLine
from trivet.command.models import Command, DesiredState
from trivet.guard.models import LadderState
from trivet.ingest.models import SpendDelta
from trivet.kit.errors import Invalid

pytestmark = pytest.mark.usefixtures("database")
TOMORROW = NOW.replace(hour=0, minute=0) + timedelta(days=1)


@pytest.fixture
def scenarios():
    prices()
    return [governed.register("chat"), governed.register("search")]


def go(now):
    """What the task does."""
    refresh(now)
    acting.act(now)
    if returning.come_back(now):
        acting.act(now)


def commands():
    with db.transaction() as session:
        return list(session.scalars(select(Command).order_by(Command.id)))


def desired():
    with db.transaction() as session:
        return {(r.scenario_id, r.tenant_id): (r.level, r.broken) for r in session.scalars(select(DesiredState))}


class TestCutOff:
    def test_cuts_one_tenant_off_everywhere_once_and_says_why(self, scenarios):
        chat, search = scenarios
        [acme] = known("acme")
        budget("daily", scope="tenant", limit="5", hard=True, action="break", zone="Europe/Berlin")
        spend("4")
        spend("1", tenant="bolt")
        go(NOW)
        assert commands() == []
        spend("1.5")
        go(NOW)
        go(NOW)
        assert [(c.kind, c.scenario_id, c.tenant_id, c.actor) for c in commands()] == [
            ("break", chat, acme, "budget:daily"),
            ("break", search, acme, "budget:daily"),
        ]
        assert commands()[0].reason == (
            "Budget daily: tenant acme spent 5.50 USD of 5.00 USD (110 %) in the day from 2026-11-21 (Europe/Berlin)"
        )
        assert desired() == {(chat, acme): (0, True), (search, acme): (0, True)}
        [line] = [row for row in rows(BudgetLine) if row.hard]
        assert (line.line, line.commanded_at) == (100, NOW)

    def test_ends_at_the_owners_midnight_and_begins_again_where_the_next_day_is_spent(self, scenarios):
        budget("daily", scope="tenant", limit="5", hard=True, action="break")
        spend("6")
        go(NOW)
        go(TOMORROW - timedelta(seconds=1))
        assert {broken for _, broken in desired().values()} == {True}
        go(TOMORROW)
        assert desired() == {}
        assert [c.reason for c in commands() if c.kind == "restore"] == ["Budget daily: a new window began"] * 2
        spend("6", at=TOMORROW)
        go(TOMORROW)
        assert len([c for c in commands() if c.kind == "break"]) == 4

    def test_by_hand_stays_until_somebody_takes_it_back(self, scenarios):
        budget("daily", scope="tenant", limit="5", hard=True, action="break", way_back="manual")
        spend("6")
        go(NOW)
        go(TOMORROW)
        assert {broken for _, broken in desired().values()} == {True}
        [line] = [row for row in rows(BudgetLine) if row.hard]
        returning.take_back(line.id, actor_of="ole@example.com", why="paid", now=TOMORROW)
        assert desired() == {}
        assert commands()[-1].actor == "ole@example.com"

    def test_is_taken_back_where_the_limit_is_raised_or_the_budget_ends(self, scenarios):
        budget("a", scope="tenant", subject=_named("acme"), limit="5", hard=True, action="break")
        budget("b", scope="tenant", subject=_named("bolt"), limit="5", hard=True, action="break")
        spend("6")
        spend("6", tenant="bolt")
        go(NOW)
        assert len(desired()) == 4
        later = NOW + timedelta(minutes=1)
        budget("a", scope="tenant", subject="acme", limit="50", hard=True, action="break", begin=later)
        with db.transaction() as session:
            making.end(session, "b", effective_from=None, reason="moved", actor="finance", now=later)
        go(later)
        assert desired() == {}
        assert sorted({c.reason for c in commands() if c.kind == "restore"}) == [
            "Budget a: its limit was raised",
            "Budget b has ended",
        ]


class TestDegrade:
    def test_puts_everyone_on_a_level_and_keeps_the_ladder_off_until_the_window_ends(self, scenarios):
        chat, search = scenarios
        budget("month", limit="5", hard=True, action="degrade", level=1, window="month")
        spend("6")
        go(NOW)
        assert desired() == {(chat, 0): (1, False), (search, 0): (1, False)}
        with db.transaction() as session:
            ladder = session.get_one(LadderState, chat)
        assert ladder.held_by == "budget:month"
        assert ladder.held_until.isoformat() == "2026-12-01T00:01:00+00:00"

    def test_never_lowers_a_level_that_stands_higher(self, scenarios):
        chat, search = scenarios
        commanding.issue(NOW, level=2, scenario_id=chat)
        budget("s", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        assert desired() == {(chat, 0): (2, False), (search, 0): (1, False)}
        assert [act.outcome for act in rows(BudgetAct)] == ["It was at level 2 already: too slow", "Commanded."]

    def test_leaves_alone_what_somebody_commanded_since(self, scenarios):
        chat, search = scenarios
        budget("s", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        commanding.issue(NOW, level=2, scenario_id=chat)
        go(TOMORROW)
        assert desired() == {(chat, 0): (2, False), (search, 0): (0, False)}
        assert "Another command came after it" in rows(BudgetAct)[0].outcome


MINUTE = timedelta(minutes=1)


class TestLaterTerms:
    """A budget that is over its limit commands what its terms say now, whatever they said when it was crossed."""

    def test_a_soft_budget_that_becomes_hard_commands_what_is_over_already(self, scenarios):
        budget("s", limit="5")
        spend("6")
        go(NOW)
        assert desired() == {}
        budget("s", limit="5", hard=True, action="degrade", level=1, begin=NOW + MINUTE)
        go(NOW + MINUTE)
        go(NOW + MINUTE)
        assert set(desired().values()) == {(1, False)}
        assert [c.kind for c in commands()] == ["degrade", "degrade"]

    def test_a_limit_that_is_raised_and_lowered_again_commands_again(self, scenarios):
        spend("6")
        for minutes, limit in enumerate(("5", "50", "5")):
            now = NOW + minutes * MINUTE
            budget("s", limit=limit, hard=True, action="degrade", level=1, begin=now)
            go(now)
        assert set(desired().values()) == {(1, False)}
        assert [c.kind for c in commands()] == ["degrade", "degrade", "restore", "restore", "degrade", "degrade"]

    def test_one_that_is_hard_no_more_takes_its_commands_back(self, scenarios):
        budget("s", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        budget("s", limit="5", begin=NOW + MINUTE)
        go(NOW + MINUTE)
        assert set(desired().values()) == {(0, False)}
        assert {c.reason for c in commands() if c.kind == "restore"} == {"Budget s: its terms changed"}

    @pytest.mark.parametrize(
        ("first", "then", "stands"),
        [
            ({"action": "degrade", "level": 1}, {"action": "break"}, (0, True)),
            ({"action": "break"}, {"action": "degrade", "level": 1}, (1, False)),
        ],
    )
    def test_another_action_takes_the_place_of_the_first(self, scenarios, first, then, stands):
        budget("t", scope="tenant", limit="5", hard=True, **first)
        spend("6")
        go(NOW)
        budget("t", scope="tenant", limit="5", hard=True, **then, begin=NOW + MINUTE)
        go(NOW + MINUTE)
        assert set(desired().values()) == {stands}

    def test_other_owners_command_nothing_anew_also_after_somebody_restored(self, scenarios):
        budget("s", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        [line] = [row for row in rows(BudgetLine) if row.hard]
        returning.take_back(line.id, actor_of="ole@example.com", why="paid", now=NOW)
        budget("s", limit="5", hard=True, action="degrade", level=1, owners=("a@example.com",), begin=NOW + MINUTE)
        go(NOW + MINUTE)
        assert set(desired().values()) == {(0, False)}

    def test_a_soft_line_that_is_drawn_below_what_is_spent_is_told_of(self):
        prices()
        budget("s", limit="10", lines=(90,))
        spend("6")
        refresh(NOW)
        budget("s", limit="10", lines=(50, 90), begin=NOW + MINUTE)
        refresh(NOW + MINUTE)
        refresh(NOW + MINUTE)
        assert [row.line for row in rows(BudgetLine)] == [50]


class TestTwoBudgets:
    """Of two budgets that are over, the end of one leaves what the other says."""

    @pytest.mark.parametrize("later", ["month", "day"])
    def test_what_the_other_commands_follows_when_the_first_ends(self, scenarios, later):
        sooner = "day" if later == "month" else "month"
        budget("first", scope="tenant", limit="5", hard=True, action="break", window=sooner)
        spend("6")
        go(NOW)
        budget("second", scope="tenant", limit="5", hard=True, action="break", window=later, begin=NOW + MINUTE)
        go(NOW + MINUTE)
        assert len(commands()) == 2  # it was cut off already
        go(TOMORROW)
        assert set(desired().values()) == {(0, True)}
        [standing] = {c.cause.split(":")[0] for c in _states()}
        assert standing == ("Budget second" if later == "month" else "Budget first")

    def test_a_lower_level_follows_a_higher_one_that_came_on_top_of_it(self, scenarios):
        budget("month", limit="5", hard=True, action="degrade", level=1, window="month")
        spend("6")
        go(NOW)
        budget("day", limit="5", hard=True, action="degrade", level=2, begin=NOW + MINUTE)
        go(NOW + MINUTE)
        assert set(desired().values()) == {(2, False)}
        go(TOMORROW)
        assert set(desired().values()) == {(1, False)}

    def test_a_level_of_the_ladder_that_ends_leaves_the_budgets(self, scenarios):
        chat, _ = scenarios
        commanding.issue(NOW, level=2, scenario_id=chat)
        budget("s", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        commanding.issue(NOW, kind="restore", level=None, scenario_id=chat)
        go(NOW + MINUTE)
        assert set(desired().values()) == {(1, False)}

    def test_a_day_that_begins_over_its_limit_is_commanded_though_nobody_was_there_at_midnight(self, scenarios):
        budget("s", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        spend("6", at=TOMORROW)
        go(TOMORROW + MINUTE)
        assert set(desired().values()) == {(1, False)}


class TestOnce:
    def test_four_workers_and_one_that_dies_between_command_and_note_give_one_command(self, scenarios):
        budget("daily", scope="scenario", subject="chat", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        refresh(NOW)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: acting.act(NOW), range(4)))
        with db.transaction() as session:  # as if it had died before it noted that it commanded
            session.execute(update(BudgetLine).values(acted_at=None))
        acting.act(NOW)
        assert [c.kind for c in commands()] == ["degrade"]
        assert [row.commanded_at for row in rows(BudgetLine) if row.hard] == [NOW]

    def test_nothing_is_commanded_for_a_window_that_is_over(self, scenarios):
        budget("daily", limit="5", hard=True, action="degrade", level=1)
        refresh(NOW)
        spend("6")
        go(TOMORROW)
        assert commands() == []
        [line] = [row for row in rows(BudgetLine) if row.hard]
        assert line.reason.endswith("it came in after its window had ended, so nothing was commanded")

    def test_without_a_card_it_says_that_there_was_nothing_to_command(self):
        prices()
        budget("daily", limit="5", hard=True, action="degrade", level=1)
        spend("6")
        go(NOW)
        [line] = [row for row in rows(BudgetLine) if row.hard]
        assert line.reason.endswith("nothing to command: no scenario has an active card")
        assert line.returned_at == NOW

    def test_refusing_only_commands_nothing(self, scenarios):
        budget("daily", limit="5", hard=True)
        spend("6")
        go(NOW)
        assert commands() == []


class TestOvershoot:
    def test_is_measured_from_the_first_span_over_the_limit_to_the_command(self, scenarios):
        budget("daily", limit="5", hard=True, action="degrade", level=1)
        spend("4")
        spend("2")
        spend("3")
        with db.transaction() as session:  # received then, not on the day of the test
            for n, delta in enumerate(session.scalars(select(SpendDelta).order_by(SpendDelta.id))):
                delta.received_at = NOW + timedelta(seconds=n)
        second = NOW + timedelta(seconds=1)
        refresh(NOW)
        [line] = [row for row in rows(BudgetLine) if row.hard]
        assert line.breached_at == second
        acting.act(second + timedelta(milliseconds=1_250))
        [line] = [row for row in rows(BudgetLine) if row.hard]
        found = overshoot(line.breached_at, line.commanded_at, line.spent, line.limit)
        assert (found.breach_to_command_ms, found.over) == (1_250, Decimal(4))


class TestWhatCannotBeCommanded:
    def test_is_refused_when_the_budget_is_made(self):
        for more, field in (
            ({"scope": "end_user", "hard": True, "action": "break"}, "action"),
            ({"scope": "global", "hard": True, "action": "break"}, "action"),
            ({"hard": True, "action": "degrade"}, "level"),
            ({"action": "degrade", "level": 1}, "action"),
            ({"limit": "0"}, "limit"),
            ({"measure": "tokens", "limit": "1.5"}, "limit"),
            ({"lines": (80, 50)}, "lines"),
            ({"zone": "Mars/Olympus"}, "zone"),
            ({"scope": "request", "window": "day"}, "window"),
            ({"currency": ""}, "currency"),
            ({"owners": ("nobody",)}, "owners"),
            ({"scope": "tenant", "subject": "nobody"}, "subject"),
        ):
            with pytest.raises(Invalid) as refused:
                budget("wrong", **more)
            assert refused.value.field == field


def _states():
    with db.transaction() as session:
        return list(session.scalars(select(DesiredState)))


def _named(name):
    known(name)
    return name
