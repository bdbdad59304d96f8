"""A generated month, told three times: by the page, by the API, by the file. To the last pico it is one month."""

import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from tests.support import finance_month
from tests.support.finance_month import END, MONTH, START
from tests.support.page_tables import tables

from trivet.console.money.pivot import APART_WORDS
from trivet.kit.clock import rfc3339

OCTOBER = {"range": "days", "since": "2026-10-01", "until": "2026-11-01"}
BETWEEN = {"from": rfc3339(START), "to": rfc3339(END)}
CENTRES = ("CC-7", "CC-9", "研发中心", "unattributed")
ZERO = Decimal(0)


@pytest.fixture
def month(database):
    return finance_month.a_month()


@pytest.fixture
def ask(client, admin):
    def get(path, **params):
        answer = client.get(f"/api/v1{path}", params=BETWEEN | params, headers=admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


@pytest.fixture
def look(client, sign_in):
    """`look("/costs", …)` -> the tables of a page; `look.file("/costs", …)` -> the rows of its file."""
    sign_in("finance")

    def page(path, **params):
        answer = client.get(path, params=OCTOBER | params)
        assert answer.status_code == 200, answer.text
        return tables(answer.text)

    def file(path, **params):
        answer = client.get(f"{path}.csv", params=OCTOBER | params)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/csv")
        return list(csv.DictReader(io.StringIO(answer.text)))

    page.file = file
    return page


def unsafe(name):
    """A name as it was, of how a file keeps it from running."""
    return name.removeprefix("'")


def amounts(items, *by):
    """{names: amount} of items or rows of a file, summed."""
    found = {}
    for item in items:
        key = tuple(unsafe(item[name]) for name in by)
        found[key] = found.get(key, ZERO) + Decimal(item["amount"])
    return found


def on_page(table):
    """{name: exact total} of a table of costs: the last figure of each row."""
    return {row[0].name: row[-1].value for row in table.rows}


def totals_by_currency(answer):
    return {each["total"]["currency"]: Decimal(each["total"]["amount"]) for each in answer["by_currency"]}


class TestTheMonthItself:
    def test_is_what_supply_cost(self, month, ask):
        assert totals_by_currency(ask("/costs")) == month.total
        assert len(month.total) == 2 and month.booked != month.total


class TestCosts:
    @pytest.mark.parametrize(
        "group", ["cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase", "account"]
    )
    def test_are_the_same_on_the_page_in_the_api_and_in_the_file(self, month, ask, look, group):
        answer = ask("/costs", limit=500, group_by=group)
        told = {each["total"]["currency"]: each for each in answer["by_currency"]}
        rows = look.file("/costs", group=group)
        for currency, total in month.total.items():
            items = amounts(of(currency, answer["items"]), group)
            page = look("/costs", group=group, currency=currency)[0]
            shown = on_page(page)
            apart = {name: shown.pop(name) for name in APART_WORDS.values() if name in shown}
            assert {(name,): amount for name, amount in shown.items()} == items
            assert sum(shown.values()) + sum(apart.values()) == page.foot[-1].value == total
            said = {words: Decimal(told[currency][account]["amount"]) for account, words in APART_WORDS.items()}
            assert apart == {words: amount for words, amount in said.items() if amount}
            assert amounts([row for row in of(currency, rows) if not row["kept_apart"]], group) == items
            assert sum(Decimal(row["amount"]) for row in of(currency, rows)) == total

    @pytest.mark.parametrize(
        ("group", "across"),
        [("tenant", "scenario"), ("cost_centre", "day"), ("day", "model"), ("pool", "account"), ("model", "provider")],
    )
    def test_a_pivot_adds_up_by_rows_by_columns_and_to_the_whole(self, month, look, group, across):
        for currency, total in month.total.items():
            page = look("/costs", group=group, across=across, currency=currency)[0]
            cells = [[cell.value for cell in row[1:-1]] for row in page.rows]
            assert [sum(row) for row in cells] == [row[-1].value for row in page.rows]
            assert [sum(column) for column in zip(*cells, strict=True)] == [cell.value for cell in page.foot[1:-1]]
            assert sum(sum(row) for row in cells) == page.foot[-1].value == total

    def test_each_cell_of_a_pivot_is_what_the_api_and_the_file_say(self, month, ask, look):
        by = ("tenant", "model")
        answer = ask("/costs", limit=500, group_by=",".join(by))["items"]
        rows = look.file("/costs", group="tenant", across="model")
        for currency, total in month.total.items():
            page = look("/costs", group="tenant", across="model", currency=currency)[0]
            heads = [cell.name for cell in page.head[1:-1]]
            shown = {
                (row[0].name, head): cell.value
                for row in page.rows
                for head, cell in zip(heads, row[1:-1], strict=True)
                if cell.value and row[0].name not in APART_WORDS.values()
            }
            items = amounts(of(currency, answer), *by)
            assert shown == {key: amount for key, amount in items.items() if amount}
            assert amounts([row for row in of(currency, rows) if not row["kept_apart"]], *by) == items
            assert sum(Decimal(row["amount"]) for row in of(currency, rows)) == total

    def test_the_postings_behind_it_are_the_month(self, month, look):
        for currency, total in month.total.items():
            rows = look.file("/costs/postings", currency=currency)
            assert sum(Decimal(row["amount"]) for row in rows) == total
            page = look("/costs/postings", currency=currency)[0]
            newest = [Decimal(row["amount"]) for row in rows[: len(page.rows)]]
            assert [row[-1].value for row in page.rows] == newest


class TestUnitCosts:
    COLUMNS = ("requests", "tokens", "per_request", "per_million_tokens")

    @pytest.mark.parametrize("group", ["cost_centre", "tenant", "model", "pool"])
    def test_are_the_same_on_the_page_in_the_api_and_in_the_file(self, month, ask, look, group):
        answer, rows = ask("/costs/unit", group_by=group)["items"], look.file("/unit-costs", group=group)
        for currency in month.total:
            page = look("/unit-costs", group=group, currency=currency)[0]
            shown = {row[0].name: [cell.value for cell in row[2:6]] for row in page.rows}
            items = of(currency, answer)
            assert shown == {item[group]: [exact(item[name]) for name in self.COLUMNS] for item in items}
            filed = of(currency, rows)
            assert {unsafe(row[group]): [exact(row[name]) for name in self.COLUMNS] for row in filed} == shown
            assert amounts(filed, group) == amounts(items, group)

    def test_a_day_of_the_line_is_what_the_api_says_of_that_day(self, month, client, admin, look):
        page = client.get("/unit-costs", params=OCTOBER | {"currency": "USD"}).text
        points = re.findall(r'href="[^"]*since=(\d{4}-\d\d-\d\d)[^"]*"[^>]*><circle[^>]*data-exact="([^"]+)"', page)
        assert points
        for day, exact_value in (points[0], points[-1]):
            until = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
            params = {"from": f"{day}T00:00:00Z", "to": f"{until}T00:00:00Z", "group_by": ""}
            items = client.get("/api/v1/costs/unit", params=params, headers=admin).json()["items"]
            assert [item["per_million_tokens"] for item in of("USD", items)] == [exact_value]


def of(currency, items):
    return [item for item in items if item["currency"] == currency]


def exact(value):
    return None if value in (None, "") else Decimal(str(value))


class TestStatements:
    @pytest.mark.parametrize("centre", CENTRES)
    def test_are_the_same_on_the_page_in_the_api_and_in_the_file(self, month, ask, look, centre):
        page = look("/statements", cost_centre=centre, month=MONTH)
        items = ask("/costs", limit=500, group_by="cost_centre,tenant,model", cost_centre=centre, period=MONTH)["items"]
        rows = look.file("/statements", cost_centre=centre, month=MONTH)
        by = ("cost_centre", "tenant", "model", "currency")
        assert amounts([row for row in rows if not row["adjusts"]], *by) == amounts(items, *by)
        lines = [row for table in page for row in table.rows if table.head and "Model" in {c.words for c in table.head}]
        shown = sorted(amount for row in lines if (amount := statement_amount(row)) is not None)
        assert shown == sorted(amounts(items, *by).values())

    def test_together_with_what_nobody_bears_are_all_that_is_booked_in_the_month(self, month, ask, look):
        """CC-71 and CC-72 stand beneath CC-7, and on its statement."""
        booked = ask("/costs", **{"from": "2026-09-01T00:00:00Z", "period": MONTH, "group_by": "account", "limit": 500})
        filed = [row for centre in CENTRES for row in look.file("/statements", cost_centre=centre, month=MONTH)]
        assert totals_by_currency(booked) == month.booked
        for currency, total in month.booked.items():
            stated = sum(Decimal(row["amount"]) for row in of(currency, filed))
            assert stated == sum(Decimal(item["amount"]) for item in of(currency, booked["items"]))
            told = next(each for each in booked["by_currency"] if each["total"]["currency"] == currency)
            assert stated + sum(Decimal(told[account]["amount"]) for account in APART_WORDS) == total


def statement_amount(row):
    """The exact amount of a line of a statement: its first figure that has twelve places."""
    return next((Decimal(value) for cell in row for value in cell.values if len(value.partition(".")[2]) == 12), None)
