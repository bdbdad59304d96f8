"""The page of budgets: what it says, what it draws, and the form that makes one."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from tests.support import governed
from tests.support.budgets import budget, known, prices, refresh, spend

from trivet import db
from trivet.budget import acting, over
from trivet.budget.course import Course
from trivet.budget.draft import Asked, Identity
from trivet.console.money.budgets_bars import FULL_X, LEFT, WIDTH, Shape, draw
from trivet.console.money.budgets_course import Ahead, Drawn
from trivet.console.money.budgets_course import draw as course_of
from trivet.console.money.budgets_words import Standing, done, left, preview, sentence
from trivet.kit.clock import utc_now

DAY_0 = datetime(2026, 11, 20, tzinfo=UTC)
SEARCH = Standing("search", 92, "400 USD", timedelta(days=9, hours=3), 118)


class TestTheSentence:
    def test_counts_those_past_80_and_names_the_first(self):
        others = [Standing(f"b{n}", 10 * n, "5 USD", timedelta(hours=1), None) for n in range(5)]
        chat = Standing("chat", 80, "10 USD", timedelta(hours=1), None)
        assert sentence([SEARCH, chat, *others]) == (
            "2 of 7 budgets are past 80 %: search at 92 % of 400 USD with 9 days to go; at the pace so far it ends at 118 %."
        )

    def test_says_the_nearest_where_none_is(self):
        calm = replace(SEARCH, percent=62, ends_at_percent=None)
        far = replace(calm, name="far", percent=5)
        assert sentence([far, calm]) == (
            "None of 2 budgets is past 80 %. The nearest is search at 62 % of 400 USD with 9 days to go."
        )
        assert sentence([calm]) == "No budget is past 80 %. It is search at 62 % of 400 USD with 9 days to go."

    def test_says_that_there_are_none(self):
        assert sentence([]) == "No budget holds now: nothing watches what is spent."

    def test_says_how_long_in_the_largest_unit(self):
        assert [left(timedelta(seconds=s)) for s in (30, 60, 7_199, 86_400, 172_800)] == [
            "less than a minute", "1 minute", "1 hour", "1 day", "2 days",
        ]  # fmt: skip


class TestThePreview:
    EACH = Identity("daily", "tenant", "money", "day", "Europe/Berlin", currency="USD")
    HARD = Asked(Decimal(50), hard=True, action="break")
    DECEMBER = datetime(2026, 11, 30, 23, tzinfo=UTC)  # midnight in Berlin

    def test_says_who_may_spend_what_and_what_happens_then(self):
        assert preview(self.EACH, self.HARD, starts_at=self.DECEMBER) == (
            "From 1 December, every tenant may spend 50 USD a day in Europe/Berlin; "
            "at 100 % its calls are cut off until midnight."
        )

    @pytest.mark.parametrize(
        ("identity", "asked", "said"),
        [
            (
                {"scope": "scenario", "subject": "chat", "window": "month"}, {"action": "degrade", "level": 2, "way_back": "manual"},
                ("From now, the scenario chat may spend 50 USD a month in Europe/Berlin; at 100 % its calls run at level 2 "
                "until somebody restores them."),
            ),
            (
                {"scope": "global", "measure": "tokens", "currency": "", "window": "week"}, {"action": "refuse"},
                ("From now, everyone together may use 50 tokens a week in Europe/Berlin; at 100 % reservations beyond it are "
                "refused."),
            ),
            (
                {"scope": "request", "window": "request", "tenant": "acme"}, {"action": "break"},
                "From now, every request of acme may cost 50 USD; over it its tenant's calls are cut off for 15 minutes.",
            ),
            (
                {"scope": "end_user", "subject": "anna", "tenant": "acme"}, {"hard": False, "action": None, "owners": ("o@e.x",)},
                ("From now, the end user anna of acme may spend 50 USD a day in Europe/Berlin; the owners are told at 50, 80, "
                "90 and 100 %, and nothing is stopped."),
            ),
        ],
    )  # fmt: skip
    def test_of_other_kinds(self, identity, asked, said):
        assert preview(replace(self.EACH, **identity), replace(self.HARD, **asked), starts_at=None) == said


class TestTheBars:
    def test_spent_is_solid_up_to_where_held_begins(self):
        [bar] = draw([Shape("a", Decimal(4), Decimal(1), Decimal(10), Decimal("0.5"), (50, 100))]).bars
        assert bar.spent_width == (FULL_X - LEFT) * 0.4
        assert (bar.held_x, bar.held_width) == (LEFT + bar.spent_width, (FULL_X - LEFT) * 0.1)
        assert bar.ticks == (LEFT + (FULL_X - LEFT) / 2, FULL_X)
        assert bar.gone_x == LEFT + (FULL_X - LEFT) / 2
        assert bar.says == "a: 40 % spent, 10 % held, 50 % of its time gone"

    def test_what_is_far_past_the_limit_ends_at_the_edge(self):
        [bar] = draw([Shape("a", Decimal(90), Decimal(9), Decimal(10), Decimal(1), (100,))]).bars
        assert (bar.held_x, bar.held_width, bar.over) == (WIDTH, 0, True)

    def test_more_than_fit_are_counted(self):
        shape = Shape("a", Decimal(1), Decimal(0), Decimal(10), Decimal(0), ())
        assert (len(draw([shape] * 23).bars), draw([shape] * 23).left_out) == (20, 3)


class TestTheCourse:
    """Two forecasts of one window differ: which is meant is said where each stands."""

    WINDOW = Drawn(
        DAY_0, DAY_0 + timedelta(days=10), Course(((DAY_0, Decimal(0)), (DAY_0 + timedelta(days=4), Decimal(40))), (), Decimal(0)),
        Decimal(100), (), False, "USD", (),
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("told", "says", "basis"),
        [
            (None, "it is too early to say what it ends at.", "solid is spent"),
            (Ahead(Decimal(100)), "at the pace so far it ends at 100.00.", "solid is spent; dashed goes on at the pace so far, as the sentence and the table do"),
            (Ahead(Decimal(90), weekdays=True), "by the weekdays before it is likely to end at 90.00.", "solid is spent; dashed is told from the same weekdays before; the sentence and the table go on at the pace so far"),
            (Ahead(Decimal(90), Decimal(80), Decimal(95), weekdays=True), "by the weekdays before it is likely to end at 90.00, between 80.00 and 95.00.", "solid is spent; dashed, with its interval, is told from the same weekdays before; the sentence and the table go on at the pace so far"),
        ],
    )  # fmt: skip
    def test_says_what_its_forecast_is_told_from(self, told, says, basis):
        drawn = course_of(self.WINDOW, told, UTC)
        assert (drawn.says, drawn.basis) == (f"40.00 of 100.00 USD are spent; {says}", basis)


class TestWhatWasDone:
    def test_says_how_long_it_took_and_what_came_of_it(self):
        assert done("break", ["Commanded.", "Commanded."], 1_250, returned=False) == (
            "cut off in 2 places, 1.25 s after the breach"
        )
        assert done("degrade", ["Taken back."], None, returned=True) == "degraded; taken back"
        assert done("break", ["Refused: no card"], None, returned=False) == "Refused: no card"


@pytest.fixture
def signed_in(sign_in):
    """The token of the session's forms."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', sign_in("finance").get("/budgets").text)
    return found[1]


