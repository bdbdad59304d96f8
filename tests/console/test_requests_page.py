"""Requests: searched by whatever they hold, one at a time down to what its cost is made of, and a trace of them."""

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.console import sample
from tests.support import books
from tests.support.calls import call, ingest

from trivet.console.address import settle
from trivet.console.requests import asked as asking
from trivet.console.requests.asked import Query
from trivet.console.requests.parts import priced
from trivet.console.requests.picture import HEIGHT, buckets, picture
from trivet.console.requests.waterfall import waterfall
from trivet.ingest.request.fact import ERROR
from trivet.kit.clock import utc_now
from trivet.kit.interval import Interval
from trivet.pricing.rate import KINDS, Rates, Tokens, cost_picos

NASTY = '"><img src=x onerror=alert(1)>'


def words(page):
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1].replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def three(database):
    """A slow dear call of acme that failed, a quick one, and one of beta under level 2."""
    now = utc_now() - timedelta(minutes=2)
    books.price("openai", "gpt-4o", input="2.50", output="10", cache_read="1.25")
    facts = (
        call(now, seconds=9, outcome=ERROR, input_tokens=4000, cache_read_tokens=100, output_tokens=33, response_id="r-1",
             conversation_id="c-1", level=1, generation=7, revision=2),
        call(now + timedelta(seconds=10), input_tokens=10, conversation_id="c-2", ttft_ms=120),
        call(now + timedelta(seconds=20), tenant="beta", scenario=NASTY, level=2, input_tokens=5),
    )  # fmt: skip
    ingest(*facts, now=now)
    return facts


class TestTheSearch:
    def test_says_how_many_there_are_and_how_many_went_wrong(self, sign_in, three):
        page = sign_in("viewer").get("/requests")
        assert words(page) == "3 requests; 33 % did not end well."
        assert page.text.count('href="/requests/') == 3 and "&lt;img src=x" in page.text and "<img src" not in page.text

    @pytest.mark.parametrize(
        ("query", "which"),
        [
            ("tenant=beta", {2}), ("level=1", {0}), ("revision=2", {0}), ("outcome=error", {0}), ("slower=8000", {0}),
            ("dearer=0.005", {0}), ("session=c-2", {1}), ("session=c-*", {0, 1}), ("response=r-1", {0}), ("model=gpt-4o", {0, 1, 2}),
            ("backend=nobody", set()), ("slower=x&level=--&cursor=zz", {0, 1, 2}),
        ],
    )  # fmt: skip
    def test_finds_by_whatever_a_request_holds(self, sign_in, three, query, which):
        page = sign_in("viewer").get(f"/requests?{query}").text
        assert {n for n, fact in enumerate(three) if f"/requests/{fact.trace_id.hex()}-" in page} == which

    def test_goes_on_page_by_page_and_the_file_has_all_of_it(self, sign_in, three, client, admin):
        browser = sign_in("viewer")
        first = client.get("/api/v1/requests?limit=2", headers=admin).json()
        after = browser.get(f"/requests?cursor={first['next_cursor']}").text
        assert three[0].trace_id.hex() in after and three[2].trace_id.hex() not in after
        rows = list(csv.DictReader(io.StringIO(browser.get("/requests.csv").text)))
        assert [row["trace_id"] for row in rows] == [fact.trace_id.hex() for fact in reversed(three)]
        assert rows[2]["cost"] == "0.010455000000" and rows[0]["scenario"].lstrip("'") == NASTY

    def test_the_api_takes_the_same_filters(self, client, admin, three):
        ask = lambda query: client.get(f"/api/v1/requests?{query}", headers=admin)  # noqa: E731  # a table reads better
        assert [item["response_id"] for item in ask("min_latency_ms=8000&outcome=error").json()["items"]] == ["r-1"]
        assert len(ask(f"trace={three[1].trace_id.hex()}").json()["items"]) == 1
        assert len(ask("level=1&level=2&min_cost=0.0000001").json()["items"]) == 2
        assert ask("trace=xyz").status_code == 422

    def test_where_nothing_is_it_teaches_the_next_step(self, sign_in):
        browser = sign_in("viewer")
        assert "range=7d" in browser.get("/requests").text
        assert "trivet connect" in browser.get("/requests?range=7d").text


