"""The price book on pages: what has no price first, how one came to be, and lists shown before they are entered."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.calls import call, ingest
from tests.support.jobs import do_jobs

from trivet import db
from trivet.console.money import prices_words as words
from trivet.console.money.prices_words import Known
from trivet.kit.clock import utc_now
from trivet.pricing import discount, service
from trivet.pricing.book import PriceLine
from trivet.pricing.models import Price
from trivet.pricing.rate import Rates, canonical

FILE = Path(__file__).parent.parent / "data" / "prices" / "litellm-1.109.1-cut.json"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def sentence_of(page):
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1].replace("\N{NO-BREAK SPACE}", " ")


def entered(model="own", price="2.50", start=timedelta(days=2), tier=""):
    with db.transaction() as session:
        service.add_price(
            session, provider="house", model=model, pool="", tier=tier, effective_from=utc_now() - start, currency="USD",
            rates=canonical({"input": price, "output": "10"}), actor="finance@example.com",
        )  # fmt: skip


def prices():
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(Price))


class TestTheSentence:
    @pytest.mark.parametrize(
        ("known", "says"),
        [
            (Known(0), "No price has been entered yet."),
            (Known(1), "1 price holds now; nothing of the last 30 days is without one."),
            (
                Known(312, 4, models=2, requests=90, tokens=1_234_567),
                "312 prices hold now, 4 of them overrides; 2 models of the last 30 days have no price: 1.2 M tokens are not in any cost.",
            ),
            (
                Known(1, 1, models=1, requests=1, units=1),
                "1 price holds now, 1 of them an override; 1 model of the last 30 days has no price: 1 request is not in any cost; 1 quantity has no unit price.",
            ),
            (
                Known(2, models=1, requests=3, tokens=200_000, odd=1),
                "2 prices hold now; 1 model of the last 30 days has no price and 1 request says too little to be priced: 200 k tokens are not in any cost.",
            ),
            (Known(0, models=1, requests=2, tokens=950, units=3), "No price has been entered yet; 1 model of the last 30 days has no price: 950 tokens are not in any cost; 3 quantities have no unit price."),
        ],
    )  # fmt: skip
    def test_says_what_is_known_and_what_is_not(self, known, says):
        assert words.sentence(known) == says


def line(price):
    rates = Rates.parse({"input": [[0, price]], "output": [[0, "10"]]})
    return PriceLine(1, "USD", rates, rates)


class TestThePicture:
    def test_steps_from_price_to_price_and_dashes_what_is_to_come(self):
        rows = [
            (NOW - timedelta(days=90), line("4")),
            (NOW - timedelta(days=30), line("2")),
            (NOW + timedelta(days=30), line("1")),
        ]
        drawn = words.picture(rows, NOW)
        (by_input,) = [each for each in drawn.lines if each.kind == "input"]
        # 150 days from the first to a month after the last: 56 + 536 x 60 / 150 = 270.4, now 56 + 536 x 90 / 150 = 377.6.
        # Zero-based, the dearest rate (10) on top: 4 lies at 12 + 144 x 0.6 = 98.4, 2 at 127.2, 1 at 141.6.
        assert by_input.solid == "M56.0 98.4H270.4M270.4 127.2H377.6"
        assert by_input.dashed == "M377.6 127.2H484.8M484.8 141.6H592.0"
        assert [mark.solid for mark in drawn.marks] == [True, True, False]
        assert by_input.label == "input 1"

    def test_leaves_a_hole_where_nothing_held(self):
        rows = [
            (NOW - timedelta(days=90), line("4")),
            (NOW - timedelta(days=60), None),
            (NOW - timedelta(days=30), line("4")),
        ]
        drawn = words.picture(rows, NOW)
        assert all(each.solid.count("M") == 2 for each in drawn.lines)
        assert "no price" in drawn.says

    def test_shows_a_year_of_a_price_that_always_held(self):
        drawn = words.picture([(datetime(1970, 1, 1, tzinfo=UTC), line("4"))], NOW)
        assert (drawn.start, drawn.end) == ("20 Nov 2025", "20 Nov 2026")
        assert drawn.lines[0].solid.endswith("H592.0")

    def test_of_nothing_is_none(self):
        assert words.picture([(NOW, None)], NOW) is None

    def test_keeps_labels_apart(self):
        labels = [each.label_y for each in words.picture([(NOW - timedelta(days=9), line("9.9"))], NOW).lines]
        assert all(after - before >= words.LABEL_GAP for before, after in pairwise(labels))

    def test_of_free_models_stands_on_the_ground(self):
        rates = Rates.parse({"input": [[0, "0"]], "output": [[0, "0"]]})
        drawn = words.picture([(NOW - timedelta(days=9), PriceLine(1, "USD", rates, rates))], NOW)
        assert drawn.lines[0].label_y == Decimal("156.0")


class TestThePage:
    def test_shows_gaps_first_then_what_holds(self, sign_in):
        now = utc_now()
        entered()
        ingest(call(now, provider="house", model="dear", input_tokens=1500), now=now)
        page = sign_in("viewer").get("/prices")
        assert sentence_of(page) == (
            "1 price holds now, 1 of them an override; 1 model of the last 30 days has no price: 1.5 k tokens are not in any cost."
        )
        assert "trivet prices enter house dear --from" in page.text
        assert page.text.index("dear") < page.text.index('href="/prices/one?provider=house&amp;model=own"')

    def test_that_is_empty_teaches_the_commands(self, sign_in):
        page = sign_in("viewer").get("/prices")
        assert sentence_of(page) == "No price has been entered yet."
        assert "trivet prices enter openai gpt-4o" in page.text
        assert all(path in page.text for path in ("/discounts -d", "/exchange-rates -d", "/gpu-prices -d"))

    def test_finds_models_by_name_from_the_address(self, sign_in):
        entered("alpha")
        entered("beta")
        client = sign_in("viewer")
        assert (
            "model=alpha" in client.get("/prices?q=ALP").text and "model=beta" not in client.get("/prices?q=ALP").text
        )
        assert "No price that holds now has this in its name." in client.get("/prices?q=gamma").text

    def test_shows_what_the_contract_leaves(self, sign_in):
        entered()
        with db.transaction() as session:
            discount.add(
                session, provider="house", model="", pool="", percent=Decimal(20), effective_from=utc_now() - timedelta(days=1),
                ends=None, source="contract 7", actor="finance",
            )  # fmt: skip
        page = sign_in("viewer").get("/prices").text
        assert 'data-label="input">2</td>' in page and "20 %" in page and "contract 7" in page

    def test_is_for_those_who_signed_in(self, client, database):
        assert client.get("/prices", follow_redirects=False).status_code == 303


class TestOnePrice:
    def test_is_a_sentence_a_picture_and_its_rows(self, sign_in):
        entered(price="4", start=timedelta(days=40))
        entered(price="2", start=timedelta(days=10))
        page = sign_in("viewer").get("/prices/one?provider=house&model=own")
        since = utc_now() - timedelta(days=10)
        assert sentence_of(page) == (
            f"own of house costs $2 for a million input tokens and $10 for a million output tokens since {since:%-d %b %Y}: entered."
        )
        assert page.text.count("steps__mark ") == 2 and ">holds<" in page.text and ">past<" in page.text

    def test_nobody_entered_is_not_found(self, sign_in):
        assert sign_in("viewer").get("/prices/one?provider=house&model=never").status_code == 404


class TestImporting:
    def token(self, client):
        return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/prices/import").text)[1]

    def hidden(self, page):
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))

    def preview(self, client, data, **more):
        form = {"csrf_token": self.token(client), "source": "litellm"} | more
        return client.post("/prices/import", data=form, files={"file": ("prices.json", data)})

    def test_shows_what_would_change_and_one_button_enters_it(self, sign_in):
        client = sign_in("finance")
        large = FILE.read_bytes().rstrip() + b" " * (4 << 20)  # LiteLLM's own file has more than three megabytes
        shown = self.preview(client, large)
        assert sentence_of(shown).startswith("Would enter 30 new and 0 changed prices from litellm file, sha256 ")
        assert "off_peak_pricing" in shown.text and prices() == 0
        apply = next(form for form in shown.text.split("<form ") if "/prices/import/apply" in form)
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', apply))
        done = client.post("/prices/import/apply", data=form, follow_redirects=False)
        assert (done.status_code, prices()) == (303, 0), "so large a file is entered by a worker"
        do_jobs()
        assert prices() == 30 and "Entered 30 new" in client.get(done.headers["location"]).text
        assert "Nothing: the book says all of this already." in self.preview(client, large).text
        assert self.preview(client, b" " * (17 << 20)).status_code == 413

    def test_genai_prices_need_no_file(self, sign_in):
        client = sign_in("finance")
        form = {"csrf_token": self.token(client), "source": "genai-prices"}
        assert sentence_of(client.post("/prices/import", data=form)).startswith(
            "Would enter 0 new and 0 changed prices"
        )

    def test_a_file_that_is_none_says_so_and_changes_nothing(self, sign_in):
        client = sign_in("finance")
        answer = self.preview(client, b"no json")
        assert (answer.status_code, "This is no JSON" in answer.text) == (422, True)
        form = {
            "csrf_token": self.token(client),
            "source": "litellm",
            "effective_from": "2026-11-01T00:00:00Z",
            "packed": "%%",
        }
        assert client.post("/prices/import/apply", data=form).status_code == 422
        assert prices() == 0

    def test_needs_the_role_and_the_sessions_own_form(self, sign_in):
        client = sign_in("viewer")
        assert self.preview(client, FILE.read_bytes()).status_code == 403
        client = sign_in("finance")
        assert self.preview(client, FILE.read_bytes(), csrf_token="x" * 43).status_code == 403
