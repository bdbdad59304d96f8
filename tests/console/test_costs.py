"""The page of costs: its sentence, its pictures, what each figure leads to."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support import books

from trivet.console.money import costs_picture as picture
from trivet.console.money.costs_asked import Query, settle
from trivet.console.money.costs_flags import Flag
from trivet.console.money.costs_picture import Part
from trivet.console.money.costs_words import Spent, called, nothing, sentence, when, whose
from trivet.console.tongue import speaking
from trivet.kit.interval import Interval


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SO_FAR = Interval(at("2026-11-01"), at("2026-11-21T14:00"))
BEFORE = Interval(at("2026-10-01"), at("2026-10-21"))


class TestTheSentence:
    def test_says_what_against_what_why_and_where_it_leads(self):
        spent = Spent(
            SO_FAR, running=True, currency="USD", total=Decimal("3204.11"), before=BEFORE, was=Decimal("2966.77"),
            parts={"volume": Decimal(178), "price": Decimal(89), "mix": Decimal("-29.66"), "idle": Decimal(0)},
            unattributed=Decimal("131.37"), ends_at=Decimal(4890), low=Decimal(4600), high=Decimal(5200),
        )  # fmt: skip
        assert sentence(spent) == (
            "November so far cost 3,204.11 USD, 8 % more than October's first 20 days: 6 % volume, 3 % price, −1 % mix; "
            "4.1 % is unattributed; at this pace the month ends at 4,890 (4,600 to 5,200)."
        )

    def test_says_whose_it_is_as_of_which_close_and_what_else_was_spent(self):
        october = Interval(at("2026-10-01"), at("2026-11-01"))
        spent = Spent(
            october, running=False, currency="EUR", total=Decimal(90), of="CC-7", close="2026-10", others=("USD",),
            before=Interval(at("2026-09-01"), at("2026-10-01")), was=Decimal(100),
        )  # fmt: skip
        assert sentence(spent) == (
            "CC-7 in October cost 90.00 EUR, 10 % less than September; USD beside it; as it stood when October 2026 was closed."
        )

    def test_says_where_there_is_nothing_to_compare_with_or_to_foretell_from(self):
        spent = Spent(
            SO_FAR, running=True, currency="USD", total=Decimal(5), before=BEFORE, was=Decimal(0), ends_at=Decimal(8)
        )
        assert sentence(spent) == (
            "November so far cost 5.000 USD, and nothing is on record for October's first 20 days; at this pace the month ends at 8.0, "
            "told from too few days for an interval."
        )
        assert nothing(SO_FAR, running=True, of="") == "November so far has cost nothing that Trivet knows of."

    @pytest.mark.parametrize(
        ("start", "end", "words"),
        [
            ("2026-10-01", "2026-11-01", "October"),
            ("2026-10-01", "2026-10-02", "October's first day"),
            ("2026-10-05", "2026-10-12", "5 to 11 October"),
            ("2026-10-05", "2026-10-06", "5 October"),
            ("2026-10-22", "2026-11-21", "22 Oct to 20 Nov"),
        ],
    )
    def test_names_stretches_of_time_as_people_do(self, start, end, words):
        assert when(Interval(at(start), at(end))) == words


class TestWhatStandsForNone:
    @pytest.mark.parametrize(
        ("dimension", "name", "words"),
        [
            ("cost_centre", "unattributed", "未归属"), ("tenant", "no tenant", "无租户"), ("pool", "none", "无"),
            ("purchase", "metered", "按量"), ("tenant", "none", "none"), ("scenario", "unattributed", "unattributed"),
            ("account", "cost_centre", "成本中心"), ("account", "variance", "与标准成本的差异"), ("tenant", "idle", "idle"),
        ],
    )  # fmt: skip
    def test_is_in_the_readers_language_and_a_name_that_was_given_is_not(self, dimension, name, words):
        assert called(dimension, name) == name
        with speaking("zh"):
            assert called(dimension, name) == words

    def test_is_so_in_a_list_of_filters(self):
        filters = {"cost_centre": "unattributed", "tenant": "acme", "account": "headroom"}
        assert whose(filters) == "unattributed, acme, headroom"
        with speaking("zh"):
            assert whose(filters) == "未归属、acme、余量"


class TestTheAddress:
    NOW = datetime(2026, 11, 21, 14, 20, 17, tzinfo=UTC)

    def test_holds_all_state(self):
        asked = settle(Query(group="tenant", cost_centre="CC-7", range="30d"), self.NOW)
        assert asked.interval == Interval(at("2026-10-22"), at("2026-11-21"))
        assert parse_qs(urlsplit(asked.into("acme")).query) == {
            "range": ["30d"], "group": ["model"], "cost_centre": ["CC-7"], "tenant": ["acme"],
        }  # fmt: skip
        assert asked.url(cost_centre="", range="", group="") == "/costs"

    def test_without_anything_is_the_month_so_far(self):
        asked = settle(Query(), self.NOW)
        assert (asked.interval, asked.running) == (Interval(at("2026-11-01"), at("2026-11-21T14:20:10")), True)
        assert settle(Query(range="last-month"), self.NOW).interval == Interval(at("2026-10-01"), at("2026-11-01"))

    def test_in_the_first_seconds_of_a_month_is_not_empty(self):
        assert settle(Query(), at("2026-11-01T00:00:03")).interval.seconds == 10


class TestPictures:
    def test_a_day_stacks_what_is_posted_and_what_is_not_from_zero(self):
        day = picture.Day(date(2026, 11, 1), (Part("borne", Decimal(6)), Part("provisional", Decimal(3))))
        drawn = picture.bars([day], [Flag(date(2026, 11, 1), "price", "price of small")], [], "USD")
        borne, provisional = drawn.rects
        assert (borne.y, borne.height, borne.kind) == (90.0, 128.0, "borne")  # two thirds of 192, above the foot of 22
        assert (provisional.y + provisional.height, provisional.height) == (90.0, 64.0)
        assert [mark.label for mark in drawn.amounts] == ["0", "3", "6", "9"]
        assert [flag.label for flag in drawn.flags] == ["price"]
        assert drawn.says == "1 Nov 9.000 USD"

    def test_a_forecast_has_the_range_it_lies_in(self):
        day = picture.Day(date(2026, 11, 2), (Part("forecast", Decimal(6)),), Decimal(3), Decimal(9))
        (whisker,) = picture.bars([day], [], [], "USD").whiskers
        assert (whisker.low, whisker.high) == (154.0, 26.0)


@pytest.fixture
def as_finance(sign_in):
    sign_in("finance")


DAY = {"range": "days", "since": "2026-11-20", "until": "2026-11-21"}


def figure(page):
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1]


@pytest.mark.usefixtures("as_finance")
class TestThePage:
    def test_leads_from_a_sentence_to_the_requests_behind_a_figure(self, client):
        books.company()
        books.a_morning()
        books.post()
        page = client.get("/costs", params=DAY)
        assert figure(page).startswith("20 November cost 11.50")
        assert '<data value="4.166666666667">4.17</data>' in page.text
        assert "idle: capacity in which nothing ran" in page.text
        into = client.get("/costs", params=DAY | {"cost_centre": "CC-7", "group": "tenant"})
        assert figure(into).startswith("CC-7 on 20 November cost 4.167 USD")
        behind = client.get("/costs/postings", params=DAY | {"cost_centre": "CC-7"})
        assert figure(behind).startswith("The entries behind CC-7 on 20 November: 4.167 USD is posted.")
        assert '<data value="3.500000000000">' in behind.text and "Requests at their standard cost." in behind.text
        link = re.search(r'href="(/costs/requests\?[^"]+gpt-4o[^"]*)"', behind.text)[1].replace("&amp;", "&")
        requests = client.get(link)
        assert figure(requests).startswith("1 request of acme")
        assert "3.500000000000 USD" in requests.text
        chinese = client.get("/costs/postings", params=DAY, headers={"Accept-Language": "zh"}).text
        assert '<td data-label="科目">成本中心</td>' in chinese and ">cost centre<" not in chinese
        assert "Requests at their standard cost." in chinese  # as it stands in the ledger

    def test_a_day_that_no_calendar_of_ours_has_is_refused(self, client):
        assert client.get("/costs", params=DAY | {"since": "0001-01-01"}).status_code == 422

    def test_teaches_where_there_is_nothing(self, client):
        page = client.get("/costs")
        assert "has cost nothing that Trivet knows of" in figure(page)
        assert "/api/v1/pools" in page.text
        assert client.get("/costs/postings").status_code == 200

    def test_as_of_a_month_that_is_open_says_so(self, client):
        page = client.get("/costs", params={"as_of": "2026-10"})
        assert page.status_code == 409 and "2026-10 is not closed" in page.text

    def test_moves_no_pico_between_page_and_api(self, client, admin):
        books.company()
        books.a_morning()
        books.post()
        answer = client.get(
            "/api/v1/costs", params={"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "group_by": "cost_centre"},
            headers=admin,
        ).json()  # fmt: skip
        page = client.get("/costs", params=DAY)
        for item in answer["items"]:
            assert f'<data value="{item["amount"]}">' in page.text
        assert f'<data value="{answer["total"]["amount"]}">' in page.text
