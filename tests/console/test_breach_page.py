"""The page of a breach: what it says, and one tenant broken off in one step from it."""

from datetime import timedelta
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.support import breached
from tests.support.governed import START, at, only

from trivet import db
from trivet.command.models import Command
from trivet.console.evidence import breach_picture, readiness_words
from trivet.console.evidence import breach_words as words
from trivet.evidence.readiness import Line
from trivet.identity.models import WebSession
from trivet.kit.interval import Interval


def picture(points, marks=(), closed=None):
    within = Interval(START, START + timedelta(seconds=100))
    asked = breach_picture.Asked(points, within, 1000.0, at(20), closed, marks)
    return breach_picture.draw(asked, lambda value: f"{value:g} ms", START.tzinfo)


class TestThePicture:
    """100 s over 916 units from 72; the largest value 2,000 has 15 % of room above it."""

    def test_by_hand(self):
        found = picture([(at(0), 0.0), (at(50), 2000.0)], closed=at(70))
        assert found.lines == ("72.0,218.0 530.0,58.0",)
        assert (found.since_x, found.until_x, found.open) == (255.2, 713.2, False)
        assert found.limit_y == 138.0

    def test_a_gap_is_a_gap(self):
        points = [(at(0), 1.0), (at(10), 1.0), (at(20), None), (at(30), 1.0)]
        assert len(picture(points).lines) == 2

    def test_a_flag_is_hollow_until_it_is_proven_and_labels_keep_apart(self):
        marks = [breach_picture.Mark(at(s), f"L{s}", s == 30, "why") for s in (30, 31, 60)]
        assert [(f.label, f.solid) for f in picture([], marks).flags] == [("", True), ("L31", False), ("L60", False)]

    @given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=10))
    def test_whatever_was_measured_lies_inside(self, values):
        found = picture([(at(10 * n), value) for n, value in enumerate(values)])
        ys = [float(pair.split(",")[1]) for line in found.lines for pair in line.split()]
        assert all(34 <= y <= 218 for y in (*ys, found.limit_y))


class TestANameThatTurnsTheWordsAroundIt:
    def test_is_shown_with_its_marks_written_out(self):
        assert words.shown("\u202eemca\u2069 carries it") == "‹202E›emca‹2069› carries it"
        assert words.shown("naïve · שלום") == "naïve · שלום"


class TestTheSentence:
    def test_says_what_since_when_how_far_and_who(self):
        said = words.sentence(
            "support-chat", "p95-latency", opened=at(0), closed=None, worst="2.3 s", limit="1.5 s",
            first="; acme carries 90 % of the excess with 10 % of the traffic", now=at(60), zone=START.tzinfo,
        )  # fmt: skip
        assert said == (
            "P95 latency of Support chat has been past its limit of 1.5 s since 08:00, 2.3 s at worst; acme carries 90 % "
            "of the excess with 10 % of the traffic."
        )

    def test_one_that_was_over_within_the_minute_says_for_how_long(self):
        said = words.sentence(
            "support-chat", "p95-latency", opened=at(0), closed=at(19), worst="2.3 s", limit="1.5 s", first="", now=at(60),
            zone=START.tzinfo,
        )  # fmt: skip
        assert said == "P95 latency of Support chat was past its limit of 1.5 s for 19 s at 08:00, 2.3 s at worst."

    def test_money_that_cannot_be_measured_says_why(self):
        assert (
            words.money(None, None, None, "USD", "not measurable: 3 requests") == "Money: not measurable: 3 requests."
        )


class TestThePage:
    @pytest.fixture
    def page(self, sign_in):
        def look(role="sre", query=""):
            browser = sign_in(role)
            answer = browser.get(f"/breaches/{self.breach.id}{query}")
            assert answer.status_code == 200, answer.text
            return browser, unescape(answer.text).replace("\N{NO-BREAK SPACE}", " ")

        self.breach = breached.p95()
        return look

    def test_names_who_carries_it_and_offers_to_break_that_tenant(self, page):
        _, html = page()
        assert "acme carries 100 % of the excess with 25 % of the traffic" in html
        assert "Every request of acme in chat is turned away" in html
        assert f"breach {self.breach.id} of p95: P95" in html and "/runbooks/p95_latency_ms" in html

    def test_who_may_only_look_finds_no_button(self, page):
        _, html = page("viewer")
        assert "you are viewer" in html and 'action="/breaches' not in html

    def test_another_tenant_can_be_chosen(self, page):
        browser, html = page(query="?tenant=globex")
        assert "Every request of globex in chat is turned away" in html
        chinese = browser.get(f"/breaches/{self.breach.id}?tenant=globex", headers={"Accept-Language": "zh"}).text
        assert "Chat 中的租户 globex 的所有请求都将被拒绝" in unescape(chinese).replace("\N{NO-BREAK SPACE}", " ")

    def test_one_button_breaks_the_tenant_alone(self, page):
        browser, _ = page()
        with db.transaction() as session:
            token = only(session, WebSession).csrf_token
        form = {"tenant": "acme", "reason": "runs away", "expires_in_s": "900", "csrf_token": token}
        address = f"/breaches/{self.breach.id}/break"
        assert browser.post(address, data=form | {"csrf_token": "x"}, follow_redirects=False).status_code == 403
        refused = browser.post(address, data=form | {"reason": " "}, follow_redirects=False)
        assert refused.status_code == 422 and "a command needs a reason" in refused.text
        assert browser.post(address, data=form, follow_redirects=False).status_code == 303
        with db.transaction() as session:
            (command,) = session.scalars(select(Command)).all()
            assert (command.kind, command.breach_id, command.reason) == ("break", self.breach.id, "runs away")
        html = unescape(browser.get(f"/breaches/{self.breach.id}?tenant=acme").text)
        assert "acme is turned away already until" in html and "Cut off" in html


class TestReadiness:
    def test_one_of_several_is_ready(self):
        lines = [Line(key, key, key == "a", "", "") for key in "ab"]
        said = readiness_words.sentence([("chat", lines[:1]), ("search", lines), ("mail", lines)])
        assert said == "1 of 3 scenarios is ready; “b” is missing most, for 2."

    def test_an_empty_page_teaches_the_next_step(self, sign_in):
        assert "No scenario is registered yet" in unescape(sign_in("sre").get("/readiness").text)

    def test_each_line_stands_with_its_reason_and_the_file_has_them(self, sign_in, scenario):
        browser = sign_in("sre")
        html = unescape(browser.get("/readiness").text)
        assert "0 of 1 scenario is ready" in html and "the preset governs as it came" in html
        lines = browser.get("/readiness.csv").text.splitlines()
        assert len(lines) == 7 and lines[1].startswith(f"{scenario},card_written,False,")

    def test_reasons_are_said_in_the_readers_language(self, sign_in, scenario):
        html = unescape(sign_in("sre").get("/readiness", headers={"Accept-Language": "zh"}).text)
        assert "仍由未改动的预置卡管控" in html and "the preset governs" not in html and "最近 90 天未演练" in html
