"""Days that stand out: judged against their own weekday, explained by what drove them, kept once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, insert, select
from tests.support import books
from tests.support.calls import call, ingest

from trivet import db
from trivet.db import named_ids
from trivet.ledger import book
from trivet.ledger.book import Source
from trivet.ledger.models import PostedHour
from trivet.ledger.posting import Line
from trivet.pricing.models import Model
from trivet.report import anomalies, anomaly, tasks
from trivet.report.anomaly import Driver, Part
from trivet.report.models import Anomaly
from trivet.rollup import tasks as rollup
from trivet.tenant.models import Scenario, Tenant

FRIDAY = date(2026, 11, 20)
ONE = Decimal(1)


def days(**amounts):
    """`days(d1="10")`: what the day so many days before Friday cost."""
    return {FRIDAY - timedelta(days=int(name[1:])): Decimal(amount) for name, amount in amounts.items()}


def fridays(*amounts):
    return {FRIDAY - timedelta(days=7 * n): Decimal(amount) for n, amount in enumerate(amounts)}


class TestADay:
    def test_is_held_against_the_same_days_of_the_week(self):
        """Median of 10 10 12 10 8 is 10, of the distances 0 0 2 0 2 it is 0, so that 5 % of 10 counts: 30 / 0.5 = 60."""
        found = anomaly.odd(FRIDAY, fridays("40", "10", "10", "12", "10", "8"), ONE)
        assert (found.expected, found.excess, found.score) == (10, 30, 60)
        assert found.compared == tuple(FRIDAY - timedelta(days=7 * n) for n in range(1, 6))

    def test_that_varies_as_its_days_do_is_none(self):
        assert anomaly.odd(FRIDAY, fridays("40", "10", "40", "20", "60", "15"), ONE) is None

    def test_that_cost_nothing_where_others_cost_is_one_too(self):
        found = anomaly.odd(FRIDAY, fridays("0", "10", "10", "10", "10"), ONE)
        assert (found.excess, found.score) == (-10, Decimal(-20))

    def test_is_held_against_the_last_fortnight_where_weeks_are_few(self):
        daily = days(d0="40", **{f"d{n}": "10" for n in range(1, 9)})
        assert len(anomaly.odd(FRIDAY, daily, ONE).compared) == 8

    def test_is_not_judged_in_a_tenants_first_week(self):
        assert anomaly.odd(FRIDAY, days(d0="40", d1="1", d2="1", d3="1"), ONE) is None

    @pytest.mark.parametrize(("amount", "least"), [("12", "1"), ("40", "31")])
    def test_that_is_off_by_little_is_none(self, amount, least):
        assert anomaly.odd(FRIDAY, fridays(amount, "10", "10", "10", "10"), Decimal(least)) is None


class TestWhatDroveIt:
    def part(self, amount, work, **kinds):
        return Part(Decimal(amount), Decimal(work), kinds)

    def test_a_price_that_doubled(self):
        key = ("chat", "gpt-4o", "none")
        found = anomaly.drivers({key: self.part("20", 10, input=100)}, {key: self.part("40", 40, input=400)}, days=4)
        assert found[0] == Driver("price", "price", Decimal("10.000000000000"))

    def test_a_model_that_was_used_more_and_the_kind_of_its_tokens(self):
        big, small = ("chat", "big", "none"), ("chat", "small", "none")
        found = anomaly.drivers(
            {big: self.part("30", 30, output=300), small: self.part("5", 5, input=50)},
            {big: self.part("10", 10, output=100), small: self.part("5", 5, input=50)},
            days=1,
        )
        assert [(d.by, d.name, d.amount) for d in found if d.amount] == [
            ("model", "big", Decimal(20)),
            ("scenario", "chat", Decimal(20)),
            ("kind", "output", Decimal(20)),
        ]


@pytest.fixture
def fortnight(client):
    """acme's fourteen days at 2.50 and a Friday at 25.00, of calls with one model, posted as they were used."""
    books.price("openai", "gpt-4o", input="2.50", output="10")
    start = datetime(2026, 11, 6, tzinfo=UTC)
    ingest(*(call(start + timedelta(days=n, hours=9), tenant="acme", scenario="chat", provider="openai", model="gpt-4o",
                  input_tokens=10_000_000 if n == 14 else 1_000_000) for n in range(15)))  # fmt: skip
    rollup.fold()
    with db.transaction() as session:
        book.alone(session)
        tenant = named_ids(session, Tenant, ["acme"])["acme"]
        scenario = named_ids(session, Scenario, ["chat"])["chat"]
        model = session.scalar(select(Model.id).where(Model.name == "gpt-4o"))
        for n in range(15):
            cost = Decimal(25 if n == 14 else "2.5")
            who = Line("unattributed", 0, tenant, scenario, model, 0, "USD")
            lines = {who: cost, Line("supply.metered", 0, 0, 0, model, 0, "USD"): -cost}
            book.post(session, Source("metered", "metered", "m"), start + timedelta(days=n, hours=9), lines, "Used.")
        session.execute(insert(PostedHour).values(id=1, posted_until=start + timedelta(days=15)))


NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def judge(now=NOW):
    with db.transaction() as session:
        return anomalies.judge(session, now, ONE)


def credit():
    """The bill of the one odd day takes its excess back."""
    with db.transaction() as session:
        book.alone(session)
        row = session.scalars(select(Anomaly)).one()
        who = Line("bill_variance", 0, row.tenant_id, 0, 0, 0, "USD")
        lines = {who: Decimal("-22.5"), Line("supply.bill", 0, 0, 0, 0, 0, "USD"): Decimal("22.5")}
        book.post(session, Source("bill", "credit", "m"), datetime(2026, 11, 20, 9, tzinfo=UTC), lines, "Credit.")


def told(client, headers, **params):
    answer = client.get("/api/v1/costs/anomalies", params={"to": "2026-11-21"} | params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.usefixtures("fortnight")
class TestKept:
    def test_once_with_what_drove_it_and_whose_it_is(self, client, admin, make_key):
        assert (judge(), judge(NOW + timedelta(hours=1))) == (1, 1)
        (item,) = told(client, admin)
        assert (item["day"], item["tenant"], item["currency"]) == ("2026-11-20", "acme", "USD")
        assert (item["amount"], item["expected"], item["excess"]) == (
            "25.000000000000",
            "2.500000000000",
            "22.500000000000",
        )
        assert [(d["by"], d["name"], d["amount"]) for d in item["drivers"]] == [
            ("model", "openai/gpt-4o", "22.500000000000"),
            ("scenario", "chat", "22.500000000000"),
            ("kind", "input", "22.500000000000"),
        ]
        other = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert told(client, other) == []
        assert told(client, admin, tenant="bolt") == []
        assert told(client, admin, to="2026-11-20") == []

    def test_until_later_postings_make_the_day_like_others(self, client, admin):
        judge()
        credit()
        assert judge(NOW + timedelta(hours=1)) == 0
        assert told(client, admin) == []
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Anomaly)) == 1

    def test_and_acknowledged_by_somebody_for_a_reason(self, client, admin):
        judge()
        (item,) = told(client, admin)
        path = f"/api/v1/costs/anomalies/2026-11-20/{item['tenant_id']}/USD/acknowledge"
        seen = client.post(path, json={"reason": "A migration."}, headers=admin)
        assert (seen.status_code, seen.json()["acknowledged_by"]) == (200, "key:test")
        assert told(client, admin)[0]["acknowledged_reason"] == "A migration."
        assert client.post(path, json={"reason": "Again."}, headers=admin).status_code == 409
        assert client.post(path.replace("20/", "19/"), json={"reason": "None."}, headers=admin).status_code == 404
        judge(NOW + timedelta(hours=1))
        assert told(client, admin)[0]["acknowledged_reason"] == "A migration."


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_days_that_no_calendar_of_ours_has_are_refused(client, admin, day):
    assert client.get("/api/v1/costs/anomalies", params={"to": day}, headers=admin).status_code == 422


@pytest.mark.usefixtures("fortnight")
def test_looked_for_once_days_are_posted_and_again_when_more_is_posted_for_them(monkeypatch):
    monkeypatch.setattr(tasks, "utc_now", lambda: NOW)
    assert (tasks.find(), tasks.find()) == (1, None)
    credit()
    assert (tasks.find(), tasks.find()) == (0, None)