@pytest.fixture
def page(client, signed_in):
    return lambda address="/budgets": client.get(address)


class TestThePage:
    def test_teaches_the_command_where_there_is_none(self, page):
        html = page().text
        assert "No budget holds now" in html
        assert "127.0.0.1/api/v1/budgets -d" in html

    def test_shows_bars_lines_and_what_was_done(self, page):
        prices()
        governed.register("chat")
        known("acme")
        budget("daily", scope="tenant", limit="5", hard=True, action="break")
        budget("call", scope="request", window="request", limit="2")
        now = utc_now()
        spend("6", at=now, trace_id=b"b" * 16, span=b"b" * 8)
        refresh(now)
        over.judge(now)
        acting.act(now)
        with db.transaction() as session:
            session.execute(text("UPDATE budget_window SET held = 1"))
        html = page().text
        assert "1 of 1 budget is past 80\xa0%: daily: tenant acme at 120\xa0% of 5 USD" in html
        assert html.count('class="bar__posted"') == 1 and html.count('class="bar__provisional"') == 1
        assert "TRIVET_SMTP_HOST" not in html  # it has no owners to tell
        assert html.count("6.000 USD</td>") == 2 * html.count(
            'data-label="came to"'
        )  # crossed and over, in the same places
        assert "cut off, " in html and " s after the breach" in html
        assert "62" * 16 + "/" + "62" * 8 in html
        assert "Lines crossed: daily" in page("/budgets?budget=daily").text

    def test_previews_what_the_form_says_and_names_what_is_wrong(self, page):
        html = page("/budgets?name=daily&scope=tenant&limit=50&window=day&zone=Europe/Berlin&action=break").text
        assert "From now, every tenant may spend 50 USD a day in Europe/Berlin; at 100 % its calls are cut off" in html
        assert "There is no time zone" in page("/budgets?limit=50&zone=Mars").text

    def test_makes_one_and_shows_a_refusal_at_its_field(self, client, signed_in):
        given = {"csrf_token": signed_in, "name": "daily", "limit": "50", "window": "day", "owners": "ole@example.com"}
        assert client.post("/budgets", data=given, follow_redirects=False).status_code == 303
        html = client.get("/budgets").text
        assert "every tenant, a day in UTC" in html and "TRIVET_SMTP_HOST" in html  # its owner would hear nothing
        refused = client.post("/budgets", data=given | {"limit": "0"})
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in refused.text and "A limit is more than nothing." in refused.text
        assert client.post("/budgets", data=given | {"csrf_token": "other"}).status_code == 403
