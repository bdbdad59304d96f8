"""Questions about money, in figures worked out beside them. The morning is that of tests/ledger/test_worked_example.py."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.report.files.conftest import close_november, late_request
from tests.support import books

from trivet import db
from trivet.budget.models import Budget, BudgetTerms
from trivet.fleet import service as fleet
from trivet.fleet.terms import Told
from trivet.kit.clock import rfc3339
from trivet.tenant import centres
from trivet.tenant.models import CostCentre

SEVEN_TO_EIGHT = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.EIGHT)}
MILLION = 1_000_000


@pytest.fixture
def ask(client, admin):
    def get(path, headers=admin, status=200, **params):
        answer = client.get(f"/api/v1{path}", params=SEVEN_TO_EIGHT | params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return get


@pytest.fixture
def morning(client):
    books.company()
    books.a_morning()
    books.post()


def pico(text):
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<12}"


@pytest.mark.usefixtures("morning")
class TestUnitCosts:
    def test_by_pool_a_request_a_million_tokens_and_a_gpu_hour(self, ask):
        """2.00 was used by 3 requests of 6.25 M tokens; two GPUs for an hour cost 6.00, so that an hour of one is 3.00."""
        h100, none = ask("/costs/unit", group_by="pool")["items"]
        assert (h100["pool"], h100["amount"], h100["requests"], h100["tokens"]) == ("h100", pico("2"), 3, 6_250_000)
        assert (h100["per_request"], h100["per_million_tokens"]) == ("0.666666666667", pico("0.32"))
        assert (h100["gpu_hours"], h100["per_gpu_hour"], h100["kwh_per_million_tokens"]) == (2.0, pico("3"), None)
        assert (none["pool"], none["gpu_hours"]) == ("none", None)

    def test_a_bound_key_is_told_nothing_of_whole_pools(self, ask, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        item = ask("/costs/unit", headers=bound, group_by="pool", pool="h100")["items"][0]
        assert (item["pool"], item["gpu_hours"], item["per_gpu_hour"]) == ("h100", None, None)

    def test_by_cost_centre_as_tenants_were_mapped(self, ask, make_key):
        items = ask("/costs/unit", group_by="cost_centre")["items"]
        assert [(i["cost_centre"], i["requests"], i["tokens"]) for i in items] == [
            ("CC-7", 2, 4_100_000),
            ("CC-9", 2, 1_900_000),
            ("unattributed", 2, 2_000_000),
        ]
        bound = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert [i["cost_centre"] for i in ask("/costs/unit", headers=bound, group_by="cost_centre")["items"]] == [
            "CC-9"
        ]

    def test_quadrants_put_each_where_its_medians_say(self, ask):
        (usd,) = ask("/costs/quadrants", of="tenant")["items"]
        assert (usd["median_tokens"], usd["median_per_million_tokens"]) == (2_000_000, "0.877192982456")
        assert [(p["name"], p["quadrant"]) for p in usd["points"]] == [
            ("acme", "high volume, high cost"),
            ("crow", "low volume, low cost"),
            ("bolt", "low volume, low cost"),
        ]

    def test_what_cannot_be_asked_is_refused(self, ask):
        assert ask("/costs/unit", status=422, group_by="purchase")["errors"][0]["field"] == "group_by"
        assert ask("/costs/quadrants", status=422, of="pool")
        assert (
            ask("/costs/why", status=422, against_from="2026-11-19T00:00:00Z")["errors"][0]["field"] == "against_from"
        )
        assert ask("/costs", status=422, compare="budget", group_by="model")["errors"][0]["field"] == "compare"
        assert ask("/costs", status=422, compare="previous", grain="1h")["errors"][0]["field"] == "compare"
        assert ask("/costs", status=422, as_of="October")["errors"][0]["field"] == "as_of"
        assert ask("/costs", status=409, as_of="2026-10")["type"].endswith("not-closed")


class TestTheFormula:
    def test_planned_and_actual_of_a_pool_with_a_load_test(self, client, ask):
        """Planned: 3.00 / (10 M × 0.6) = 0.50 a million work units. Actual: 6.00 for 6.25 M tokens = 0.96 a million; 9 M work
        units of the 20 M that two GPU hours could have done: 0.45 utilised, and 6.00 / 9 = 0.666… a million work units.
        """
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.price("house", "small", "h100", input="1", output="4", cache_read="0.1")
        with db.transaction() as session:
            fleet.add_pool_term(
                session, name="h100", gpu_type="H100", gpus=2, price_per_gpu_hour=Decimal(3), currency="USD",
                purchase="on_demand", effective_from=books.SEVEN, actor="finance", now=books.DAY,
                told=Told(load_test_tokens_per_gpu_hour=Decimal(10 * MILLION), planned_utilisation=Decimal("0.6")),
            )  # fmt: skip
        books.a_morning()
        books.post()
        (item,) = ask("/costs/formula")["items"]
        assert (item["pool"], item["currency"]) == ("h100", "USD")
        assert item["planned"] == {
            "price_per_gpu_hour": pico("3"),
            "load_test_tokens_per_gpu_hour": 10_000_000.0,
            "utilisation": 0.6,
            "per_million": pico("0.5"),
        }
        actual = item["actual"]
        assert (actual["capacity_cost"], actual["gpu_hours"], actual["tokens"]) == (pico("6"), 2.0, 6_250_000)
        assert (actual["work"], actual["utilisation"]) == (9_000_000.0, 0.45)
        assert (actual["per_million"], actual["per_million_work"]) == (pico("0.96"), "0.666666666667")
        assert ask("/costs/formula", pool="other")["items"] == []


@pytest.mark.usefixtures("morning")
class TestWhy:
    def test_the_parts_are_the_change_and_idle_is_the_wholes(self, ask):
        answer = ask("/costs/why", group_by="cost_centre")
        assert (answer["before"], answer["after"]) == (
            {"from": "2026-11-20T06:00:00Z", "to": "2026-11-20T07:00:00Z"},
            SEVEN_TO_EIGHT,
        )
        (whole,) = answer["whole"]
        assert (whole["before"], whole["change"]) == (pico("0"), pico("11.5"))
        assert (whole["parts"]["volume"], whole["parts"]["idle"]) == (pico("7.5"), pico("4"))
        assert [(i["cost_centre"], i["change"], i["parts"]["volume"]) for i in answer["items"]] == [
            ("CC-7", "4.166666666667", "4.166666666667"),
            ("CC-9", "1.666666666667", "1.666666666667"),
            ("unattributed", "1.666666666666", "1.666666666666"),
        ]

    def test_a_price_that_changed_and_a_pool_that_was_fuller(self, ask):
        """Eight to nine: acme's same million at twice the price, and on the pool the same work in a third of the hour.

        gpt-4o: 2.50 became 5.00 for 1 M input tokens: price. Nothing else of acme's ran.
        """
        books.price_from("openai", "gpt-4o", books.EIGHT, input="5", output="20")
        books.ingest(books.metered("acme", "08:05", input_tokens=MILLION, output_tokens=100_000))
        books.rollup.fold()
        books.post(books.NINE + timedelta(minutes=2))
        answer = ask(
            "/costs/why", group_by="tenant", tenant="acme", model="gpt-4o",
            **{"from": rfc3339(books.EIGHT), "to": rfc3339(books.NINE)},
        )  # fmt: skip
        (acme,) = answer["items"]
        assert (acme["before"], acme["after"]) == (pico("3.5"), pico("7"))
        assert {name: part for name, part in acme["parts"].items() if part != pico("0")} == {"price": pico("3.5")}


@pytest.mark.usefixtures("morning")
class TestBeside:
    def test_the_interval_before(self, ask):
        nine = {"from": rfc3339(books.EIGHT), "to": rfc3339(books.NINE)}
        books.post(books.NINE + timedelta(minutes=2))
        assert ask("/costs", group_by="", compare="previous", **nine)["items"] == []
        (row,) = ask("/costs", group_by="", compare="previous")["items"]
        assert (row["previous"], row["change"], row["change_share"]) == (pico("0"), pico("7.5"), None)

    def test_as_of_a_close_the_interval_before_is_as_of_it_too(self, ask):
        books.ingest(books.metered("bolt", "08:30", input_tokens=1_000_000))
        books.rollup.fold()
        books.post(books.NINE + timedelta(minutes=2))
        close_november()
        nine = {"from": rfc3339(books.EIGHT), "to": rfc3339(books.NINE), "group_by": "tenant", "compare": "previous"}
        (closed,) = ask("/costs", as_of="2026-11", **nine)["items"]
        assert closed["previous"] == "1.666666666667"
        late_request()
        assert ask("/costs", as_of="2026-11", **nine)["items"] == [closed]
        assert ask("/costs", **nine)["items"][0]["previous"] == pico("2.2")

    def test_a_bound_key_sees_no_budget_of_others(self, ask, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        for by in ("cost_centre", "scenario", ""):
            ask("/costs", status=422, headers=bound, group_by=by, compare="budget")
        assert ask("/costs", headers=bound, group_by="tenant", compare="budget")["items"][0]["budget"] is None

    def test_its_budget_by_the_share_of_its_window(self, ask):
        """240 a day is 10 an hour: 4.166666666667 of it used leaves 5.833333333333."""
        with db.transaction() as session:
            centre = session.scalar(select(CostCentre.id).where(CostCentre.name == "CC-7"))
            made = {
                "scope": "cost_centre",
                "subject_id": centre,
                "measure": "money",
                "currency": "USD",
                "window": "day",
            }
            budget = Budget(name="seven", zone="UTC", created_by="f", **made)
            session.add(budget)
            session.flush()
            for start, limit in ((books.DAY - timedelta(days=9), 99), (books.DAY, 240)):
                said = {"way_back": "next_window", "unknown_price": "open", "unreachable": "open", "reason": "Test."}
                terms = BudgetTerms(budget_id=budget.id, effective_from=start, limit=limit, author="f", **said)
                terms.lines, terms.owners, terms.hard, terms.action, terms.ended = [], [], False, "", False
                session.add(terms)
        rows = ask("/costs", group_by="cost_centre", compare="budget")["items"]
        assert [(r["cost_centre"], r["budget"], r["left"]) for r in rows] == [
            ("CC-7", pico("10"), "5.833333333333"),
            ("CC-9", None, None),
            ("unattributed", None, None),
        ]

    def test_a_cost_centre_stands_for_all_beneath_it(self, ask):
        with db.transaction() as session:
            centres.create(session, name="Sales", actor="f")
            for name in ("CC-7", "CC-9"):
                centres.move(session, name=name, parent="Sales", effective_from=books.DAY, actor="f", now=books.DAY)
        answer = ask("/costs", group_by="cost_centre", cost_centre="Sales")
        assert [row["cost_centre"] for row in answer["items"]] == ["CC-7", "CC-9"]
        top = ask("/costs", group_by="cost_centre", cost_centre_depth=1)["items"]
        assert [(row["cost_centre"], row["amount"]) for row in top] == [
            ("Sales", "5.833333333334"),
            ("unattributed", "1.666666666666"),
        ]


@pytest.mark.usefixtures("morning")
class TestValue:
    def tell(self, client, headers, status=201, **body):
        told = {"kind": "tenant", "name": "acme", "month": "2026-11", "amount": "100", "currency": "USD"} | body
        answer = client.post("/api/v1/business-values", json=told, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def test_is_held_against_cost_and_never_added_to_it(self, client, ask, admin):
        before = ask("/costs")["total"]
        self.tell(client, admin)
        self.tell(client, admin, amount="125")  # the newest holds
        self.tell(client, admin, kind="model", name="openai/gpt-4o", currency=None, unit="tickets", amount="11")
        month = {"month": "2026-11"}
        items = client.get("/api/v1/costs/value", params=month, headers=admin).json()["items"]
        assert [(i["kind"], i["name"], i["cost"]["amount"], i["ratio"], i["cost_per_unit"]) for i in items] == [
            ("tenant", "acme", "4.166666666667", 30.0, None),
            ("model", "openai/gpt-4o", pico("5.5"), None, pico("0.5")),
        ]
        assert ask("/costs")["total"] == before
        assert len(client.get("/api/v1/business-values", params=month, headers=admin).json()["items"]) == 2

    def test_comes_as_a_file_too_all_or_nothing(self, client, admin):
        heading, path = "kind,name,month,amount,currency,unit,note\n", "/api/v1/business-values/csv"
        as_csv = admin | {"Content-Type": "text/csv"}
        good = "tenant,acme,2026-11,5,USD,,\nscenario,chat,2026-11,7,,tickets,solved\n"
        bad = client.post(path, content=heading + good + "tenant,acme,November,5,USD,,\n", headers=as_csv)
        assert (bad.status_code, [e["field"] for e in bad.json()["errors"]]) == (422, ["row 4"])
        assert client.get("/api/v1/business-values", headers=admin).json()["items"] == []
        made = client.post(path, content=heading + good, headers=as_csv)
        assert [(i["kind"], i["name"], i["unit"]) for i in made.json()["items"]] == [
            ("tenant", "acme", ""),
            ("scenario", "chat", "tickets"),
        ]

    def test_of_nobody_or_of_nothing_is_refused(self, client, admin, make_key):
        assert self.tell(client, admin, 404, name="nobody")["errors"][0]["field"] == "name"
        assert self.tell(client, admin, 422, unit="tickets")["errors"][0]["field"] == "unit"
        assert self.tell(client, admin, 422, month="11/2026")["errors"][0]["field"] == "month"
        reader = {"Authorization": f"Bearer {make_key(['read'])}"}
        self.tell(client, reader, 403)
