"""Each promise is seen to hold, and is seen to be broken when it is."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.budget.reserve import support as reservations
from tests.support import books, budgets

from trivet import db
from trivet.invariant import budgets_add_up, entries_balance, service, tasks
from trivet.invariant.finding import EVERY_S
from trivet.invariant.rollup_equals_requests import check_hour
from trivet.kit.interval import Interval
from trivet.tenant import service as tenant

pytestmark = pytest.mark.usefixtures("database")
NOW = books.EIGHT + timedelta(minutes=5)


def broken():
    return {promise: finding.detail for promise, finding in service.check_all(NOW).items() if not finding.holds}


def force(*statements):
    """Change rows past the rules that protect them, as a fault would."""
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            session.execute(text(statement))


@pytest.fixture
def worked():
    books.company()
    books.a_morning()
    books.post()


@pytest.mark.usefixtures("worked")
class TestPromises:
    def test_hold_after_a_morning_of_work(self):
        assert broken() == {}

    def test_a_posting_that_does_not_balance_is_found(self):
        force("UPDATE entry SET amount = amount + 1e-12 WHERE account = 'idle'")
        assert broken() == {
            "entries_balance": "posting 2 sums to 1E-12 USD",
            "balances_equal_entries": "2026-11-20: a balance of idle says 4.000000000000 USD, its entries 4.000000000001",
            "centres_equal_entries": "2026-11-20: a cost centre's idle says 4.000000000000 USD, its entries 4.000000000001",
        }

    def test_an_old_posting_that_does_not_balance_is_found_when_its_turn_comes(self, monkeypatch):
        """A run looks at some of them, whatever the ledger has grown to."""
        monkeypatch.setattr(entries_balance, "POSTINGS", 1)
        force("UPDATE entry SET amount = amount + 1e-12 WHERE posting_id = 1 AND line = 0")
        with db.transaction() as session:
            newest = session.scalar(text("SELECT max(id) FROM posting"))
            runs = [entries_balance.check(session, NOW + timedelta(seconds=EVERY_S * n)) for n in range(newest + 1)]
        assert newest > 1
        assert [run.detail for run in runs if not run.holds] == ["posting 1 sums to 1E-12 USD"]

    def test_a_ledger_whose_balances_do_not_sum_to_zero_is_found(self):
        force("UPDATE balance_period SET amount = amount + 1e-12 WHERE account = 'idle'")
        assert broken() == {"entries_balance": "the ledger sums to 1E-12 USD"}

    def test_a_balance_that_its_entries_do_not_make_is_found(self):
        force("UPDATE balance_day SET amount = amount - 1e-12 WHERE account = 'supply.capacity'")
        said = "a balance of supply.capacity says -6.000000000001 USD, its entries -6.000000000000"
        assert broken() == {"balances_equal_entries": f"2026-11-20: {said}"}

    def test_a_balance_by_cost_centre_that_its_entries_do_not_make_is_found(self):
        force("UPDATE balance_centre SET amount = amount + 1e-12 WHERE account = 'idle'")
        said = "a cost centre's idle says 4.000000000001 USD, its entries 4.000000000000"
        assert broken() == {"centres_equal_entries": f"2026-11-20: {said}"}

    def test_entries_without_a_balance_are_found(self):
        force("DELETE FROM balance_day")
        assert list(broken()) == ["balances_equal_entries"]

    def test_capacity_posted_at_another_cost_than_its_terms_say_is_found(self):
        force("UPDATE pool_term SET gpus = 3, created_at = '2026-11-01'", "DELETE FROM outbox")
        said = "its terms say 9.000000000000, posted is 6.000000000000"
        assert broken() == {"capacity_equals_terms": f"2026-11-20T07:00Z, pool 1, USD: {said}"}

    def test_a_changed_term_that_the_ledger_was_asked_to_look_at_is_no_fault(self):
        books.pool(gpus=3, start=books.clock("07:30"))
        assert broken() == {}
        force("DELETE FROM outbox")
        assert broken() == {}, "the message is gone, the task has not run yet"

    def test_power_is_held_against_what_was_known_when_it_was_posted(self):
        force("UPDATE pool_term SET power_price_per_kwh = 1, created_at = '2026-11-01'", "DELETE FROM outbox")
        assert broken() == {}

    @pytest.mark.parametrize("table", ["rollup_10s", "rollup_1m", "rollup_1h"])
    def test_a_rollup_that_says_something_else_is_found(self, table):
        force(f"UPDATE {table} SET cost = cost + 1e-12 WHERE tenant_id = 1")
        with db.transaction() as session:
            finding = check_hour(session, Interval(books.SEVEN, books.EIGHT))
        assert not finding.holds
        assert "2026-11-20T07:00Z" in finding.detail

    def test_a_request_that_vanished_is_found(self):
        force("DELETE FROM request WHERE tenant_id = 1")
        assert list(broken()) == ["rollup_equals_requests"]

    def test_an_audit_row_that_was_changed_is_found(self):
        force("UPDATE audit SET actor = 'someone else' WHERE id = 2")
        assert broken() == {"audit_chain": "row 2 does not fit"}

    def test_unfolded_usage_is_no_fault(self):
        books.ingest(books.metered("acme", "07:31", input_tokens=5))
        assert broken() == {}


class TestBudgets:
    @pytest.fixture(autouse=True)
    def spent(self):
        budgets.prices()
        budgets.budget("each", scope="tenant", limit="10")
        budgets.spend("4")
        budgets.refresh(budgets.NOW)
        reservations.one(reservations.hold("2"), now=budgets.NOW)

    def found(self):
        with db.transaction() as session:
            return budgets_add_up.check(session, budgets.NOW)

    def test_hold_what_reservations_hold_and_spent_what_was_counted(self):
        assert (self.found().holds, self.found().detail) == (True, "what is held; budget each, 1 windows")

    def test_that_hold_more_than_their_reservations_are_found(self):
        force("UPDATE budget_window SET held = held + 1e-12")
        said = "budget window 1 says 2.000000000001 is held, its reservations 2.000000000000"
        assert self.found().detail == said

    def test_that_lost_a_pico_of_what_was_spent_are_found(self):
        force("UPDATE budget_window SET own = own - 1e-12, spent = spent - 1e-12")
        said = "3.999999999999 of 1 requests, counted are 4.000000000000 of 1"
        assert self.found().detail == f"budget each, window 1: {said}"


class TestFindings:
    def test_are_served_and_scraped(self, client, admin):
        with db.transaction() as session:
            tenant.create_cost_centre(session, name="CC-1", actor="t")
        force("UPDATE audit SET actor = 'someone else' WHERE id = 1")
        assert tasks.check() == 1
        items = client.get("/api/v1/invariants", headers=admin).json()["items"]
        found = {i["promise"]: i["holds"] for i in items}
        assert found == {promise: promise != "audit_chain" for promise in service.PROMISES}
        assert {"entries_balance", "balances_equal_entries", "capacity_equals_terms"} < found.keys()
        scraped = client.get("/metrics").text
        assert 'trivet_invariant_holds{promise="audit_chain"} 0.0' in scraped
        assert 'trivet_invariant_holds{promise="entries_balance"} 1.0' in scraped
