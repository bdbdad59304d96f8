"""The pages of periods and of cost centres: what they say, and what a person can do on them."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.support import books
from tests.support.months import NOON, ask, close, post, ready

from trivet import db
from trivet.console.money import periods_found
from trivet.console.money import periods_words as words
from trivet.console.money.periods_strip import draw
from trivet.console.tongue import speaking
from trivet.identity.models import Audit
from trivet.ledger import periods, shared_service
from trivet.ledger.period_checks import Found
from trivet.ledger.shared_service import Share, Split
from trivet.tenant import centres, service
from trivet.tenant.models import Tenant

CLOSED = words.Closed("2026-10", datetime(2026, 11, 3, 9, tzinfo=UTC), "Mia Lind", {"USD": Decimal("12345.671")})


def sentence(page):
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1]


def token(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


class TestTheSentence:
    def test_says_who_closed_what_at_how_much_and_what_is_open(self):
        adjusted = words.Closed(CLOSED.month, CLOSED.at, CLOSED.by, CLOSED.totals, 3, {"USD": Decimal("1.20")})
        assert words.sentence(adjusted, ["2026-11"], {}, UTC) == (
            "October 2026 was closed on 3 Nov by Mia Lind at 12,345.67 USD; November is open; 3 adjustments of 1.20 USD "
            "name October."
        )

    def test_says_who_waits_for_a_second_person(self):
        assert words.sentence(CLOSED, ["2026-11", "2026-12"], {"2026-11": "Robin"}, UTC) == (
            "October 2026 was closed on 3 Nov by Mia Lind at 12,345.67 USD; Robin asked to close November, and a second "
            "person has to agree; December is open."
        )

    def test_without_any_close_says_so(self):
        assert words.sentence(None, ["2026-10", "2026-11"], {}, UTC) == (
            "No month is closed yet; October and November are open."
        )

    def test_previews_say_what_will_be_for_good(self):
        assert words.request_preview("2026-10", {"USD": Decimal(12), "EUR": Decimal(3)}) == (
            "You ask to close October 2026, which stands at 3.00 EUR and 12.00 USD. A second person closes it; until then "
            "it still takes postings."
        )
        assert words.close_preview("2026-12", "2027-01", {}) == (
            "December 2026 closes at nothing and stays closed. What comes late is booked in January as an adjustment that "
            "names it."
        )

    @pytest.mark.parametrize(
        ("facts", "says"),
        [
            ((0, 0, 0), "No cost centre has been made and no tenant met yet."),
            ((0, 0, 1), "There is no cost centre yet, so what 1 tenant cost shows as unattributed."),
            ((1, 2, 0), "1 cost centre bears the cost of 2 tenants; every tenant has one."),
            (
                (3, 1, 2),
                "3 cost centres bear the cost of 1 tenant; 2 tenants have none, and what they cost shows as unattributed.",
            ),
        ],
    )
    def test_of_cost_centres_says_how_complete_the_mapping_is(self, facts, says):
        assert words.centres(*facts) == says

    def test_rules_are_said_in_one_line(self):
        assert words.rule("fixed", "", [("CC-7", "60"), ("acme", "40")]) == "60 % CC-7, 40 % acme"
        assert words.rule("even", "", [("CC-7", "0"), ("acme", "0")]) == "evenly: CC-7, acme"
        assert words.rule("proportional", "month", []) == "by usage of the month: everybody"


AT = datetime(2026, 12, 1, tzinfo=UTC)
FOUND = [
    (Found("month_not_over", "", facts={"month": "2026-11", "end": AT}), "November 2026 is not over: it ends on 1 Dec 00:00, and late usage has its grace."),
    (Found("hours_not_posted", "", facts={"until": None}), "Not every hour is posted: nothing has been posted yet. The posting task goes on every 30 s."),
    (Found("hours_not_posted", "", facts={"until": AT}), "Not every hour is posted: posted up to 1 Dec 00:00. The posting task goes on every 30 s."),
    (Found("hours_due", "", facts={"n": 1}), "1 hour changed and is due to be posted anew: ask again in a minute."),
    (Found("hours_due", "", facts={"n": 1200}), "1,200 hours changed and are due to be posted anew: ask again in a minute."),
    (Found("usage_not_folded", ""), "Usage that came in just now is not counted yet: ask again in a minute."),
    (Found("earlier_open", "", facts={"month": "2026-09"}), "September 2026 is still open: close it first."),
    (Found("unattributed", "", facts={"amount": Decimal(5), "currency": "USD", "share": "2.0"}), "5.00 USD, 2.0 % of the total, is of tenants without a cost centre."),
    (Found("unpriced", "", facts={"n": 1, "more": False}), "1 request has no price, so it is in no total until one is entered."),
    (Found("unpriced", "", facts={"n": 100_000, "more": True}), "100,000 requests or more have no price, so they are in no total until one is entered."),
    (Found("bill_variance", "", facts={"amount": Decimal(-3), "currency": "EUR"}), "Bills differ from what was measured by −3.00 EUR."),
    (Found("bill_unposted", "", facts={"provider": "OpenAI", "first": date(2026, 10, 1), "after": date(2026, 11, 1), "amount": Decimal("7.5"), "currency": "USD"}), "OpenAI's bill of October 2026, 7.50 USD, is not posted: post it, or replace it."),
]  # fmt: skip


class TestWhatStandsInTheWay:
    @pytest.mark.parametrize(("found", "says"), FOUND, ids=[found.name for found, _ in FOUND])
    def test_is_said_by_the_page_in_both_languages(self, found, says):
        assert periods_found.detail(found, UTC) == says
        with speaking("zh"):
            told = periods_found.name(found) + periods_found.detail(found, UTC)
        assert re.findall("[a-z]{4,}", told) == []

    def test_that_the_page_does_not_know_is_said_in_the_checks_own_words(self):
        found = Found("moon_is_full", "Wait until it is not.")
        assert (periods_found.name(found), periods_found.detail(found, UTC)) == (
            "moon is full",
            "Wait until it is not.",
        )


class TestTheStrip:
    def test_bars_start_at_zero_and_keep_their_proportion(self):
        strip = draw([("2026-09", "closed", Decimal(50)), ("2026-10", "open", Decimal(100))], "USD")
        assert [(bar.height, bar.y, bar.label, bar.state) for bar in strip.bars] == [
            (52.0, 72.0, "Sep 2026", "closed"),
            (104.0, 20.0, "Oct", "open"),
        ]
        assert (strip.width, strip.height) == (160, 148)
        assert strip.says == "Sep 2026 closed, 50.00 USD; Oct open, 100.00 USD"

    def test_the_newest_twelve_are_drawn_and_a_month_of_nothing_has_a_line(self):
        months = [(f"2026-{n:02d}", "closed", Decimal(0)) for n in range(1, 13)] + [("2027-01", "open", Decimal(0))]
        strip = draw(months, "USD")
        assert [bar.label for bar in strip.bars][0::11] == ["Feb 2026", "Jan 2027"]
        assert {bar.height for bar in strip.bars} == {2.0}


class TestPeriods:
    def test_one_asks_and_a_second_person_closes(self, sign_in, client):
        ready()
        page = sign_in("finance").get("/periods?month=2026-10")
        assert "No month is closed yet; October" in sentence(page)
        assert "You ask to close October 2026, which stands at 12.50 USD." in page.text
        form = {"csrf_token": token(page), "reason": "All bills are in."}
        asked = client.post("/periods/2026-10/request-close", data=form)
        assert "Finance asked to close October, and a second person has to agree" in sentence(asked)
        assert "You asked for it" in asked.text
        assert 'action="/periods/2026-10/close"' not in asked.text
        alone = client.post("/periods/2026-10/close", data=form)
        assert (alone.status_code, "closing takes a second person" in alone.text) == (409, True)
        page = sign_in("admin").get("/periods?month=2026-10")
        assert "October 2026 closes at 12.50 USD and stays closed." in page.text
        done = client.post("/periods/2026-10/close", data={"csrf_token": token(page)})
        assert "October 2026 was closed on" in sentence(done)
        assert "by Admin at 12.50 USD" in sentence(done)
        assert "It is closed and stays closed" in done.text
        with db.transaction() as session:
            assert periods.state(session, "2026-10") == "closed"
            who = session.scalars(select(Audit.actor).where(Audit.subject == "period:2026-10").order_by(Audit.id)).all()
        assert who == ["finance@example.com", "admin@example.com"]

    def test_a_closed_month_is_solid_and_what_names_it_stands_in_a_table(self, sign_in):
        ready()
        ask()
        close()
        post("13.70")
        page = sign_in("viewer").get("/periods?month=2026-10")
        assert page.text.count('class="bar__posted"') == 1
        assert page.text.count('class="bar__provisional"') >= 1
        assert "; 1 adjustment of 1.20 USD names October." in sentence(page)
        assert '<data value="1.200000000000">1.200000000000</data>' in page.text
        assert "/request-close" not in page.text

    def test_what_stands_in_the_way_is_listed_with_where_to_go(self, sign_in):
        post("1", NOON.replace(month=9))
        ready()
        client = sign_in("finance")
        page = client.get("/periods?month=2026-10")
        assert "September 2026 is still open: close it first." in page.text
        assert 'href="/periods?month=2026-09"' in page.text
        assert "/request-close" not in page.text
        form = {"csrf_token": token(client.get("/periods?month=2026-09")), "reason": "All bills are in."}
        refused = client.post("/periods/2026-10/request-close", data=form, headers={"Accept-Language": "zh"})
        assert refused.status_code == 409
        assert "2026 年 10 月还不能关账。" in refused.text and "2026 年 9 月仍未关账：请先将其关账。" in refused.text

    def test_without_a_month_it_shows_the_one_to_close_next(self, sign_in):
        ready()
        assert "<h2>October 2026</h2>" in sign_in("viewer").get("/periods").text

    def test_with_nothing_booked_it_teaches(self, sign_in):
        page = sign_in("viewer").get("/periods")
        assert "No month is closed yet" in sentence(page)
        assert "/api/v1/periods/" in page.text

    def test_a_reason_is_asked_for_and_a_request_can_be_taken_back(self, sign_in, client):
        ready()
        page = sign_in("finance").get("/periods?month=2026-10")
        refused = client.post("/periods/2026-10/request-close", data={"csrf_token": token(page), "reason": " "})
        assert (refused.status_code, "Say why" in refused.text) == (422, True)
        form = {"csrf_token": token(page), "reason": "x"}
        client.post("/periods/2026-10/request-close", data=form)
        back = client.post("/periods/2026-10/cancel", data=form)
        assert "No month is closed yet; October" in sentence(back)

    def test_only_finance_and_admin_close_and_only_with_their_own_form(self, sign_in, client):
        ready()
        page = sign_in("finance").get("/periods?month=2026-10")
        assert client.post("/periods/2026-10/request-close", data={"csrf_token": "x", "reason": "x"}).status_code == 403
        assert client.get("/periods?month=x").status_code == 422
        assert (
            client.post("/periods/2026-99/cancel", data={"csrf_token": token(page), "reason": "x"}).status_code == 422
        )
        page = sign_in("viewer").get("/periods?month=2026-10")
        form = {"csrf_token": token(page), "reason": "x"}
        assert client.post("/periods/2026-10/request-close", data=form).status_code == 403
        assert "Finance and admin close months" in page.text


@pytest.fixture
def company(database):
    with db.transaction() as session:
        centres.create(session, name="Group", actor="t", code="4711", owners=["cfo@example.com"])
        centres.create(session, name="Sales & Co", parent="Group", actor="t")
        service.register(session, name="acme", cost_centre="Sales & Co", effective_from=None, actor="t", now=NOON)
        db.named_ids(session, Tenant, ["crow", "<dove>"])


@pytest.mark.usefixtures("company")
class TestCostCentres:
    def test_the_tree_says_whom_each_is_charged_for_and_who_has_none(self, sign_in):
        page = sign_in("viewer").get("/cost-centres")
        assert "2 cost centres bear the cost of 1 tenant; 2 tenants have none" in sentence(page)
        assert re.search(r"&emsp;.*Sales &amp; Co.*Group.*acme", page.text, re.DOTALL)
        assert "cfo@example.com" in page.text
        assert "&lt;dove&gt;" in page.text
        assert "/cost-centres/map" not in page.text

    def test_a_tenant_is_mapped_by_who_may(self, sign_in, client):
        page = sign_in("finance").get("/cost-centres")
        form = {"csrf_token": token(page), "tenant": "crow", "cost_centre": "Group"}
        assert "bear the cost of 2 tenants; 1 tenant has none" in sentence(client.post("/cost-centres/map", data=form))
        refused = client.post("/cost-centres/map", data=form | {"cost_centre": "Nowhere"})
        assert (refused.status_code, "There is no cost centre Nowhere" in refused.text) == (404, True)
        assert client.post("/cost-centres/map", data=form | {"csrf_token": "x"}).status_code == 403
        page = sign_in("viewer").get("/cost-centres")
        assert client.post("/cost-centres/map", data=form | {"csrf_token": token(page)}).status_code == 403

    def test_a_file_is_shown_first_and_then_taken(self, sign_in, client):
        page = sign_in("finance").get("/cost-centres")
        form = {"csrf_token": token(page), "text": "tenant,cost_centre\ncrow,Group\neagle,Group\n"}
        shown = client.post("/cost-centres/upload", data=form)
        assert "<p>crow: to Group, for all its usage</p>" in shown.text
        assert "<p>eagle: to Group, for all its usage (never met in spans)</p>" in shown.text
        assert "the cost of 1 tenant;" in sentence(shown)
        taken = client.post("/cost-centres/upload", data=form | {"act": "take"})
        assert "the cost of 3 tenants;" in sentence(taken)
        refused = client.post("/cost-centres/upload", data=form | {"text": "tenant,cost_centre\ncrow,Grupo\n"})
        assert (refused.status_code, "row 2: There is no cost centre Grupo" in refused.text) == (422, True)

    def test_one_is_made_beneath_another(self, sign_in, client):
        page = sign_in("finance").get("/cost-centres")
        form = {"csrf_token": token(page), "name": "EMEA", "parent": "Sales & Co"}
        assert "Group / Sales &amp; Co" in client.post("/cost-centres/new", data=form).text
        assert client.post("/cost-centres/new", data=form).status_code == 409
        assert client.post("/cost-centres/new", data=form | {"name": " "}).status_code == 422

    def test_shared_costs_stand_in_words(self, sign_in):
        now = books.NINE
        with db.transaction() as session:
            shared_service.add(
                session, name="support", recurs="monthly", start=books.DAY, end=None, amount=Decimal(1000), currency="USD",
                split=Split("fixed", (Share("Group", percent=Decimal("62.50")), Share(tenant="acme", percent=Decimal(30)))),
                note="contract", actor="t", now=now,
            )  # fmt: skip
        page = sign_in("viewer").get("/cost-centres")
        assert "62.5 % Group, 30 % acme" in page.text
        assert "each month" in page.text


def test_an_empty_house_is_taught_how_to_begin(sign_in):
    page = sign_in("finance").get("/cost-centres")
    assert sentence(page) == "No cost centre has been made and no tenant met yet."
    assert page.text.count("/api/v1/") >= 3
