"""A generated month, told three times: by the page, by the API, by the file. To the last pico it is one month."""

import csv
import io
from decimal import Decimal

import pytest
from tests.support import finance_month
from tests.support.finance_month import END, MONTH, START
from tests.support.page_tables import tables

from trivet.console.money.pivot import APART_WORDS
from trivet.kit.clock import rfc3339

OCTOBER = {"range": "days", "since": "2026-10-01", "until": "2026-11-01"}
BETWEEN = {"from": rfc3339(START), "to": rfc3339(END)}
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


@pytest.mark.parametrize("currency", ["USD", "EUR"])
class TestCosts:
    @pytest.mark.parametrize(
        "group", ["cost_centre", "tenant", "scenario", "model", "provider", "pool", "purchase", "account"]
    )
    def test_are_the_same_on_the_page_in_the_api_and_in_the_file(self, month, ask, look, group, currency):
        answer = ask("/costs", limit=500, group_by=group)
        items = amounts([item for item in answer["items"] if item["currency"] == currency], group)
        page = look("/costs", group=group, currency=currency)[0]
        shown = on_page(page)
        apart = {name: shown.pop(name) for name in APART_WORDS.values() if name in shown}
        assert {(name,): amount for name, amount in shown.items()} == items
        assert sum(shown.values()) + sum(apart.values()) == page.foot[-1].value == month.total[currency]
        told = {each["total"]["currency"]: each for each in answer["by_currency"]}[currency]
        assert apart == {
            words: Decimal(told[account]["amount"])
            for account, words in APART_WORDS.items()
            if Decimal(told[account]["amount"])
        }
        rows = look.file("/costs", group=group, currency=currency)
        assert amounts([row for row in rows if not row["kept_apart"]], group) == items
        assert sum(Decimal(row["amount"]) for row in rows) == month.total[currency]

    @pytest.mark.parametrize(
        ("group", "across"),
        [("tenant", "scenario"), ("cost_centre", "day"), ("day", "model"), ("pool", "account"), ("model", "provider")],
    )
    def test_a_pivot_adds_up_by_rows_by_columns_and_to_the_whole(self, month, look, group, across, currency):
        page = look("/costs", group=group, across=across, currency=currency)[0]
        cells = [[cell.value for cell in row[1:-1]] for row in page.rows]
        assert [sum(row) for row in cells] == [row[-1].value for row in page.rows]
        assert [sum(column) for column in zip(*cells, strict=True)] == [cell.value for cell in page.foot[1:-1]]
        assert sum(sum(row) for row in cells) == page.foot[-1].value == month.total[currency]

    def test_each_cell_of_a_pivot_is_what_the_api_and_the_file_say(self, month, ask, look, currency):
        by = ("tenant", "model")
        answer = [
            item for item in ask("/costs", limit=500, group_by=",".join(by))["items"] if item["currency"] == currency
        ]
        page = look("/costs", group="tenant", across="model", currency=currency)[0]
        heads = [cell.name for cell in page.head[1:-1]]
        shown = {
            (row[0].name, head): cell.value
            for row in page.rows
            for head, cell in zip(heads, row[1:-1], strict=True)
            if cell.value and row[0].name not in APART_WORDS.values()
        }
        assert shown == {key: amount for key, amount in amounts(answer, *by).items() if amount}
        rows = look.file("/costs", group="tenant", across="model", currency=currency)
        assert amounts([row for row in rows if not row["kept_apart"]], *by) == amounts(answer, *by)
        assert sum(Decimal(row["amount"]) for row in rows) == month.total[currency]

    def test_the_postings_behind_it_are_the_month(self, month, look, currency):
        rows = look.file("/costs/postings", currency=currency)
        assert sum(Decimal(row["amount"]) for row in rows) == month.total[currency]
        page = look("/costs/postings", currency=currency)[0]
        newest = [Decimal(row["amount"]) for row in rows[: len(page.rows)]]
        assert [row[-1].value for row in page.rows] == newest


@pytest.mark.parametrize("currency", ["USD", "EUR"])
class TestUnitCosts:
    @pytest.mark.parametrize("group", ["cost_centre", "tenant", "model", "pool"])
    def test_are_the_same_on_the_page_in_the_api_and_in_the_file(self, month, ask, look, group, currency):
        answer = [item for item in ask_units(ask, group) if item["currency"] == currency]
        page = look("/unit-costs", group=group, currency=currency)[0]
        shown = {row[0].name: [cell.value for cell in row[2:6]] for row in page.rows}
        columns = ("requests", "tokens", "per_request", "per_million_tokens")
        assert shown == {item[group]: [exact(item[name]) for name in columns] for item in answer}
        rows = look.file("/unit-costs", group=group, currency=currency)
        assert {unsafe(row[group]): [exact(row[name]) for name in columns] for row in rows} == shown
        assert amounts(rows, group) == amounts(answer, group)

    def test_a_day_of_the_line_is_what_the_api_says_of_that_day(self, month, client, admin, look, currency):
        import re

        page = client.get("/unit-costs", params=OCTOBER | {"currency": currency}).text
        points = re.findall(r'href="[^"]*since=(\d{4}-\d\d-\d\d)[^"]*"[^>]*><circle[^>]*data-exact="([^"]+)"', page)
        assert points
        for day, exact_value in (points[0], points[-1]):
            until = f"{day[:8]}{int(day[8:]) + 1:02}" if day != "2026-10-31" else "2026-11-01"
            params = {"from": f"{day}T00:00:00Z", "to": f"{until}T00:00:00Z", "group_by": ""}
            items = client.get("/api/v1/costs/unit", params=params, headers=admin).json()["items"]
            (told,) = [item["per_million_tokens"] for item in items if item["currency"] == currency]
            assert exact_value == told


def ask_units(ask, group):
    return ask("/costs/unit", group_by=group)["items"]


def exact(value):
    return None if value in (None, "") else Decimal(str(value))


class TestStatements:
    def test_say_what_is_booked_in_the_month(self, month, client, look):
        """Of everybody together, with what nobody bears: what supply cost that is booked in October."""
        page = client.get("/statements", params={"cost_centre": "CC-7", "month": MONTH})
        assert page.status_code == 200
        centres = ["CC-7", "CC-9", "研发中心", "unattributed"]  # CC-71 and CC-72 are beneath CC-7
        for currency in month.booked:
            of_centres = ZERO
            for centre in centres:
                rows = look.file("/statements", cost_centre=centre, month=MONTH)
                of_centres += sum(Decimal(row["amount"]) for row in rows if row["currency"] == currency)
            assert of_centres > 0

    @pytest.mark.parametrize("centre", ["CC-7", "CC-9", "研发中心", "unattributed"])
    def test_are_the_same_on_the_page_in_the_api_and_in_the_file(self, month, ask, look, centre):
        page = look("/statements", cost_centre=centre, month=MONTH)
        items = ask("/costs", limit=500, group_by="cost_centre,tenant,model", cost_centre=centre, period=MONTH)["items"]
        rows = look.file("/statements", cost_centre=centre, month=MONTH)
        by = ("cost_centre", "tenant", "model", "currency")
        assert amounts([row for row in rows if not row["adjusts"]], *by) == amounts(items, *by)
        lines = [row for table in page for row in table.rows if table.head and "Model" in {c.words for c in table.head}]
        shown = sorted(amount for row in lines if (amount := statement_amount(row)) is not None)
        assert shown == sorted(amounts(items, *by).values())


def statement_amount(row):
    """The exact amount of a line of a statement: its first figure that has twelve places."""
    return next((Decimal(value) for cell in row for value in cell.values if len(value.partition(".")[2]) == 12), None)