class TestOne:
    def url(self, fact):
        return f"/requests/{fact.trace_id.hex()}-{fact.span_id.hex()}"

    def test_its_tokens_at_their_prices_add_up_to_its_cost(self, sign_in, three):
        page = sign_in("viewer").get(self.url(three[0]))
        assert "9.00 s at level 1, for $0.01046." in words(page)
        amounts = [
            Decimal(each) for each in re.findall(r'<td[^>]*class="number"[^>]*><data value="([^"]+)"', page.text)
        ]
        assert amounts == [Decimal("0.01"), Decimal("0.00033"), Decimal("0.000125"), Decimal("0.010455")]
        assert sum(amounts[:3]) == amounts[3] and "The parts add up to the cost exactly." in page.text
        assert "/prices/one?provider=openai" in page.text and "/interactions/conversation/c-1?tenant=acme" in page.text

    @pytest.mark.parametrize("id_", ["nothing", "zz-1", f"{'ab' * 16}-{'cd' * 8}", f"{'ab' * 16}-{'cd' * 9}"])
    def test_that_nobody_sent_is_not_found(self, sign_in, database, id_):
        assert sign_in("viewer").get(f"/requests/{id_}").status_code == 404

    @given(
        st.builds(Tokens, *(st.integers(0, 10**6) for _ in KINDS)),
        st.decimals(0, 1000, places=4), st.decimals(0, 1000, places=4), st.integers(1, 10**6),
    )  # fmt: skip
    @settings(max_examples=40)
    def test_the_parts_always_make_the_cost(self, tokens, low, high, step):
        rates = Rates.parse({"input": [[0, str(low)], [step, str(high)]], "output": [[0, str(high)]]})
        picos = cost_picos(tokens, rates)
        found = priced(tokens, [rates], picos)
        assert found.exact and sum((part.amount for part in found.parts), Decimal(0)) == found.total
        assert abs(found.total - found.cost) <= Decimal("0.5e-12")

    def test_a_price_that_did_not_make_it_is_not_claimed(self):
        rates = Rates.parse({"input": [[0, "1"]], "output": [[0, "1"]]})
        assert not priced(Tokens(10), [rates], 7).exact


class TestATrace:
    def test_is_a_waterfall_and_its_file_is_the_search_of_it(self, sign_in, database):
        now = utc_now()
        whole = call(now, seconds=10)
        part = call(
            now - timedelta(seconds=2), seconds=3, trace_id=whole.trace_id, parent_id=whole.span_id, ttft_ms=1000
        )
        ingest(whole, part, now=now)
        browser = sign_in("viewer")
        page = browser.get(f"/requests/trace/{whole.trace_id.hex()}")
        assert words(page) == "This trace is 2 requests in 10.0 s, for –."
        assert 'x="50.0" y="2" width="30.0"' in page.text and 'x="50.0" y="2" width="10.0"' in page.text
        assert len(browser.get(f"/requests.csv?trace={whole.trace_id.hex()}").text.splitlines()) == 3

    def test_spans_in_a_circle_end(self):
        at = datetime(2026, 11, 21, tzinfo=UTC)
        kept = {"started_at": at, "ended_at": at, "ttft_us": None}
        item = {
            "trace_id": "a", "span_id": "b", "started_at": "2026-11-21T00:00:00Z", "tenant": "t", "scenario": "s", "model": "m",
            "outcome": "ok", "tokens": {}, "duration_ms": 0.0, "ttft_ms": None, "cost": None, "unpriced_reason": None, "level": 0,
            "repeats": None,
        }  # fmt: skip
        pairs = [(kept | {"span_id": 1, "parent_span_id": 2}, item), (kept | {"span_id": 2, "parent_span_id": 1}, item)]
        assert [each.depth for each in waterfall(pairs, at, at)] == [8, 8]


class TestSomebodyOfOneTenant:
    def test_asks_for_their_own_whatever_the_address_says(self, database, three):
        from trivet import db

        with db.transaction() as session:
            for query in (Query(), Query(tenant="acme"), Query(tenant="beta")):
                found = asking.where(session, query, replace(sample.reader(), tenant_id=77))
                assert found["tenant_id"] in ([77], [])

    def test_finds_nobody_elses_request(self, database, three):
        from trivet import db
        from trivet.console.requests import read
        from trivet.kit.errors import NotFound

        looking = replace(sample.reader(), tenant_id=77)
        with db.transaction() as session, pytest.raises(NotFound):
            read.one(session, f"{three[0].trace_id.hex()}-{three[0].span_id.hex()}", looking)


class TestThePicture:
    NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def drawn(self, query=None, **counts):
        address = settle("/requests", query or Query(), self.NOW, UTC, "1h")
        over, grain_s = buckets(address.interval)
        at = over.start + timedelta(seconds=grain_s)
        return picture({at: tuple(counts.get(name, 0) for name in ("ok", "error", "timeout", "refused", "rejected"))},
                       over, grain_s, address, UTC, partial=False)  # fmt: skip

    def test_stands_on_zero_and_fills_its_height(self):
        (bar,) = self.drawn(ok=3, error=1).bars
        assert [(piece.outcome, piece.y, piece.height) for piece in bar.pieces] == [
            ("ok", 24.0, 72.0),
            ("error", 0.0, 24.0),
        ]
        assert bar.pieces[0].y + bar.pieces[0].height == HEIGHT and bar.words.endswith("ok 3, error 1")

    def test_a_bar_leads_to_its_own_requests_and_an_outcome_to_itself(self):
        found = self.drawn(ok=3, error=1)
        assert found.bars[0].url.startswith("/requests?since=2026-11-21T11%3A0")
        assert next(each.url for each in found.outcomes if each.outcome == "error") == "/requests?outcome=error"

    def test_too_long_a_time_has_none(self):
        assert buckets(Interval(self.NOW - timedelta(days=30), self.NOW)) is None

    def test_says_what_it_shows(self):
        assert self.drawn(ok=3).says == "Requests over time by outcome: ok 3"
