"""Conversations and traces on pages: what one took in a sentence, and the requests behind it."""

import re
from datetime import timedelta

import pytest
from tests.support import books
from tests.support.calls import call, ingest

from trivet.console import interactions
from trivet.ingest.request.fact import ERROR
from trivet.kit.clock import utc_now
from trivet.report.interactions import Interaction


def words(page):
    """The page's sentence."""
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1].replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def two_turns(database):
    """A conversation of two priced requests, one of which failed, and one that has another tenant's name for it."""
    now = utc_now() - timedelta(minutes=5)
    books.price("openai", "gpt-4o", input="2.50", output="10")
    turn = {"conversation_id": "c 1/ä", "input_tokens": 400, "seconds": 2.0}
    ingest(
        call(now, **turn), call(now + timedelta(seconds=60), outcome=ERROR, **turn),
        call(now, conversation_id="c-2", scenario="search"), now=now,
    )  # fmt: skip


class TestTheList:
    def test_leads_to_each_with_all_it_took(self, sign_in, two_turns):
        client = sign_in("viewer")
        page = client.get("/interactions")
        assert words(page) == "The newest conversations of the last day, each with all it took."
        address = re.search(r'href="(/interactions/conversation/c%201[^"]*)"', page.text)[1].replace("&amp;", "&")
        assert client.get(address).status_code == 200

    def test_can_be_of_one_scenario_or_of_traces(self, sign_in, two_turns):
        client = sign_in("viewer")
        assert "c-2" not in client.get("/interactions?scenario=chat").text
        assert client.get("/interactions?kind=trace").text.count("/interactions/trace/") == 3

    def test_that_is_empty_teaches_what_a_conversation_is(self, sign_in):
        page = sign_in("viewer").get("/interactions")
        assert words(page) == "No conversation has begun in the last day."
        assert "gen_ai.conversation.id" in page.text

    def test_is_for_those_who_signed_in(self, client, database):
        assert client.get("/interactions", follow_redirects=False).status_code == 303


class TestOne:
    def test_says_what_it_took_in_a_sentence(self, sign_in, two_turns):
        page = sign_in("viewer").get("/interactions/conversation/c%201%2F%C3%A4")
        assert words(page) == "This conversation took 2 requests in 62.0 s and cost $0.002000; 1 of them failed."
        assert page.text.count('<tr id="request-') == 2

    def test_that_nobody_had_is_not_found(self, sign_in):
        assert sign_in("viewer").get("/interactions/conversation/never").status_code == 404


class TestTheSentence:
    def row(self, **given):
        at = books.SEVEN
        row = {
            "repeats": None, "outcome": 0, "degrade_level": 0, "cost_picos": None, "price_id": None, "currency": None, "model_id": 1,
            "started_at": at, "ended_at": at + timedelta(seconds=1),
            **{f"{kind}_tokens": 1 for kind in ("input", "output", "cache_read", "cache_write", "reasoning")},
        }  # fmt: skip
        return row | given

    def said(self, *rows, left_out=False):
        found = Interaction("trace", "1", left_out=left_out)
        for row in rows:
            found.add(row)
        return interactions.sentence_of_one(found)

    def test_claims_no_cost_that_is_not_known(self):
        assert self.said(self.row()) == "This trace took 1 request in 1.00 s and cost –; 1 has no price."

    def test_says_which_spans_are_not_counted_again_and_that_there_are_more(self):
        priced = self.row(cost_picos=10**12, price_id=1, currency="USD")
        said = self.said(priced, self.row(repeats=b"12345678", model_id=2), left_out=True)
        assert said == (
            "This trace took 1 request to 2 models in 1.00 s and cost $1.000; 1 more span tells of the same calls. "
            "There are more: these are the newest."
        )
