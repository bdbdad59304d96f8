"""The page of statements: the numbers of the PDF, its files, schedules, and how messages got there."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.support import books

from trivet import db
from trivet.console.money import statements_words as words
from trivet.console.money.statements_bars import draw
from trivet.identity.models import Audit
from trivet.notify.models import STATES, Message
from trivet.notify.tasks import deliver
from trivet.report.files.schedule_models import ReportSchedule
from trivet.report.files.statement import Day
from trivet.settings import get_settings

NOVEMBER = {"cost_centre": "CC-7", "month": "2026-11"}


@pytest.fixture
def morning(database):
    books.company()
    books.a_morning()
    books.post()


def token(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def sentence(page):
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1]


class TestBars:
    def days(self, *amounts):
        return [
            Day(books.DAY.replace(day=1) + timedelta(days=n), Decimal(whole), Decimal(open_))
            for n, (whole, open_) in enumerate(amounts)
        ]

    def test_solid_is_posted_and_hollow_on_top_of_it_provisional(self):
        drawn = draw(self.days((8, 0), (4, 1)), "USD")
        first, second = drawn.bars
        assert (first.posted_height, first.open_height) == (104.0, 0.0)
        assert (second.posted_height, second.open_height) == (39.0, 13.0)
        assert second.posted_y + second.posted_height == first.posted_y + first.posted_height == drawn.zero
        assert second.open_y + second.open_height == second.posted_y
        assert drawn.dearest == "dearest 1 Nov: 8.000 USD"
        assert drawn.says == "1 Nov: 8.000 USD; 2 Nov: 4.000 USD, 1.000 of it provisional"

    def test_a_day_of_credits_hangs_below_the_line(self):
        drawn = draw(self.days((6, 0), (-2, 0)), "USD")
        assert drawn.bars[1].posted_y == drawn.zero
        assert drawn.bars[1].posted_height == 26.0

    def test_of_nothing_says_so(self):
        assert draw(self.days((0, 0)), "USD").says == "no cost on any day"


class TestTheStatement:
    def test_says_shows_and_lists_what_the_pdf_prints(self, morning, sign_in):
        page = sign_in("viewer").get("/statements", params=NOVEMBER)
        assert page.status_code == 200
        assert sentence(page) == "CC-7 bore 4.17 USD in November 2026."
        assert 'aria-label="20 Nov: 4.167 USD"' in page.text
        for exact in ("4.166666666667", "3.500000000000", "0.666666666667", "3.181818181818"):
            assert exact in page.text

    def test_what_no_cost_centre_bears_is_said_in_the_readers_language(self, morning, sign_in):
        asked = NOVEMBER | {"cost_centre": "unattributed"}
        page = sign_in("viewer").get("/statements", params=asked, headers={"Accept-Language": "zh"})
        assert '<option value="unattributed" selected>未归属</option>' in page.text
        assert sentence(page).startswith("未归属") and ">unattributed<" not in page.text

    def test_its_files_hold_the_same_total(self, morning, sign_in):
        browser = sign_in("viewer")
        page = browser.get("/statements", params=NOVEMBER)
        files = dict(re.findall(r'<a href="(/api/v1/exports/[^"]+)" download>([^<]+)</a>', page.text))
        by_words = {words: address.replace("&amp;", "&") for address, words in files.items()}
        assert list(by_words) == ["PDF", "CSV", "Workbook", "FOCUS allocation"]
        got = {words: browser.get(address) for words, address in by_words.items()}
        assert {answer.status_code for answer in got.values()} == {200}
        lines = csv.DictReader(io.StringIO(got["CSV"].text))
        assert sum(Decimal(row["amount"]) for row in lines) == Decimal("4.166666666667")
        focus = csv.DictReader(io.StringIO(got["FOCUS allocation"].text))
        assert sum(Decimal(row["EffectiveCost"]) for row in focus) == Decimal("4.166666666667")

    def test_an_unknown_cost_centre_is_said(self, morning, sign_in):
        assert sign_in("viewer").get("/statements", params={"cost_centre": "no"}).status_code == 404

    def test_without_cost_centres_it_teaches(self, database, sign_in):
        page = sign_in("viewer").get("/statements")
        assert sentence(page).startswith("There is no cost centre yet")
        assert "/api/v1/tenants" in page.text

    def test_who_may_not_book_sees_neither_schedules_nor_messages(self, morning, sign_in):
        page = sign_in("viewer").get("/statements", params=NOVEMBER)
        assert "What goes out by itself" not in page.text
        assert 'action="/statements/schedules"' not in page.text


class TestSchedules:
    WANTED = "statement.pdf"

    def form(self, browser, **changed):
        page = browser.get("/statements")
        given = {"kind": self.WANTED, "name": "close", "every": "month", "at": "08:00", "zone": "UTC", "to": ""}
        return browser.post(
            "/statements/schedules", data=given | {"csrf_token": token(page)} | changed, follow_redirects=False
        )

    def test_one_is_made_listed_and_ended(self, morning, sign_in):
        browser = sign_in("finance")
        assert self.form(browser).status_code == 303
        page = browser.get("/statements")
        assert "when a month is closed, not before 08:00, UTC" in page.text
        assert "the owners of each cost centre" in page.text
        with db.transaction() as session:
            row_id = session.scalar(select(ReportSchedule.id))
            assert session.scalar(select(Audit.actor).where(Audit.action == "schedule.create")) == "finance@example.com"
        ended = browser.post(
            f"/statements/schedules/{row_id}/end", data={"csrf_token": token(page)}, follow_redirects=False
        )
        assert ended.status_code == 303
        assert "Nothing goes out by itself" in browser.get("/statements").text

    def test_a_refusal_comes_back_at_the_form_with_what_was_typed(self, morning, sign_in):
        refused = self.form(sign_in("finance"), kind="costs.csv", to="ann at example", name="mine")
        assert refused.status_code == 422
        assert "is no mail address" in refused.text
        assert 'value="mine"' in refused.text

    def test_only_finance_and_admin_and_only_with_the_sessions_own_token(self, morning, sign_in):
        finance = sign_in("finance")
        assert self.form(finance, csrf_token="x").status_code == 403
        looking = sign_in("viewer")
        assert self.form(looking, csrf_token="x").status_code in (403, 422)
        with db.transaction() as session:
            assert session.scalar(select(ReportSchedule.id)) is None


class TestMessages:
    def test_without_a_mail_server_it_says_how_to_set_one(self, morning, sign_in):
        browser = sign_in("finance")
        page = browser.get("/statements")
        assert "TRIVET_SMTP_HOST=smtp.example.com" in page.text
        browser.post("/statements/messages/test", data={"csrf_token": token(page)})
        deliver()
        page = browser.get("/statements")
        assert "no mail server" in page.text
        assert "No mail server is set: TRIVET_SMTP_HOST and TRIVET_SMTP_FROM." in page.text

    def test_one_that_failed_says_why(self, morning, sign_in, monkeypatch):
        monkeypatch.setenv("TRIVET_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("TRIVET_SMTP_FROM", "t@example.com")
        get_settings.cache_clear()
        browser = sign_in("finance")
        browser.post("/statements/messages/test", data={"csrf_token": token(browser.get("/statements"))})
        with db.transaction() as session:
            row = session.scalars(select(Message)).one()
            row.state, row.last_error = "failed", "finance@example.com: 550 <no> such user"
        page = browser.get("/statements")
        assert "550 &lt;no&gt; such user" in page.text
        assert "TRIVET_SMTP_HOST=smtp" not in page.text


class TestWords:
    def test_the_last_twelve_months_newest_first(self):
        assert words.months(books.DAY)[:2] == ["2026-11", "2026-10"]
        assert words.months(books.DAY)[-1] == "2025-12"

    def test_every_state_of_a_message_has_a_word_and_a_mark(self):
        assert set(words.SAID) == set(words.STATES) == set(STATES)
