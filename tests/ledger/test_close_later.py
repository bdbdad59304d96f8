"""What comes after a close is an adjustment that names the month; closing over REST; a crash in the middle of posting."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from tests.support import books
from tests.support.bound import bound_headers
from tests.support.months import GRACE_S, NOON, as_of, ask, close, post, posted_until, ready

from trivet import db
from trivet.identity import service as identity
from trivet.ingest import tasks as ingesting
from trivet.invariant import closed_periods_stand
from trivet.ledger import book, month, periods, reading, service
from trivet.ledger.models import HourDue, Posting
from trivet.tenant.models import Tenant

pytestmark = pytest.mark.usefixtures("database")
DECEMBER = datetime(2026, 12, 2, tzinfo=UTC)


class TestAfterTheClose:
    """A real hour of November; the figures are those of test_worked_example.py. Booked in December, it names November."""

    def closed(self, *, with_pool=False):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.tenants(acme="CC-7", bolt="CC-9")
        if with_pool:
            books.pool()
        books.ingest(books.metered("acme", "07:05", input_tokens=1_000_000, output_tokens=100_000))
        books.ingest(books.metered("crow", "07:59", input_tokens=200_000, output_tokens=50_000))
        books.rollup.fold()
        books.post()
        posted_until(month.bounds("2026-11").end)
        ask("2026-11", now=DECEMBER)
        return close("2026-11", now=DECEMBER)

    def lines(self):
        """{(adjusts, account, tenant): amount} of what is booked in December."""
        with db.transaction() as session:
            found = session.execute(
                text("""SELECT adjusts, account, tenant.name, sum(amount) FROM entry JOIN posting ON posting.id = posting_id
                        LEFT JOIN tenant ON tenant.id = tenant_id
                        WHERE period = '2026-12' GROUP BY 1, 2, 3 HAVING sum(amount) <> 0""")
            )
            return {tuple(row[:-1]): row[-1] for row in found}

    def test_late_usage_is_an_adjustment(self):
        assert self.closed().totals == {"USD": "4.500000000000"}
        books.ingest(books.metered("bolt", "07:30", input_tokens=400_000))
        books.rollup.fold()
        books.post(DECEMBER)
        assert self.lines() == {
            ("2026-11", "cost_centre", "bolt"): Decimal("1.00"),
            ("2026-11", "supply.metered", None): Decimal("-1.00"),
        }
        assert as_of("2026-11") == {"USD": Decimal("4.50")}
        assert as_of("2026-12") == {"USD": Decimal("5.50")}

    def test_a_mapping_that_reaches_back_is_an_adjustment_that_adds_up_to_nothing(self):
        self.closed()
        books.tenants(crow="CC-3")
        with db.transaction() as session:
            crow = session.scalar(select(Tenant.id).where(Tenant.name == "crow"))
            service.tenant_changed(session, crow, books.DAY - timedelta(days=30))
        books.post(DECEMBER)
        assert self.lines() == {
            ("2026-11", "cost_centre", "crow"): Decimal("1.00"),
            ("2026-11", "unattributed", "crow"): Decimal("-1.00"),
        }

    def test_a_price_that_was_entered_late_is_an_adjustment(self):
        self.closed()
        books.ingest(books.call(books.clock("07:40"), tenant="acme", provider="x", model="new", input_tokens=1_000_000))
        books.rollup.fold()
        books.post(DECEMBER)
        assert self.lines() == {}
        books.price("x", "new", input="3", output="3")
        ingesting.price_unpriced()
        books.rollup.fold()
        books.post(DECEMBER)
        assert self.lines()["2026-11", "cost_centre", "acme"] == Decimal("3.00")

    def test_capacity_that_was_dearer_than_thought_is_an_adjustment(self):
        self.closed(with_pool=True)
        books.pool(per_hour="4", start=books.SEVEN + timedelta(minutes=30))
        with db.transaction() as session:
            book.alone(session)
            service.post_hour(session, books.SEVEN)
        assert self.lines() == {
            ("2026-11", "idle", None): Decimal("1.00"),
            ("2026-11", "supply.capacity", None): Decimal("-1.00"),
        }


class TestOverRest:
    @pytest.fixture
    def key(self, make_key):
        def make(name, scopes=("admin",)):
            with db.transaction() as session:
                made = identity.create_key(
                    session, name=name, scopes=list(scopes), tenant=None, actor=f"{name}@example.com"
                )
                return {"Authorization": f"Bearer {made.secret}"}

        return make

    def test_one_asks_another_closes_and_everybody_can_read_it(self, client, key):
        ready()
        post("2.50", NOON + timedelta(hours=1), tenant=3, centre=0)
        ann, bob = key("ann"), key("bob")
        asked = client.post("/api/v1/periods/2026-10/request-close", headers=ann, json={"reason": "All bills are in."})
        assert (asked.status_code, asked.json()["state"]) == (200, "closing")
        assert asked.json()["warnings"] == [
            {
                "name": "unattributed",
                "detail": "2.500000000000 USD, 16.7 % of the total, is of tenants without a cost centre.",
            }
        ]
        alone = client.post("/api/v1/periods/2026-10/close", headers=ann)
        assert (alone.status_code, alone.json()["type"]) == (409, "urn:trivet:problem:same-person")
        done = client.post("/api/v1/periods/2026-10/close", headers=bob)
        assert (done.status_code, done.json()["closed_by"]) == (200, "key:bob")
        post("13.70")
        one = client.get("/api/v1/periods/2026-10", headers=key("cat", ["read"])).json()
        assert one["totals"] == [{"amount": "15.000000000000", "currency": "USD"}]
        assert one["adjustments_out"] == [
            {"period": "2026-11", "adjusts": "2026-10", "postings": 1, "amount": "1.200000000000", "currency": "USD"}
        ]
        assert client.get("/api/v1/periods/2026-11", headers=ann).json()["adjustments_in"] == one["adjustments_out"]

    def test_the_list_goes_back_page_by_page(self, client, admin):
        for back in range(3):
            post("1", NOON - timedelta(days=31 * back))
        first = client.get("/api/v1/periods?limit=2", headers=admin).json()
        rest = client.get(f"/api/v1/periods?limit=2&cursor={first['next_cursor']}", headers=admin).json()
        found = [item["month"] for item in first["items"] + rest["items"]]
        assert found == sorted(found, reverse=True)
        assert found[-3:] == ["2026-10", "2026-09", "2026-08"]

    def test_what_stands_in_the_way_is_named(self, client, admin):
        post("1")
        refused = client.post("/api/v1/periods/2026-10/request-close", headers=admin, json={"reason": "now"})
        assert refused.status_code == 409
        assert [each["field"] for each in refused.json()["errors"]] == ["hours_not_posted"]
        told = client.get("/api/v1/periods/2026-10", headers=admin).json()
        assert [each["name"] for each in told["obstacles"]] == ["hours_not_posted"]

    def test_what_is_no_month_is_refused(self, client, admin):
        for of in ("2026-13", "26-10", "2026-1", "x", "1999-12"):
            assert (client.get(f"/api/v1/periods/{of}", headers=admin).status_code, of) == (422, of)

    def test_closing_is_for_finance_and_reading_for_the_platform(self, client, make_key, key):
        steps = [f"/api/v1/periods/2026-10/{step}" for step in ("request-close", "close", "cancel")]
        for headers in (key("ro", ["read"]), bound_headers(make_key, "finance")):
            assert {client.post(step, headers=headers, json={"reason": "x"}).status_code for step in steps[::2]} == {
                403
            }
            assert client.post(steps[1], headers=headers).status_code == 403
        assert client.get("/api/v1/periods", headers=bound_headers(make_key, "read")).status_code == 403


class TestThePromise:
    def test_a_closed_month_is_checked_against_its_hash_its_totals_and_its_days(self):
        ready()
        ask()
        close()
        post("13.70")
        posted_until(month.bounds("2026-11").end)
        ask("2026-11", now=DECEMBER)
        close("2026-11", now=DECEMBER)
        with db.transaction() as session:
            assert closed_periods_stand.check(session, DECEMBER).holds
            assert [closed_periods_stand.check_month(session, of).holds for of in periods.closed(session)] == [
                True,
                True,
            ]
        for table, says in (("balance_period", "differs by"), ("balance_day", "have not the hash")):
            with db.transaction() as session:
                session.execute(
                    text(f"UPDATE {table} SET amount = amount + 1 WHERE period = '2026-10' AND account = 'cost_centre'")
                )
                found = closed_periods_stand.check_month(session, "2026-10")
                assert (found.holds, says in found.detail) == (False, True)

    def test_without_a_close_there_is_nothing_to_break(self):
        with db.transaction() as session:
            assert closed_periods_stand.check(session, DECEMBER).detail == "no month is closed"


def post_and_die():
    with db.transaction() as session:
        assert service.post_due(session, books.EIGHT + timedelta(minutes=2), GRACE_S) == 1
        own = session.scalar(text("SELECT pg_backend_pid()"))
        with db.transaction() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        session.execute(text("SELECT 1"))


def test_a_crash_between_post_and_commit_leaves_nothing_and_the_next_run_posts_once():
    books.company()
    books.a_morning()
    with pytest.raises(DBAPIError):
        post_and_die()
    with db.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Posting)) == 0
        assert session.scalar(text("SELECT count(*) FROM balance_day")) == 0
        assert session.scalar(text("SELECT count(*) FROM balance_period")) == 0
        assert session.scalar(select(func.count()).select_from(HourDue)) == 1
    assert books.post() == 1
    with db.transaction() as session:
        found, count = reading.posted(session, "metered", "metered", books.SEVEN)
        assert (sum(found.values()), count) == (0, 1)
