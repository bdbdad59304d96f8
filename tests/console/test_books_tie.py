"""A generated month in the books: periods, prices, bills and budgets say the same on the page, in the API and in the file."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support import budgets, finance_month
from tests.support.bills import FOCUS
from tests.support.finance_month import MONTH, START
from tests.support.page_tables import tables
from tests.support.seeded import seeded

from trivet.kit.clock import utc_now


@pytest.fixture
def month(database):
    return finance_month.a_month()


@pytest.fixture
def ask(client, admin):
    def get(path, **params):
        answer = client.get(f"/api/v1{path}", params=params, headers=admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


@pytest.fixture
def look(sign_in):
    """`look("/periods")` -> the tables of a page and the rows of its file."""
    client = sign_in("finance")

    def both(path, **params):
        page, file = client.get(path, params=params), client.get(f"{path}.csv", params=params)
        assert (page.status_code, file.status_code) == (200, 200)
        return tables(page.text), list(csv.DictReader(io.StringIO(file.text)))

    return both


def headed(found, *heads):
    """The rows of the tables whose head begins so."""
    return [
        row for each in found if [cell.words for cell in each.head][: len(heads)] == list(heads) for row in each.rows
    ]


def price_of(link):
    """Provider, model and pool that the address of a price names."""
    said = parse_qs(urlsplit(link).query)
    return tuple(said.get(name, [""])[0] for name in ("provider", "model", "pool"))


class TestPeriods:
    def test_each_month_comes_to_what_supply_cost_wherever_it_is_read(self, month, ask, look):
        page, file = look("/periods")
        told = {
            (item["month"], amount["currency"]): Decimal(amount["amount"])
            for item in ask("/periods")["items"]
            for amount in item["totals"]
        }
        assert {currency: told[MONTH, currency] for currency in month.booked} == month.booked
        filed = {(row["month"], row["currency"]): Decimal(row["total"]) for row in file if Decimal(row["total"])}
        assert filed == {key: amount for key, amount in told.items() if amount}
        shown = sorted(row[2].value for row in headed(page, "Month", "State") if row[0].links[0].endswith(MONTH))
        assert shown == sorted(month.booked.values())


class TestPrices:
    def test_what_held_on_a_day_is_what_was_entered_wherever_it_is_read(self, month, ask, look):
        entered = {item["id"]: item for item in ask("/prices", limit=500)["items"]}
        page, file = look("/prices", on="2026-10-03")
        assert len(file) == len(headed(page, "Model")) == 5
        for row in file:
            own = entered[int(row["id"])]
            assert (row["provider"], row["model"], row["currency"]) == (own["provider"], own["model"], own["currency"])
            assert row["effective_from"] == own["effective_from"] <= "2026-10-03"
            assert Decimal(row["input"]) == Decimal(str(own["per_million"]["input"]))
        shown = {price_of(cells[0].links[0]): cells[1].words for cells in headed(page, "Model")}
        filed = {(row["provider"], row["model"], row["pool"]): Decimal(row["input"]) for row in file}
        assert {key: Decimal(words) for key, words in shown.items()} == filed


class TestBills:
    def bill(self, client, admin):
        """A bill of October, each day a line or two of any amount."""
        chance, out = seeded(), io.StringIO()
        write = csv.DictWriter(out, FOCUS, restval="")
        write.writeheader()
        for day in chance.sample(range(31), 9):
            start = START + timedelta(days=day)
            write.writerow({
                "BilledCost": Decimal(chance.randrange(1, 10**9)).scaleb(-7), "BillingCurrency": "USD",
                "BillingPeriodStart": START.isoformat(), "BillingPeriodEnd": finance_month.END.isoformat(),
                "ChargeCategory": "Usage", "ChargePeriodStart": start.isoformat(),
                "ChargePeriodEnd": (start + timedelta(days=1)).isoformat(), "ConsumedQuantity": chance.randrange(10**6),
                "ConsumedUnit": "Tokens", "ProviderName": "OpenAI", "ServiceName": "API", "SkuMeter": "input tokens",
                "x_Model": chance.choice(("gpt-4o", "gpt-4o-mini")),
            })  # fmt: skip
        answer = client.post("/api/v1/bills", content=out.getvalue().encode(), headers=admin)
        assert answer.status_code == 201, answer.text
        return answer.json()["bills"][0]["id"]

    def test_each_day_and_model_is_billed_and_measured_alike_wherever_it_is_read(self, month, client, admin, ask, look):
        bill_id = self.bill(client, admin)
        told = ask(f"/bills/{bill_id}")
        page, file = look("/bills", bill=bill_id)
        of = ("billed", "measured", "difference")
        days = sorted(
            (row["day"], row["model"] or "", *(Decimal(row[name]) for name in of)) for row in told["differences"]
        )
        filed = sorted((row["day"], row["model"], *(Decimal(row[name]) for name in of)) for row in file)
        assert filed == days
        shown = sorted(tuple(cell.value for cell in row[2:5]) for row in headed(page, "Day"))
        assert shown == sorted(row[2:] for row in days)
        sums = [sum(row[n] for row in days) for n in (2, 3, 4)]
        assert sums[0] == Decimal(told["total"]) and sums[0] - sums[1] == sums[2]
        causes = headed(page, "Cause")
        assert sum(row[2].value for row in causes) == sums[2]


class TestBudgets:
    def test_each_stands_alike_wherever_it_is_read(self, month, ask, look):
        chance, now = seeded(), utc_now()
        tenants = [name for name in finance_month.MAPPED if name.isalpha() and name.isascii()]
        for name, scope, window in (
            ("daily", "tenant", "day"),
            ("all", "global", "month"),
            ("weekly", "global", "week"),
        ):
            limit = str(Decimal(chance.randrange(10, 9_999)).scaleb(-1))
            budgets.budget(name, scope=scope, window=window, limit=limit, begin=now - timedelta(days=40))
        for name in chance.sample(tenants, 4):
            budgets.spend(str(chance.randrange(1, 40)), at=now, tenant_id=budgets.known(name)[0])
        budgets.refresh(now)
        told = {item["name"]: item["foremost"] for item in ask("/budgets")["items"]}
        page, file = look("/budgets")
        amounts = ("spent", "limit")
        assert {row["name"]: [Decimal(row[name]) for name in amounts] for row in file} == {
            name: [Decimal(of[each]["amount"]) for each in amounts] for name, of in told.items()
        }
        assert {row["name"]: row["percent"] for row in file} == {name: of["percent"] for name, of in told.items()}
        shown = {row[0].name: [row[2].value, row[4].value] for row in headed(page, "Budget", "Who, and how long")}
        assert shown == {row["name"]: [Decimal(row[name]) for name in amounts] for row in file}
