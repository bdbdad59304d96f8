"""Conversations and traces on pages: what one took in a sentence, and a receipt of the calls behind it."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support import books
from tests.support.calls import call, ingest

from trivet.console.requests import receipt, receipts_words
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
        assert words(page) == "2 conversations, each with all it took."
        address = re.search(r'href="(/interactions/conversation/c%201[^"]*)"', page.text)[1].replace("&amp;", "&")
        assert client.get(address).status_code == 200

    def test_can_be_of_one_scenario_or_of_traces(self, sign_in, two_turns):
        client = sign_in("viewer")
        assert "c-2" not in client.get("/interactions?scenario=chat").text
        assert client.get("/interactions?kind=trace").text.count('<a class="mono" href="/interactions/trace/') == 3

    def test_goes_on_page_by_page_and_names_each_once(self, sign_in, database, monkeypatch):
        from trivet.console.requests import receipts

        now = utc_now()
        for minutes in (1, 3, 40, 400, 401):
            ingest(call(now - timedelta(minutes=minutes), conversation_id=f"c-{minutes}"), now=now)
        monkeypatch.setattr(receipts, "SHOWN", 2)
        client, url, seen = sign_in("viewer"), "/interactions", []
        while url:
            page = client.get(url).text
            seen += re.findall(r'href="/interactions/conversation/(c-\d+)', page.partition("<table")[2])
            older = re.search(r'href="(/interactions\?cursor=[^"]*)"', page)
            url = older[1] if older else ""
        assert seen == ["c-1", "c-3", "c-40", "c-400", "c-401"]

    def test_its_file_has_a_line_for_each(self, sign_in, two_turns):
        rows = list(csv.DictReader(io.StringIO(sign_in("viewer").get("/interactions.csv").text)))
        assert [(row["id"], row["requests"], row["cost"]) for row in rows] == [
            ("c 1/ä", "2", "0.002000000000"), ("c-2", "1", ""),
        ]  # fmt: skip

    def test_that_is_empty_teaches_what_a_conversation_is(self, sign_in):
        page = sign_in("viewer").get("/interactions")
        assert words(page) == "No conversation was heard of in this time."
        assert "gen_ai.conversation.id" in page.text

    def test_is_for_those_who_signed_in(self, client, database):
        assert client.get("/interactions", follow_redirects=False).status_code == 303


class TestTheReceipt:
    def test_says_what_it_took_and_adds_up_exactly(self, sign_in, two_turns):
        page = sign_in("viewer").get("/interactions/conversation/c%201%2F%C3%A4")
        assert words(page) == "This conversation took 2 calls in 62.0 s and cost $0.002000. 1 of them did not end well."
        table = page.text.partition("<tfoot>")[0].rpartition("<tbody>")[2]
        lines = [Decimal(each) for each in re.findall(r'<data value="([^"]+)"', table)]
        total = Decimal(re.search(r'<data value="([^"]+)"', page.text.partition("<tfoot>")[2])[1])
        assert lines == [Decimal("0.001"), Decimal("0.001")] and sum(lines) == total
        assert page.text.count('<tr id="request-') == 2

    def test_says_under_which_level_and_revision_each_part_ran(self, sign_in, database):
        now = utc_now() - timedelta(minutes=1)
        books.price("openai", "gpt-4o", input="2.50", output="10")
        for level, revision, generation in ((0, 4, 7), (2, 4, 8), (2, 4, 8)):
            ingest(
                call(now, conversation_id="c", input_tokens=100, level=level, revision=revision, generation=generation),
                now=now,
            )
        page = sign_in("viewer").get("/interactions/conversation/c").text
        assert "It ran at levels 0 and 2 of the ladder." in page and "4 · 8" in page
        part = page.partition("2 · medium")[2]
        assert Decimal(re.search(r'<data value="([^"]+)"', part)[1]) == Decimal("0.0005")

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
        return receipts_words.of_one(found)

    def test_claims_no_cost_that_is_not_known(self):
        assert self.said(self.row()) == "This trace took 1 call in 1.00 s and cost –. 1 has no price and is in no sum."

    def test_says_which_spans_are_not_counted_again_and_that_there_are_more(self):
        priced = self.row(cost_picos=10**12, price_id=1, currency="USD")
        said = self.said(priced, self.row(repeats=b"12345678", model_id=2), left_out=True)
        assert said == (
            "This trace took 1 call in 1.00 s and cost $1.000. 1 more span tells of the same calls. "
            "There are more: these are the newest 1."
        )

    def test_of_levels_is_counted_as_it_is_spoken(self):
        assert [receipts_words.of_levels(each) for each in ({0}, {0, 2}, {0, 1, 3})] == [
            "level 0", "levels 0 and 2", "levels 0, 1 and 3",
        ]  # fmt: skip

    def test_of_one_call_draws_no_picture(self):
        assert receipt.bars(()) == ()
