"""The page of unit costs: its sentence, its line, why it moved; and who sees what of it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from tests.console.conftest import PASSWORD
from tests.support import books, finance_month
from tests.support.page_tables import tables

from trivet import db
from trivet.console.money import unit_costs_parts as parts
from trivet.console.money import unit_costs_picture as picture
from trivet.console.money.costs_asked import Query, settle
from trivet.console.money.costs_flags import Flag
from trivet.console.money.pivot import Sums, pivot
from trivet.console.money.unit_costs_line import Told, course
from trivet.console.money.unit_costs_read import Facts
from trivet.console.money.unit_costs_words import Cost, sentence
from trivet.console.tongue import speaking
from trivet.identity import service
from trivet.kit.interval import Interval
from trivet.report.models import BusinessValue
from trivet.report.value import Held

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
OCTOBER = {"range": "days", "since": "2026-10-01", "until": "2026-11-01"}


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestTheSentence:
    NOVEMBER = Interval(at("2026-11-01"), at("2026-11-21T14:00"))

    def test_says_what_a_million_and_a_request_cost_and_which_way_it_goes(self):
        cost = Cost(
            self.NOVEMBER, running=True, currency="USD", per_million=Decimal("2.3114"), per_request=Decimal("0.0041"),
            first=("1 Nov", Decimal("2.50")), last=("20 Nov", Decimal("2.20")),
        )  # fmt: skip
        assert sentence(cost) == (
            "November so far: a million tokens cost 2.311 USD, a request 0.004100 USD; on 20 Nov it was 12 % less than on 1 Nov."
        )

    def test_says_where_there_is_nothing_to_divide(self):
        nothing = Cost(self.NOVEMBER, running=True, currency="USD", per_million=None, per_request=None)
        assert sentence(nothing) == ("November so far has no tokens that cost anything, so there is nothing to divide.")


class TestPictures:
    def test_a_day_that_still_runs_is_hollow_and_joined_by_a_dashed_line(self):
        told = [
            Told(date(2026, 11, 1), Decimal(3), 10), Told(date(2026, 11, 2), None, 0), Told(date(2026, 11, 3), Decimal(6), 5),
            Told(date(2026, 11, 4), Decimal(9), 1, proven=False),
        ]  # fmt: skip
        drawn = course(told, [Flag(date(2026, 11, 2), "price", "price of small")], "USD", lambda day: f"/{day}")
        assert [point.y for point in drawn.points] == [154.0, 90.0, 26.0]  # thirds of 192, above the foot of 22
        assert [point.proven for point in drawn.points] == [True, True, False]
        assert drawn.dashed.startswith(f"M{drawn.points[1].x} 90.0L") and drawn.solid.endswith(
            f"{drawn.points[1].x} 90.0"
        )
        assert [flag.label for flag in drawn.flags] == ["price"]
        assert drawn.points[0].says == "1 Nov: 3.000 USD a million tokens, 10 tokens"

    def test_without_any_unit_cost_there_is_no_line(self):
        assert course([Told(date(2026, 11, 1), None, 0)], [], "USD", str) is None

    def test_a_waterfall_goes_from_what_it_was_to_what_it_is(self):
        drawn = picture.waterfall(
            Decimal(100), Decimal(120), {"volume": Decimal(50), "price": Decimal(-30), "mix": Decimal(0)}, "USD"
        )
        assert [(fall.label, fall.amount, fall.rect.kind) for fall in drawn.falls] == [
            ("before", "100.00", "whole"),
            ("volume", "+50.00", "more"),
            ("price", "−30.00", "less"),
            ("now", "120.00", "whole"),
        ]
        volume, price = drawn.falls[1].rect, drawn.falls[2].rect
        assert volume.y == price.y  # the fall begins where the rise ended

    def test_quadrants_lie_around_their_medians(self):
        points = [("a", 10_000, Decimal(1), "high volume, low cost"), ("b", 100, Decimal(10), "low volume, high cost")]
        drawn = picture.scatter(points, Decimal(5_050), Decimal("5.5"), "USD")
        a, b = drawn.dots
        assert b.x < drawn.volume_x < a.x and b.y < drawn.cost_y < a.y
        assert "a: 10,000 tokens, 1.00 USD a million" in a.says


class TestWhatItWasWorth:
    def test_says_of_whom_in_the_readers_language(self):
        worth = BusinessValue(kind="tenant", amount=Decimal(1200), currency="USD", unit="", note="")
        held = Held("tenant", "acme", worth, Decimal(400), "USD")
        facts = Facts("USD", ("USD",), [], None, [], {}, "model", [], [held], [])
        assert [(row.name, row.ratio) for row in parts.values(facts)] == [("tenant acme", "× 3")]
        with speaking("zh"):
            assert [row.name for row in parts.values(facts)] == ["租户 acme"]


class TestThePivot:
    ASKED = settle(Query(group="tenant", across="model", range="last-month"), NOW)

    def made(self, count):
        names = [f"t{n:02}" for n in range(count)]
        rows = {name: Decimal(100 - n) for n, name in enumerate(names)}
        columns = {f"m{n}": Decimal(0) for n in range(9)}
        cells = {}
        for n, (name, amount) in enumerate(rows.items()):
            cells[name, f"m{n % 9}"] = amount
            columns[f"m{n % 9}"] += amount
        return pivot(self.ASKED, Sums(rows, columns, cells, {"idle": {"": Decimal(7)}}))

    def test_others_are_what_is_left_and_nobodys_have_a_column_of_their_own(self):
        made = self.made(40)
        assert [column.kind for column in made.columns] == ["payer"] * 6 + ["more", "nobody"]
        assert [line.kind for line in made.lines] == ["payer"] * 25 + ["more", "apart"]
        for line in made.lines:
            assert sum(cell.amount for cell in line.cells) == line.total
        assert made.total == sum(100 - n for n in range(40)) + 7 == sum(column.total for column in made.columns)
        assert made.columns[-1].total == 7

    def test_a_cell_leads_to_what_it_consists_of_and_to_its_postings(self):
        cell = self.made(2).lines[0].cells[0]
        assert "tenant=t00" in cell.url and "model=m0" in cell.url and "across" not in cell.url
        assert cell.postings_url.startswith("/costs/postings?") and "model=m0" in cell.postings_url


@pytest.fixture
def of_tenant(client):
    """`of_tenant("acme")` -> the client, signed in as somebody of that tenant."""

    def enter(tenant):
        given = {"email": "own@example.com", "password": PASSWORD}
        with db.transaction() as session:
            service.create_user(session, name="Own", role="viewer", actor="test", tenant=tenant, **given)
        client.post("/sign-in", data=given, follow_redirects=False)
        return client

    return enter


def others(text, own):
    """Names of the generated month that stand in a text, but for those of one tenant."""
    known = {*finance_month.MAPPED, *finance_month.MAPPED.values(), "CC-7", *finance_month.POOLS} - {"", *own}
    return {name for name in known if f">{name}<" in text or f"={name}&" in text or f"\n{name}," in text}


class TestSomebodyOfOneTenant:
    PLACES = (
        "/costs", "/costs?group=tenant", "/costs?group=tenant&across=cost_centre", "/costs?group=pool&across=account",
        "/costs?tenant=acme&group=tenant", "/costs?cost_centre=CC-7&group=tenant", "/unit-costs?group=tenant",
        "/unit-costs?group=pool&of=tenant", "/costs/postings", "/costs/postings?tenant=acme",
    )  # fmt: skip

    def test_sees_its_own_alone_whatever_it_asks_for(self, database, of_tenant):
        finance_month.a_month()
        browser = of_tenant("bolt")
        for place in self.PLACES:
            path, _, query = place.partition("?")
            more = dict(pair.split("=") for pair in query.split("&") if pair)
            for address in (path, f"{path}.csv"):
                answer = browser.get(address, params=OCTOBER | more)
                assert answer.status_code == 200, address
                asked = {value for name, value in more.items() if name in ("tenant", "cost_centre")}
                assert others(answer.text, {"bolt", "CC-9", *finance_month.POOLS, *asked}) == set(), (address, more)
                assert "capacity in which nothing ran" not in answer.text

    def test_a_filter_on_another_tenant_finds_nothing(self, database, of_tenant):
        finance_month.a_month()
        browser = of_tenant("bolt")
        assert "has cost nothing" in browser.get("/costs", params=OCTOBER | {"tenant": "acme"}).text
        rows = browser.get("/costs.csv", params=OCTOBER | {"tenant": "acme"}).text.splitlines()
        assert len(rows) == 1
        assert len(browser.get("/costs/postings.csv", params=OCTOBER | {"tenant": "acme"}).text.splitlines()) == 1

    def test_its_total_is_what_the_api_tells_a_key_of_the_tenant(self, database, of_tenant, client, make_key):
        finance_month.a_month()
        bound = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        params = {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z", "group_by": "model"}
        items = client.get("/api/v1/costs", params=params, headers=bound).json()["items"]
        page = of_tenant("bolt").get("/costs", params=OCTOBER | {"group": "model", "currency": "USD"})
        shown = {row[0].name: row[-1].value for row in tables(page.text)[0].rows}
        assert shown == {item["model"]: Decimal(item["amount"]) for item in items if item["currency"] == "USD"}

    def test_may_not_acknowledge_a_day_and_finds_no_other_page_of_finance(self, database, of_tenant):
        browser = of_tenant("acme")
        assert browser.get("/statements").status_code == 403
        seen = {"reason": "so", "csrf_token": "x"}
        assert browser.post("/costs/anomalies/2026-10-02/1/USD", data=seen).status_code == 403


class TestWhyItMoved:
    def test_comes_after_the_page_and_its_parts_add_up(self, sign_in):
        books.company()
        books.a_morning()
        books.post()
        browser = sign_in("finance")
        day = {"range": "days", "since": "2026-11-20", "until": "2026-11-21", "group": "tenant"}
        page = browser.get("/unit-costs", params=day)
        assert 'hx-get="/unit-costs/why?' in page.text and "/api/v1/business-values" in page.text
        why = browser.get("/unit-costs/why", params=day | {"shown": "USD"})
        assert "there is nothing before it to compare with" in why.text
        after = {"range": "days", "since": "2026-11-21", "until": "2026-11-22", "group": "tenant", "shown": "USD"}
        (table,) = tables(browser.get("/unit-costs/why", params=after).text)
        for row in table.rows:
            *parts, change = [cell.value for cell in row[1:]]
            assert sum(parts) == change
        assert table.rows[0][-1].value == Decimal("-11.5")
