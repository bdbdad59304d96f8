"""One price entered on a page: said first in a sentence, checked as the API checks it, in the audit as the API's are."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import select
from tests.console.conftest import csrf_token
from tests.support.calls import call, ingest

from trivet import db
from trivet.console.money.prices_enter_form import Asking, understood
from trivet.console.money.prices_enter_words import Change, price, sentence
from trivet.console.tongue import speaking
from trivet.identity.models import Audit
from trivet.kit.clock import rfc3339, utc_now
from trivet.pricing import service
from trivet.pricing.book import ENTERED, Key, PriceLine
from trivet.pricing.models import Price
from trivet.pricing.rate import Rates, canonical
from trivet.report.repriced import Repriced

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GIVEN = {
    "provider": "house", "model": "own", "input": "2.50", "output": "10", "currency": "usd", "begins": "2026-12-01",
}  # fmt: skip


def rates(**per_million):
    return Rates.parse(canonical(per_million))


def line(currency="USD", percent=0, **per_million):
    held = rates(**per_million)
    return PriceLine(1, currency, held, held, Decimal(percent))


CHANGE = Change(
    "gpt-4o of openai", datetime(2026, 12, 1, tzinfo=UTC), "USD", rates(input="2.50", output="10"),
    frozenset({"input", "output"}), line(input="3", output="10"),
)  # fmt: skip
OPENS = (
    "From 1 Dec 2026 gpt-4o of openai costs $2.50 instead of $3.00 for a million input tokens and $10.00 as before for a million "
    "output tokens"
)


class TestTheSentence:
    def test_says_what_is_paid_instead_of_what_and_what_follows_from_it(self):
        assert sentence(CHANGE, NOW) == f"{OPENS}."

    @pytest.mark.parametrize(
        ("more", "ends"),
        [("-12.4", "would have cost $12.40 less."), ("0.5", "would have cost $0.5000 more."), ("0", "would have cost the same.")],
    )  # fmt: skip
    def test_says_what_the_last_days_would_have_cost(self, more, ends):
        said = sentence(replace(CHANGE, moved=Repriced(1_234_567, Decimal(more))), NOW)
        assert said == f"{OPENS}; the 1,234,567 tokens of the last 7 days {ends}"

    def test_says_which_price_of_its_own_a_kind_has_no_more_or_gets(self):
        old = line(input="3", output="10", cache_read="0.30")
        assert sentence(replace(CHANGE, old=old), NOW).endswith(
            " and $2.50 instead of $0.30 for a million tokens read from a cache."
        )
        new = replace(CHANGE, new=rates(input="2.50", output="10", reasoning="12"), kinds=CHANGE.kinds | {"reasoning"})
        assert sentence(new, NOW) == (
            "From 1 Dec 2026 gpt-4o of openai costs $2.50 instead of $3.00 for a million input tokens, $10.00 as before for a "
            "million output tokens and $12.00 instead of $10.00 for a million reasoning tokens."
        )

    def test_says_that_nothing_held(self):
        assert sentence(replace(CHANGE, old=None), NOW) == (
            "From 1 Dec 2026 gpt-4o of openai costs $2.50 for a million input tokens and $10.00 for a million output tokens; "
            "without it there is no price then."
        )

    def test_keeps_currencies_and_steps_apart(self):
        old = line("EUR", input=[{"from_input_tokens": 0, "price": "1.25"}, {"from_input_tokens": 200_000, "price": "2.5"}], output="10")  # fmt: skip
        said = sentence(replace(CHANGE, old=old), NOW)
        assert "$2.50 instead of €1.25 · €2.50 over 200,000 for a million input tokens" in said
        assert "$10.00 instead of €10.00 for a million output tokens" in said

    def test_says_what_else_should_be_known(self):
        known = replace(
            CHANGE, starts=NOW - timedelta(days=9), old=line(input="3", output="10", percent=20), met=False, pool="h100",
            until=datetime(2027, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        said = sentence(known, NOW)
        for each in (
            "A contract takes 20 % off.",
            "Calls since then that have no price get this one; those that have one keep theirs.",
            "It holds until 1 Jan 2027, when what was entered before changes again.",
            "No call has named this model of this provider yet: look whether the names are right.",
            "No pool is called h100 yet.",
        ):
            assert each in said

    def test_says_that_the_day_is_taken(self):
        assert sentence(replace(CHANGE, taken=True), NOW) == (
            "gpt-4o of openai has a price from 1 Dec 2026 already. Prices are never edited: choose another day."
        )

    def test_is_said_in_chinese_too(self):
        with speaking("zh"):
            said = sentence(replace(CHANGE, old=None), NOW)
        assert said == "自 2026 年 12 月 1 日起，gpt-4o of openai 的价格为：每百万输入 Token $2.50和 每百万输出 Token $10.00；没有它，届时就没有价格。"  # fmt: skip

    def test_amounts_are_whole_and_in_cents_at_least(self):
        assert [price(Decimal(each), "USD") for each in ("3", "0.0375", "100")] == ["$3.00", "$0.0375", "$100.00"]


class TestTheForm:
    def test_is_read_as_the_api_reads_its_body(self):
        steps = GIVEN | {"input": " 2.5 ; 5>200000 ", "cache_read": "0", "pool": " h100 ", "tier": "Batches"}
        wanted, wrong = understood(Asking(**steps))
        assert wrong == {}
        assert wanted.key == Key("house", "own", "h100", "batch", ENTERED)
        assert (wanted.currency, wanted.starts, wanted.source) == ("USD", datetime(2026, 12, 1, tzinfo=UTC), "entered")
        assert wanted.rates == {"input": [[0, "2.5"], [200000, "5"]], "output": [[0, "10"]], "cache_read": [[0, "0"]]}

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            ("provider", " "), ("model", ""), ("tier", "a b"), ("currency", "dollar"), ("begins", ""),
            ("begins", "2026-13-01"), ("begins", "1999-12-31"), ("input", ""), ("output", "-1"), ("cache_read", "1e3"),
            ("reasoning", "2>5;1"), ("cache_write", "1;2>x"), ("source", "x" * 300), ("pool", "\u202e"),
        ],
    )  # fmt: skip
    def test_names_what_is_wrong_at_its_field(self, field, text):
        wanted, wrong = understood(Asking(**GIVEN | {field: text}))
        assert wanted is None and list(wrong) == [field] and wrong[field].endswith(".")

    def test_names_everything_at_once(self):
        assert understood(Asking())[1].keys() == {"provider", "model", "begins", "currency", "input", "output"}


def preview(page):
    return unescape(re.search(r'id="preview"[^>]*>(.*?)</p>', page.text, re.DOTALL)[1])


def value(page, field):
    return unescape(re.search(rf'<input name="{field}"[^>]*? value="([^"]*)"', page.text)[1])


def entered(start, **per_million):
    with db.transaction() as session:
        service.add_price(
            session, provider="house", model="own", pool="", effective_from=start, currency="EUR",
            rates=canonical(per_million), actor="finance@example.com",
        )  # fmt: skip


class TestThePage:
    def test_begins_from_what_holds_and_says_what_it_would_change(self, sign_in):
        now = utc_now()
        steps = [{"from_input_tokens": 0, "price": "3"}, {"from_input_tokens": 200_000, "price": "6"}]
        entered(now - timedelta(days=30), input=steps, output="12")
        client = sign_in("finance")
        one = client.get("/prices/one?provider=house&model=own").text
        assert 'href="/prices/new?provider=house&amp;model=own"' in one
        page = client.get("/prices/new?provider=house&model=own")
        assert [value(page, field) for field in ("input", "output", "cache_read", "currency")] == [
            "3;6>200000",
            "12",
            "",
            "EUR",
        ]
        assert "is said here first" in preview(page)
        day = (now + timedelta(days=9)).strftime("%Y-%m-%d")
        told = preview(client.get(f"/prices/new?provider=house&model=own&input=2&output=12&currency=EUR&begins={day}"))
        assert "costs €2.00 instead of €3.00 · €6.00 over 200,000 for a million input tokens" in told

    def test_says_what_the_last_week_would_have_cost(self, sign_in):
        now = utc_now()
        entered(now - timedelta(days=30), input="3", output="12")
        ingest(call(now - timedelta(days=2), provider="house", model="own", input_tokens=2_000_000), now=now)
        query = "provider=house&model=own&input=2.50&output=12&currency=EUR&begins=2099-01-01"
        assert "the 2,000,000 tokens of the last 7 days would have cost €1.000 less." in preview(
            sign_in("finance").get(f"/prices/new?{query}")
        )

    def test_a_gap_leads_to_it_with_its_names_and_its_first_day(self, sign_in):
        now = utc_now()
        ingest(call(now, provider="house", model="dear", input_tokens=1500, tier="batch"), now=now)
        link = f"/prices/new?provider=house&model=dear&tier=batch&begins={now:%Y-%m-%d}"
        client = sign_in("finance")
        assert link in unescape(client.get("/prices").text)
        page = client.get(link)
        assert [value(page, field) for field in ("provider", "model", "tier", "begins")] == ["house", "dear", "batch", f"{now:%Y-%m-%d}"]  # fmt: skip

    def test_enters_it_as_the_api_does(self, sign_in):
        client = sign_in("finance")
        done = client.post(
            "/prices/new", data=GIVEN | {"csrf_token": csrf_token(), "source": "contract 7"}, follow_redirects=False
        )
        assert (done.status_code, done.headers["location"]) == (303, "/prices/one?provider=house&model=own")
        with db.transaction() as session:
            row = session.scalars(select(Price)).one()
            told = session.scalars(select(Audit).where(Audit.action == "price.add")).one()
            assert (row.layer, row.currency, row.source, row.author) == (
                ENTERED,
                "USD",
                "contract 7",
                "finance@example.com",
            )
            assert rfc3339(row.effective_from) == "2026-12-01T00:00:00Z"
            assert (told.actor, told.subject) == ("finance@example.com", f"price:{row.id}")
        assert "contract 7" in client.get(done.headers["location"]).text

    def test_keeps_what_was_written_beside_what_is_wrong_with_it(self, sign_in):
        client = sign_in("finance")
        wrong = client.post("/prices/new", data=GIVEN | {"csrf_token": csrf_token(), "input": "cheap", "source": "<b>"})
        assert wrong.status_code == 422 and value(wrong, "input") == "cheap" and value(wrong, "source") == "<b>"
        assert re.search(r'name="input"[^>]*aria-invalid="true" aria-describedby="problem-input"', wrong.text)
        assert "Write an amount such as 2.50" in wrong.text and wrong.text.count("field__problem") == 1

    def test_refuses_a_second_price_from_the_same_day(self, sign_in):
        client, form = sign_in("finance"), GIVEN | {"csrf_token": csrf_token()}
        client.post("/prices/new", data=form)
        again = client.post("/prices/new", data=form)
        assert again.status_code == 409 and 'id="problem-begins"' in again.text
        assert "Prices are never edited: choose another day." in preview(again)

    @pytest.mark.parametrize("role", ["viewer", "sre", "product_owner"])
    def test_is_for_finance_and_admins(self, sign_in, role):
        client = sign_in(role)
        assert client.get("/prices/new").status_code == 403
        assert client.post("/prices/new", data=GIVEN | {"csrf_token": csrf_token()}).status_code == 403
        assert "/prices/new" not in client.get("/prices").text

    def test_takes_the_sessions_own_form_alone(self, sign_in):
        client = sign_in("admin")
        assert client.post("/prices/new", data=GIVEN | {"csrf_token": "x" * 43}).status_code == 403
        with db.transaction() as session:
            assert session.scalar(select(Price.id)) is None
