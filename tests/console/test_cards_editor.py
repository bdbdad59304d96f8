"""The form of a card: what it says while somebody types, what it keeps, and what the past says of it."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select
from tests.support.calls import call, ingest
from tests.support.governed import register, short_card

from trivet import db
from trivet.card.content import parse
from trivet.card.models import CardRevision
from trivet.console.cards.form import values_of
from trivet.kit.clock import utc_now

EDIT = "/cards/chat/edit"


@pytest.fixture
def owner(database, sign_in):
    register("chat")
    return sign_in("product_owner")


@pytest.fixture
def form(owner):
    """`form(op, **changes)` -> what a browser would send."""
    page = owner.get(EDIT)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]

    def fill(op="", **changes):
        named = {name.replace("__", "."): value for name, value in changes.items()}
        return {**values_of(parse(short_card()).model_dump(mode="json")), **named, "csrf_token": token, "op": op}

    return fill


def drafts():
    with db.transaction() as session:
        return [row.body for row in session.scalars(select(CardRevision).where(CardRevision.status == "draft"))]


def said(page):
    return unescape(page.text).replace("\N{NO-BREAK SPACE}", " ")


class TestTheForm:
    def test_is_filled_in_from_what_governs_and_says_each_rule(self, owner):
        page = said(owner.get(EDIT))
        assert "When P95 latency over 20 s is above 1 s, the ladder climbs towards level 1" in page
        assert 'name="guards.0.enter" value="1000"' in page

    def test_begins_from_a_preset_or_says_why_it_cannot_begin_from_the_data(self, owner):
        assert 'name="latency.ttft_p95_ms" value="200"' in owner.get(f"{EDIT}?begin=preset:real-time-chat").text
        assert "a proposal takes 1,000" in owner.get(f"{EDIT}?begin=proposal").text

    def test_tells_what_is_wrong_beside_the_field_and_each_rule_anew(self, owner, form):
        page = owner.post(f"{EDIT}/live", data=form(guards__0__leave="1200", guards__1__enter="2500"))
        assert re.search(r'id="p-f-guards-0-leave" hx-swap-oob="true">leave \(1200\) must lie below enter', page.text)
        assert "above 2.5 s" in said(page) and "1 thing is to be put right" in page.text
        assert "<input" not in page.text  # what is typed meanwhile is left alone

    def test_a_word_where_a_number_belongs_is_told_so(self, owner, form):
        page = owner.post(f"{EDIT}/live", data=form(guards__0__enter="1000x", guards__1__window_s="2.5"))
        assert 'id="p-f-guards-0-enter" hx-swap-oob="true">this is not a number<' in page.text
        assert 'id="p-f-guards-1-window_s" hx-swap-oob="true">this is not a whole number<' in page.text

    def test_a_button_adds_a_guard_and_keeps_all_that_was_typed(self, owner, form):
        page = owner.post(EDIT, data=form("add-guard", quality__floor="0.9x"))
        assert 'value="0.9x"' in page.text and 'name="guards.3.name"' in page.text
        part = owner.post(f"{EDIT}/part", data=form("remove-guard.0"))
        assert (
            'name="guards.0.name"' not in part.text and 'name="guards.1.name"' in part.text and "<html" not in part.text
        )

    def test_keeps_a_draft_that_is_the_card_that_was_typed(self, owner, form):
        answer = owner.post(EDIT, data=form("save", latency__p95_ms="1400"), follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/cards/chat#revision-2")
        wanted = short_card()
        wanted["latency"]["p95_ms"] = 1400
        assert [parse(body) for body in drafts()] == [parse(wanted)]

    def test_refuses_what_the_api_refuses_and_keeps_what_was_typed(self, owner, form):
        answer = owner.post(EDIT, data=form("save", latency__timeout_ms="soon"))
        assert answer.status_code == 422 and 'value="soon"' in answer.text and 'role="alert"' in answer.text
        assert drafts() == []

    def test_names_of_an_attacker_are_text(self, owner, form):
        page = owner.post(EDIT, data=form(guards__0__name='"><img src=x onerror=alert(1)>'))
        assert "<img src=x" not in page.text and "&lt;img src=x" in page.text


class TestTheSimulation:
    def test_says_what_the_card_would_have_done_without_keeping_it(self, owner, form):
        now = utc_now()
        ingest(*(call(now - timedelta(hours=3, seconds=s), seconds=1.5) for s in range(120) for _ in range(3)), now=now)
        page = said(owner.post(f"{EDIT}/simulation", data=form()))
        assert "Over 7 days it would have degraded once" in page
        assert "Really it was at level 0 all the time." in page and "Not simulated:" in page
        assert drafts() == []

    def test_waits_for_a_card_that_is_right(self, owner, form):
        page = owner.post(f"{EDIT}/simulation", data=form(guards__0__enter="x"))
        assert "once everything that is marked above is put right" in page.text

    def test_is_there_without_a_script_too(self, owner, form):
        assert "there is nothing to simulate with" in owner.post(EDIT, data=form("simulate")).text


class TestWhoMay:
    def test_nobody_who_only_looks(self, database, sign_in):
        register("chat")
        assert sign_in("viewer").get(EDIT).status_code == 403

    def test_nobody_without_the_session_s_own_token(self, owner, form):
        assert owner.post(EDIT, data=form("save") | {"csrf_token": "x"}).status_code == 403
