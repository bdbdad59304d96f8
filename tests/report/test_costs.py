"""What was spent, in the figures of the worked example (tests/ledger/test_worked_example.py)."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support import books

from trivet import db
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.ledger import shared_service
from trivet.ledger.shared_service import Share, Split
from trivet.report.costs import halves
from trivet.report.export import export
from trivet.tenant import service

SEVEN_TO_EIGHT = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.EIGHT)}


def dollars(amount):
    whole, _, rest = amount.partition(".")
    return {"amount": f"{whole}.{rest:0<12}", "currency": "USD"}


@pytest.fixture
def ask(client, admin):
    def costs(headers=admin, status=200, **params):
        answer = client.get("/api/v1/costs", params=SEVEN_TO_EIGHT | params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return costs


@pytest.fixture
def morning(client):
    books.company()
    books.a_morning()


def by(answer, *names):
    return {tuple(i[n] for n in names): (i["amount"], i["list_amount"], i["provisional"]) for i in answer["items"]}


NOTHING = "0.000000000000"


@pytest.mark.usefixtures("morning")
class TestPosted:
    def test_items_idle_and_total_tie_to_what_supply_cost(self, ask):
        books.post()
        answer = ask(group_by="cost_centre,tenant")
        assert by(answer, "cost_centre", "tenant") == {
            ("CC-7", "acme"): ("4.166666666667", "6.500000000000", NOTHING),
            ("CC-9", "bolt"): ("1.666666666667", "4.000000000000", NOTHING),
            ("unattributed", "crow"): ("1.666666666666", "4.100000000000", NOTHING),
        }
        assert answer["idle"] == dollars("4")
        assert answer["unattributed"] == dollars("1.666666666666")
        assert answer["total"] == dollars("11.5")  # 5.50 metered and 6.00 of capacity
        assert answer["as_of"] == "2026-11-20T08:00:00Z"

    def test_a_late_request_moves_shares_and_not_the_total(self, ask):
        books.post()
        books.a_late_request()
        books.post()
        answer = ask(group_by="tenant")
        assert by(answer, "tenant") == {
            ("acme",): ("4.400000000000", "6.500000000000", NOTHING),
            ("bolt",): ("2.200000000000", "5.000000000000", NOTHING),
            ("crow",): ("1.900000000000", "4.100000000000", NOTHING),
        }
        assert (answer["idle"], answer["total"]) == (dollars("3"), dollars("11.5"))

    def test_usage_basis_is_standard_cost_without_idle(self, ask):
        books.post()
        answer = ask(group_by="tenant", basis="usage")
        assert [i["amount"] for i in answer["items"]] == ["6.500000000000", "4.000000000000", "4.100000000000"]
        assert (answer["idle"], answer["total"]) == (dollars("0"), dollars("14.6"))

    def test_by_model_and_pool(self, ask):
        books.post()
        assert by(ask(group_by="provider,model,pool"), "provider", "model", "pool") == {
            ("house", "small", "h100"): ("2.000000000000", "9.100000000000", NOTHING),
            ("openai", "gpt-4o", "none"): ("5.500000000000", "5.500000000000", NOTHING),
        }

    def test_a_filter_on_somebody_leaves_idle_out(self, ask):
        books.post()
        answer = ask(group_by="tenant", tenant=["acme", "bolt"])
        assert [i["tenant"] for i in answer["items"]] == ["acme", "bolt"]
        assert (answer["idle"], answer["total"]) == (dollars("0"), dollars("5.833333333334"))
        assert ask(tenant="unattributed")["idle"] == dollars("0")
        assert ask(pool="h100")["idle"] == dollars("4")
        assert ask(tenant="nobody")["items"] == []

    def test_buckets_are_hours_or_days(self, ask):
        books.post(books.NINE + timedelta(minutes=2))
        hours = ask(group_by="", grain="1h", to=rfc3339(books.NINE))
        assert [(i["bucket"], i["amount"]) for i in hours["items"]] == [("2026-11-20T07:00:00Z", "7.500000000000")]
        assert hours["idle"] == dollars("10")
        days = ask(group_by="", grain="1d", **{"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"})
        assert [(i["bucket"], i["amount"]) for i in days["items"]] == [("2026-11-20T00:00:00Z", "7.500000000000")]

    def test_pages_keep_their_totals(self, ask):
        books.post()
        first = ask(group_by="tenant", limit=2)
        second = ask(group_by="tenant", limit=2, cursor=first["next_cursor"])
        assert [i["tenant"] for i in first["items"] + second["items"]] == ["acme", "bolt", "crow"]
        assert second["next_cursor"] is None
        assert first["total"] == second["total"] == dollars("11.5")

    def test_a_bound_key_sees_its_own_costs_and_no_idle(self, ask, make_key):
        books.post()
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        answer = ask(headers=own, group_by="tenant")
        assert by(answer, "tenant") == {("bolt",): ("1.666666666667", "4.000000000000", NOTHING)}
        assert (answer["idle"], answer["total"]) == (dollars("0"), dollars("1.666666666667"))
        assert ask(headers=own, group_by="tenant", tenant="acme")["items"] == []


class TestWhatACostCentreBearsItself:
    @pytest.fixture(autouse=True)
    def support(self, morning):
        """24.00 of the day: of each hour CC-7 bears 0.75 itself and bolt, on CC-9, 0.25."""
        whole = (Share("CC-7", percent=Decimal(75)), Share(tenant="bolt", percent=Decimal(25)))
        with db.transaction() as session:
            shared_service.add(
                session, name="support", recurs="once", start=books.DAY, end=books.DAY + timedelta(days=1),
                amount=Decimal(24), currency="USD", split=Split("fixed", whole), note="", actor="t", now=books.DAY,
            )  # fmt: skip
        books.post()

    def test_is_no_tenants_and_not_unattributed(self, ask):
        answer = ask(group_by="cost_centre,tenant,account")
        assert [i["amount"] for i in answer["items"] if i["account"] == "shared"] == [
            "0.750000000000",
            "0.250000000000",
        ]
        assert [(i["cost_centre"], i["tenant"]) for i in answer["items"] if i["account"] == "shared"] == [
            ("CC-7", "no tenant"), ("CC-9", "bolt"),
        ]  # fmt: skip
        assert answer["unattributed"] == dollars("1.666666666666")  # crow's alone
        assert [i["tenant"] for i in ask(group_by="tenant")["items"]] == ["acme", "bolt", "crow", "no tenant"]

    def test_and_is_found_by_that_name_alone_or_beside_others(self, ask):
        assert ask(tenant="no tenant")["total"] == dollars("0.75")
        assert ask(tenant=["no tenant", "crow"], group_by="")["total"] == dollars("2.416666666666")
        assert ask(tenant="unattributed")["total"] == dollars("0")
        day = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}  # whole days are told from balances
        assert ask(tenant="no tenant", **day)["total"] == dollars("6")


@pytest.mark.usefixtures("morning")
class TestOpenHours:
    def test_before_the_first_posting_all_is_provisional_at_standard_cost(self, ask):
        answer = ask(group_by="cost_centre")
        assert by(answer, "cost_centre") == {
            ("CC-7",): ("6.500000000000",) * 3,
            ("CC-9",): ("4.000000000000",) * 3,
            ("unattributed",): ("4.100000000000",) * 3,
        }
        assert answer["provisional"] == answer["total"] == dollars("14.6")

    def test_postings_then_the_open_hour(self, ask):
        books.post()
        books.ingest(books.metered("acme", "08:30", input_tokens=1_000_000))
        answer = ask(group_by="cost_centre", to="2026-11-20T08:30:10Z")
        assert by(answer, "cost_centre")["CC-7",] == ("6.666666666667", "9.000000000000", "2.500000000000")
        assert answer["provisional"] == dollars("2.5")
        assert answer["total"] == dollars("14")

    def test_who_is_charged_follows_the_mapping_of_the_hour(self, ask):
        books.post()
        books.ingest(books.metered("crow", "08:30", input_tokens=1_000_000))
        with db.transaction() as session:
            service.register(
                session, name="crow", cost_centre="CC-3", effective_from=books.EIGHT, actor="t", now=books.EIGHT
            )
        found = by(ask(group_by="cost_centre,tenant", to=rfc3339(books.NINE)), "cost_centre", "tenant")
        assert found["unattributed", "crow"][0] == "1.666666666666"
        assert found["CC-3", "crow"][0] == "2.500000000000"


class TestAnInterval:
    def at(self, hour, minute=0):
        return books.DAY + timedelta(hours=hour, minutes=minute)

    def test_splits_where_postings_end(self):
        assert halves(Interval(self.at(5), self.at(9, 30)), self.at(8)) == (
            Interval(self.at(5), self.at(8)),
            Interval(self.at(8), self.at(9, 30)),
        )

    def test_may_lie_on_one_side(self):
        assert halves(Interval(self.at(5), self.at(7)), self.at(8)) == (Interval(self.at(5), self.at(7)), None)
        assert halves(Interval(self.at(8, 1), self.at(9)), self.at(8)) == (None, Interval(self.at(8, 1), self.at(9)))

    @pytest.mark.parametrize(("start", "end"), [((5, 1), (9, 0)), ((5, 0), (7, 59))])
    def test_that_cuts_a_posted_hour_is_refused(self, start, end):
        with pytest.raises(Invalid, match="whole hours"):
            halves(Interval(self.at(*start), self.at(*end)), self.at(8))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"from": "2026-11-20T07:00:00"},
            {"from": "2026-11-20T08:00:00Z"},
            {"to": "soon"},
            {"group_by": "level"},
            {"group_by": "tenant,tenant"},
            {"basis": "guess"},
            {"grain": "1m"},
            {"tenants": "acme"},
            {"limit": 0},
            {"cursor": "nonsense"},
        ],
    )
    def test_or_a_question_that_makes_no_sense_is_refused(self, ask, wrong):
        assert ask(status=422, **wrong)["status"] == 422

    def test_without_any_cost_is_empty_and_says_so(self, ask):
        answer = ask()
        assert (answer["items"], answer["total"], answer["by_currency"]) == ([], dollars("0"), [])


@pytest.mark.usefixtures("morning")
def test_the_export_has_the_figures_of_the_api_and_a_row_for_idle():
    books.post()
    out = io.StringIO()
    assert export("costs", Interval(books.SEVEN, books.EIGHT), "cost_centre,tenant", out) == 4
    assert out.getvalue().splitlines() == [
        "cost_centre,tenant,amount,list_amount,provisional,currency",
        "CC-7,acme,4.166666666667,6.500000000000,0.000000000000,USD",
        "CC-9,bolt,1.666666666667,4.000000000000,0.000000000000,USD",
        "unattributed,crow,1.666666666666,4.100000000000,0.000000000000,USD",
        "idle,idle,4.000000000000,0.000000000000,0.000000000000,USD",
    ]


def test_two_currencies_are_never_added(ask):
    books.company()
    books.a_morning()
    books.pool("a100", gpus=1, per_hour="4", currency="EUR")
    books.post()
    answer = ask()
    assert answer["total"] is None
    assert [(each["total"], each["idle"]["amount"]) for each in answer["by_currency"]] == [
        ({"amount": "4.000000000000", "currency": "EUR"}, "4.000000000000"),
        (dollars("11.5"), "4.000000000000"),
    ]
