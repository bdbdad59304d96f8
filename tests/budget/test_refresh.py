"""Windows follow what telemetry told: to the pico, once, whoever refreshes and whenever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from tests.support.budgets import BEGIN, NOW, budget, crossed, known, prices, rows, scenario, spend, spent, windows
from tests.support.calls import call, ingest

from trivet import db
from trivet.budget.models import SpendCounter
from trivet.budget.refresh import refresh, size_after
from trivet.ingest.models import SpendDelta
from trivet.ingest.request.fact import REJECTED
from trivet.kit.interval import Interval
from trivet.kit.money import PICO
from trivet.notify import alerts
from trivet.notify.alert_models import Alert
from trivet.notify.models import Message
from trivet.rollup import read
from trivet.rollup import tasks as rollup

pytestmark = pytest.mark.usefixtures("database")


class TestASpentWindow:
    def test_holds_what_was_told_however_often_it_is_refreshed(self):
        prices()
        all_ = budget()
        spend("1.25")
        spend("0.50")
        refresh(NOW)
        assert spent(all_) == Decimal("1.75")
        refresh(NOW)
        assert spent(all_) == Decimal("1.75")
        [window] = windows()
        assert (window.starts_at, window.ends_at) == (
            datetime(2026, 11, 21, tzinfo=UTC),
            datetime(2026, 11, 22, tzinfo=UTC),
        )
        assert (window.requests, window.unpriced, window.held) == (2, 0, 0)

    def test_stands_empty_before_anything_is_spent(self):
        budget()
        refresh(NOW)
        assert spent() == 0

    def test_begins_with_what_was_spent_before_its_budget_was_made(self):
        prices()
        spend("3")
        refresh(NOW)
        budget(begin=NOW)
        refresh(NOW)
        assert spent() == 3

    def test_holds_its_day_and_not_the_one_before(self):
        prices()
        spend("3", at=datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC))
        spend("1", at=datetime(2026, 11, 20, 23, 0, 0, tzinfo=UTC))
        budget(zone="Europe/Berlin")  # whose midnight is 23:00 UTC
        refresh(NOW)
        assert spent() == 1

    def test_of_yesterday_takes_what_comes_late(self):
        prices()
        budget()
        spend("3", at=NOW - timedelta(days=1))
        refresh(NOW - timedelta(days=1))
        refresh(NOW)
        spend("2", at=NOW - timedelta(days=1))
        refresh(NOW)
        assert [w.spent for w in windows()] == [5, 0]

    def test_counts_a_call_that_is_told_twice_once(self):
        prices()
        budget()
        told = call(NOW, input_tokens=400_000, trace_id=b"t" * 16, response_id="r")
        ingest(told, now=NOW)
        again = call(NOW, input_tokens=400_000, trace_id=b"t" * 16, response_id="r", parent_id=told.span_id)
        refresh(NOW)
        ingest(again, now=NOW)
        refresh(NOW)
        assert spent() == 1

    def test_takes_the_price_that_is_entered_later(self):
        budget()
        ingest(call(NOW, provider="house", model="own", input_tokens=1_000_000), now=NOW)
        refresh(NOW)
        [window] = windows()
        assert (window.spent, window.unpriced) == (0, 1)
        from tests.support.books import price

        from trivet.ingest.tasks import price_unpriced

        price("house", "own", input="7", output="0")
        price_unpriced(0)
        refresh(NOW)
        [window] = windows()
        assert (window.spent, window.unpriced) == (7, 0)

    def test_counts_tokens_and_requests_where_these_are_its_measure(self):
        prices()
        tokens = budget("tokens", measure="tokens", limit="1000")
        requests = budget("requests", measure="requests", limit="10")
        ingest(
            call(NOW, input_tokens=5, output_tokens=7, cache_read_tokens=11),
            call(NOW, outcome=REJECTED),
            now=NOW,
        )
        refresh(NOW)
        assert (spent(tokens), spent(requests)) == (23, 1)  # what admission rejected was no request


class TestWhose:
    def test_each_tenant_has_its_own_window(self):
        prices()
        acme, bolt = known("acme", "bolt")
        each = budget(scope="tenant")
        spend("1")
        spend("2", tenant="bolt")
        refresh(NOW)
        assert {w.subject_id: w.spent for w in windows(each)} == {acme: 1, bolt: 2}

    def test_one_tenant_one_scenario_one_key(self):
        prices()
        known("acme", "bolt")
        scenario("search")
        tenant = budget("t", scope="tenant", subject="acme")
        search = budget("s", scope="scenario", subject="search")
        keys = budget("k", scope="key")
        spend("1", key_id=7)
        spend("2", tenant="bolt", scenario="search", key_id=8)
        refresh(NOW)
        assert (spent(tenant), spent(search)) == (1, 2)
        assert {w.subject_id: w.spent for w in windows(keys)} == {7: 1, 8: 2}

    def test_a_cost_centre_has_what_its_tenants_spend_and_those_below_it(self):
        from tests.support.books import tenants

        from trivet.tenant.models import CostCentre, CostCentreParent

        prices()
        tenants(acme="CC-7", bolt="CC-9")
        with db.transaction() as session:
            seven, nine = session.scalars(select(CostCentre.id).order_by(CostCentre.name))
        top = budget(scope="cost_centre", subject="CC-7")
        spend("1")
        spend("2", tenant="bolt")
        spend("4", tenant="crow")
        refresh(NOW)
        assert spent(top) == 1
        with db.transaction() as session:
            session.add(CostCentreParent(cost_centre_id=nine, parent_id=seven, effective_from=BEGIN))
        refresh(NOW)
        assert spent(top) == 3

    def test_two_users_of_one_name_are_two_where_two_tenants_serve_them(self):
        prices()
        known("acme", "bolt")
        users = budget(scope="end_user")
        anna = budget("anna", scope="end_user", subject="anna", tenant="acme")
        spend("1", end_user="anna")
        spend("2", end_user="ben")
        spend("4", end_user="anna", tenant="bolt")
        spend("8")  # names nobody
        refresh(NOW)
        assert sorted(w.spent for w in windows(users)) == [1, 2, 4]
        assert spent(anna) == 1


class TestOtherCurrencies:
    def test_are_converted_by_the_rate_of_their_day_or_shown_as_a_gap(self):
        from datetime import date

        from tests.support.books import DAY

        from trivet.pricing import exchange
        from trivet.pricing import service as pricing
        from trivet.pricing.rate import canonical

        prices()
        with db.transaction() as session:
            pricing.add_price(
                session, provider="mistral", model="m", pool="", effective_from=DAY - timedelta(days=30), currency="EUR",
                rates=canonical({"input": "1", "output": "0"}), actor="finance",
            )  # fmt: skip
        budget()
        spend("1")
        ingest(call(NOW, provider="mistral", model="m", input_tokens=3_000_000), now=NOW)
        refresh(NOW)
        [window] = windows()
        assert (window.spent, window.gaps) == (1, {"EUR": "3.000000000000"})
        with db.transaction() as session:
            exchange.add_rate(
                session, from_currency="EUR", to_currency="USD", effective_from=date(2026, 11, 1), rate=Decimal("1.10"),
                source="ecb", actor="finance",
            )  # fmt: skip
        refresh(NOW)
        [window] = windows()
        assert (window.spent, window.gaps) == (Decimal("4.30"), {})
        spend("1")
        refresh(NOW)
        assert spent() == Decimal("5.30")


class TestLines:
    def test_tell_once_and_name_the_highest_where_several_are_crossed_at_once(self):
        prices()
        budget(owners=("ole@example.com",))
        spend("5")
        refresh(NOW)
        assert crossed() == [50]
        spend("4.2")
        refresh(NOW)
        refresh(NOW)
        assert crossed() == [50, 80, 90]
        messages = rows(Message)
        assert [m.subject for m in messages] == [
            "Budget all: everyone is past 50 %: 5.00 USD of 10.00 USD",
            "Budget all: everyone is past 90 %: 9.20 USD of 10.00 USD",
        ]
        assert "80 % passed in the same moment" in messages[1].text

    def test_a_hard_one_is_an_alert_until_its_window_ends(self):
        prices()
        budget(hard=True, action="refuse")
        spend("10")
        refresh(NOW)
        refresh(NOW)
        (alert,) = rows(Alert)
        assert alert.labels == {"alertname": "TrivetBudget", "kind": "budget", "budget": "all", "subject": "everyone"}
        assert (alert.severity, alert.annotations["done"]) == ("ticket", "reservations beyond it are refused")
        assert "10.00 USD" in alert.annotations["why"]
        with db.transaction() as session:
            assert alerts.end_those_due(session, alert.ends_at - timedelta(seconds=1)) == 0
            assert alerts.end_those_due(session, alert.ends_at) == 1

    def test_are_told_again_in_the_next_window(self):
        prices()
        budget()
        spend("5")
        refresh(NOW)
        spend("5", at=NOW + timedelta(days=1))
        refresh(NOW + timedelta(days=1))
        assert crossed() == [50, 50]

    def test_are_not_lost_where_the_refresh_that_crossed_them_fails(self, monkeypatch):
        from trivet.budget import crossing

        prices()
        budget()
        spend("5")
        real = crossing.judge

        def fails(*given):
            real(*given)
            raise RuntimeError("the process died here")

        monkeypatch.setattr("trivet.budget.refresh.crossing.judge", fails)
        with pytest.raises(RuntimeError):
            refresh(NOW)
        monkeypatch.undo()
        assert windows() == []
        db.forget_rows()  # as a process that starts again
        refresh(NOW)
        assert (spent(), crossed()) == (5, [50])

    def test_of_a_new_limit_are_lines_of_their_own(self):
        prices()
        budget()
        spend("8")
        refresh(NOW)
        budget(limit="16", begin=NOW)
        refresh(NOW)
        assert crossed() == [50, 80, 50]
        [window] = windows()
        assert window.limit == 16

    def test_say_at_least_where_something_has_no_price(self):
        prices()
        budget(owners=("ole@example.com",))
        ingest(call(NOW, provider="house", model="own", input_tokens=1), now=NOW)
        spend("5")
        refresh(NOW)
        [message] = rows(Message)
        assert "The figure is at least this" in message.text


class TestSizeOfARound:
    def test_falls_where_reservations_waited_long_and_rises_else(self):
        assert [size_after(2_000, 0.3), size_after(150, 9.0), size_after(250, 0.1), size_after(1_500, 0.1)] == [
            1_000, 100, 500, 2_000,
        ]  # fmt: skip

    def test_leaves_the_rest_to_the_next(self):
        prices()
        budget()
        for _ in range(3):
            spend("1")
        assert [refresh(NOW, 2).more, spent(), refresh(NOW, 2).more, spent()] == [True, 2, False, 3]


class TestAtOnce:
    def test_two_refreshers_tell_each_line_once_and_count_each_delta_once(self):
        prices()
        budget(owners=("ole@example.com",))
        for _ in range(9):
            spend("1")
        gate = threading.Barrier(4)

        def one(_):
            gate.wait()
            return refresh(NOW).folded

        with ThreadPoolExecutor(4) as pool:
            folded = sum(pool.map(one, range(4)))
        assert (folded, spent(), crossed()) == (9, 9, [50, 80, 90])
        assert len(rows(Message)) == 1

    def test_who_finds_another_at_work_leaves_at_once(self):
        prices()
        budget()
        spend("1")
        with db.transaction() as session:
            session.execute(text("LOCK TABLE spend_counter IN EXCLUSIVE MODE"))
            assert refresh(NOW).folded == 0
        assert refresh(NOW).folded == 1

    def test_twenty_four_writers_and_a_refresher_come_to_the_same_pico_as_the_rollups(self):
        prices()
        known("acme")
        all_ = budget("all", limit="1000000")
        each = budget("each", scope="tenant", limit="1000000")
        users = budget("users", scope="end_user", limit="1000000")
        stop = threading.Event()

        def write(n):
            for i in range(5):
                tokens = {"input_tokens": 100_003 + n * 7 + i, "output_tokens": n * i}
                user = {"end_user": f"u{n % 3}"} if n % 2 else {}
                ingest(call(NOW + timedelta(seconds=n * i), tenant=f"t{n % 5}", **tokens, **user), now=NOW)

        def keep_refreshing():
            while not stop.is_set():
                refresh(NOW)

        with ThreadPoolExecutor(25) as pool:
            refreshing = pool.submit(keep_refreshing)
            list(pool.map(write, range(24)))
            stop.set()
            refreshing.result()
        refresh(NOW)
        rollup.fold()
        day = Interval(datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))
        with db.transaction() as session:
            by_tenant = {t: cost for (t, _), cost in read.cost(session, day, ["tenant_id", "currency"]).items()}
            assert session.scalar(select(func.count()).select_from(SpendDelta)) == 0
        worked_out = sum(
            Decimal(100_003 + n * 7 + i) * Decimal("0.0000025") + Decimal(n * i) * Decimal("0.00001")
            for n in range(24)
            for i in range(5)
        )
        assert spent(all_) == worked_out
        assert sum(by_tenant.values()) == worked_out
        assert {w.subject_id: w.spent for w in windows(each)} == by_tenant
        odd = sum(
            Decimal(100_003 + n * 7 + i) * Decimal("0.0000025") + Decimal(n * i) * Decimal("0.00001")
            for n in range(1, 24, 2)
            for i in range(5)
        )
        assert sum(w.spent for w in windows(users)) == odd
        assert all(w.spent == w.spent.quantize(PICO) for w in windows())
        with db.transaction() as session:  # counters say the same as windows
            total = session.scalar(select(func.sum(SpendCounter.cost)).where(SpendCounter.kind == 0))
        assert total == worked_out
