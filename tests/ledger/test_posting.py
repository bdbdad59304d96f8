"""The pure core: entries that balance, whatever the hour was like."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.support.seeded import seeded

from trivet.fleet.capacity import Term, stretches
from trivet.kit.interval import Interval
from trivet.ledger.posting import (
    Line,
    PoolHour,
    UnbalancedError,
    User,
    checked,
    judged,
    metered_entries,
    pool_entries,
    to_post,
)

HOUR = datetime(2026, 11, 20, 7, tzinfo=UTC)
ONE = Interval(HOUR, HOUR + timedelta(hours=1))
ACME, BOLT = User(1, 1, 1), User(2, 1, 1)


def minute(n):
    return HOUR + timedelta(minutes=n)


def capacity(*terms):
    return stretches([Term(minute(m), gpus, Decimal(price), cur) for m, gpus, price, cur in terms], ONE)


SIX = capacity((0, 2, "3", "USD"))


def of(entries, account, tenant=None):
    return sum(
        (a for line, a in entries.items() if line.account == account and tenant in {None, line.tenant_id}), Decimal(0)
    )


class TestMetered:
    def test_costs_of_one_cost_centre_stay_apart_by_tenant_and_model(self):
        costs = {(ACME, 0, "USD"): Decimal(1), (User(1, 1, 2), 0, "USD"): Decimal(2), (BOLT, 0, "USD"): Decimal(4)}
        entries = metered_entries(costs, {1: 7, 2: 7})
        assert {(line.tenant_id, line.model_id): a for line, a in entries.items() if line.account == "cost_centre"} == {
            (1, 1): Decimal(1),
            (1, 2): Decimal(2),
            (2, 1): Decimal(4),
        }
        assert {line.model_id: a for line, a in entries.items() if line.account == "supply.metered"} == {
            1: Decimal(-5),
            2: Decimal(-2),
        }

    def test_each_currency_balances_by_itself(self):
        entries = metered_entries({(ACME, 0, "USD"): Decimal(1), (ACME, 0, "EUR"): Decimal(2)}, {})
        assert {(line.account, line.currency): a for line, a in entries.items()} == {
            ("unattributed", "USD"): Decimal(1),
            ("supply.metered", "USD"): Decimal(-1),
            ("unattributed", "EUR"): Decimal(2),
            ("supply.metered", "EUR"): Decimal(-2),
        }


class TestPool:
    def test_without_any_use_all_is_idle(self):
        entries = pool_entries(PoolHour(9, SIX), {})
        assert (of(entries, "idle"), of(entries, "supply.capacity")) == (Decimal(6), Decimal(-6))

    def test_busy_all_hour_leaves_no_idle(self):
        hour = PoolHour(9, SIX, [(minute(0), minute(60))], {ACME: Decimal(5)}, {ACME: 1})
        entries = pool_entries(hour, {1: 7})
        assert (of(entries, "idle"), of(entries, "variance")) == (Decimal(0), Decimal(6))

    def test_requests_without_countable_work_share_by_their_number(self):
        hour = PoolHour(9, SIX, [(minute(0), minute(30))], {ACME: Decimal(0), BOLT: Decimal(0)}, {ACME: 2, BOLT: 1})
        entries = pool_entries(hour, {})
        assert (of(entries, "variance", 1), of(entries, "variance", 2)) == (Decimal(2), Decimal(1))

    def test_where_a_price_changes_idle_and_busy_time_cost_what_they_cost_then(self):
        # 30 min at 2/h, all busy, then 30 min at 10/h, none: used 1, idle 5
        parts = capacity((0, 1, "2", "USD"), (30, 1, "10", "USD"))
        entries = pool_entries(PoolHour(9, parts, [(minute(0), minute(30))], {ACME: Decimal(1)}, {ACME: 1}), {})
        assert (of(entries, "variance"), of(entries, "idle")) == (Decimal(1), Decimal(5))

    def test_what_ran_before_the_pool_had_capacity_is_not_busy_time(self):
        hour = PoolHour(9, capacity((30, 2, "3", "USD")), [(minute(0), minute(45))], {ACME: Decimal(1)}, {ACME: 1})
        assert judged(hour).splits[0].us["used"] == 15 * 60 * 10**6
        assert (of(pool_entries(hour, {}), "variance"), of(pool_entries(hour, {}), "idle")) == (
            Decimal("1.5"),
            Decimal("1.5"),
        )

    def test_a_standard_rate_in_another_currency_is_taken_back_in_that_currency(self):
        hour = PoolHour(9, SIX, [(minute(0), minute(60))], {ACME: Decimal(1)}, {ACME: 1}, {(ACME, "EUR"): Decimal(3)})
        by = {(line.account, line.currency): a for line, a in pool_entries(hour, {1: 7}).items() if a}
        assert by == {
            ("cost_centre", "EUR"): Decimal(3),
            ("variance", "EUR"): Decimal(-3),
            ("variance", "USD"): Decimal(6),
            ("supply.capacity", "USD"): Decimal(-6),
        }


class TestCorrections:
    line = Line("idle", 0, 0, 0, 0, 1, "USD")
    supply = Line("supply.capacity", 0, 0, 0, 0, 1, "USD")

    def test_what_stands_already_is_not_posted_again(self):
        target = {self.line: Decimal(1), self.supply: Decimal(-1)}
        assert to_post(target, {}) == target
        assert to_post(target, target) == {}

    def test_what_should_not_stand_is_taken_back(self):
        assert to_post({}, {self.line: Decimal(1), self.supply: Decimal(-1)}) == {
            self.line: Decimal(-1),
            self.supply: Decimal(1),
        }

    def test_entries_that_do_not_balance_are_never_posted(self):
        with pytest.raises(UnbalancedError, match="USD"):
            to_post({self.line: Decimal("0.000000000001")}, {})


def some_hour(rng):
    users = [User(rng.randrange(4), rng.randrange(2), rng.randrange(3)) for _ in range(rng.randrange(6))]
    cuts = sorted(rng.sample(range(3600), rng.randrange(0, 8, 2)))
    busy = [
        (HOUR + timedelta(seconds=a), HOUR + timedelta(seconds=b)) for a, b in zip(cuts[::2], cuts[1::2], strict=True)
    ]
    terms = [(rng.randrange(-60, 60), rng.randrange(9), str(rng.randrange(10**6)), rng.choice(["USD", "EUR"]))]
    terms += [(rng.randrange(60), rng.randrange(1, 9), "0.333333333333", "USD")]
    standard = {(u, rng.choice(["USD", "EUR"])): Decimal(rng.randrange(10**14)).scaleb(-12) for u in users}
    work = {u: Decimal(rng.randrange(3) * rng.randrange(10**9)) for u in users}
    return PoolHour(5, capacity(*terms), busy, work, dict.fromkeys(users, 1), standard)


def test_every_hour_balances_and_charges_exactly_the_capacity():
    rng = seeded()
    for _ in range(400):
        hour = some_hour(rng)
        centres = {tenant: tenant + 10 for tenant in range(1, rng.randrange(1, 5))}
        entries = pool_entries(hour, centres)
        for currency in ("USD", "EUR"):
            own = {line: a for line, a in entries.items() if line.currency == currency}
            assert sum(own.values()) == 0
            borne = sum(a for line, a in own.items() if not line.account.startswith("supply"))
            assert borne == -of(own, "supply.capacity")
            assert of(own, "idle") >= 0


def test_any_path_of_corrections_ends_where_one_posting_would():
    rng = seeded()
    for _ in range(100):
        posted = {}
        for _ in range(5):
            target = pool_entries(some_hour(rng), {1: 11})
            for line, amount in to_post(target, posted).items():
                posted[line] = posted.get(line, Decimal(0)) + amount
        assert {line: a for line, a in posted.items() if a} == {line: a for line, a in target.items() if a}
        assert to_post(target, posted) == {}
        assert checked(posted) is posted
