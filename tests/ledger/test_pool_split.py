"""Used, headroom, idle and down of an hour, and what each cost; prefill and decode; who bears what nobody fills."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.support.seeded import seeded

from trivet.fleet.capacity import Term, stretches
from trivet.kit.interval import Interval
from trivet.ledger.pool_share import Phases, shares
from trivet.ledger.pool_states import Counters, Said
from trivet.ledger.posting import PoolHour, User, judged, pool_entries

START = datetime(2026, 11, 20, 7, tzinfo=UTC)
ONE = Interval(START, START + timedelta(hours=1))
ACME, ACME_2, BOLT, CROW = User(1, 1, 1), User(1, 1, 2), User(2, 1, 1), User(3, 1, 1)
HALF = [(START, START + timedelta(minutes=30))]


def minute(n):
    return START + timedelta(minutes=n)


def capacity(**more):
    """2 GPUs at 3.00: 6.00 an hour."""
    return stretches([Term(START, 2, Decimal(3), "USD", "reserved", **more)], ONE)


def hour(parts=None, busy=HALF, **more):
    given = {"work": {ACME: Decimal(3), BOLT: Decimal(1)}, "requests": {ACME: 1, BOLT: 1}} | more
    return PoolHour(9, capacity() if parts is None else parts, busy, **given)


def amounts(given):
    (own,) = judged(given).splits
    return {part: amount for part, amount in own.amounts.items() if amount}


def borne(given, account):
    """{(cost centre, tenant, model): amount} of an account."""
    found = pool_entries(given, {1: 7})
    return {
        (line.cost_centre_id, line.tenant_id, line.model_id): amount
        for line, amount in found.items()
        if line.account == account and amount
    }


class TestFill:
    def test_without_a_known_capacity_all_awake_time_is_used(self):
        assert amounts(hour()) == {"used": Decimal(3), "idle": Decimal(3)}

    def test_by_load_test_used_is_the_work_served_over_what_awake_time_could_serve(self):
        # 2 GPUs x 1,000 an hour: half an hour awake could serve 1,000; it served 600: 18 minutes used, 12 headroom
        parts = capacity(load_test_tokens_per_gpu_hour=Decimal(1000))
        own = hour(parts, work={ACME: Decimal(400), BOLT: Decimal(200)})
        assert amounts(own) == {"used": Decimal("1.8"), "headroom": Decimal("1.2"), "idle": Decimal(3)}
        assert judged(own).splits[0].us["used"] == 18 * 60 * 10**6

    def test_more_work_than_the_load_test_said_is_all_used(self):
        parts = capacity(load_test_tokens_per_gpu_hour=Decimal(10))
        assert amounts(hour(parts)) == {"used": Decimal(3) * 2 * 4 / 20, "headroom": Decimal("1.8"), "idle": Decimal(3)}
        assert amounts(hour(parts, work={ACME: Decimal(99)})) == {"used": Decimal(3), "idle": Decimal(3)}

    def test_by_counters_used_is_calls_running_over_the_cap(self):
        # all hour awake, 4 of 16 calls: a quarter
        said = {minute(0) + timedelta(seconds=s): Said(Decimal(4)) for s in range(0, 3600, 10)}
        own = hour(capacity(max_concurrency=16), counters=Counters({1: said}))
        assert amounts(own) == {"used": Decimal("1.5"), "headroom": Decimal("4.5")}

    def test_by_spans_used_is_the_time_of_all_requests_over_the_cap(self):
        # 40 minutes of requests in half an hour, cap 4: 10 minutes
        own = hour(capacity(max_concurrency=4), request_us=40 * 60 * 10**6)
        assert amounts(own) == {"used": Decimal(1), "headroom": Decimal(2), "idle": Decimal(3)}

    def test_provisioned_throughput_is_filled_by_its_work_units(self):
        term = Term(
            START,
            0,
            None,
            "USD",
            "provisioned",
            units=2,
            price_per_unit_hour=Decimal(5),
            work_per_unit_hour=Decimal(10),
        )
        own = hour(stretches([term], ONE), busy=[(START, ONE.end)])
        assert amounts(own) == {"used": Decimal(2), "headroom": Decimal(8)}


class TestDown:
    def test_silent_engines_cost_what_they_cost_apart(self):
        own = hour(counters=Counters({}, heard_before=True))
        assert amounts(own) == {"used": Decimal(3), "down": Decimal(3)}
        assert borne(own, "down") == {(0, 0, 0): Decimal(3)}

    def test_engines_that_ran_for_nobody_known_are_used_by_nobody_and_visible(self):
        said = {START + timedelta(seconds=s): Said(Decimal(1)) for s in range(0, 3600, 10)}
        own = hour(busy=[], work={}, requests={}, counters=Counters({1: said}))
        assert borne(own, "variance") == {(0, 0, 0): Decimal(6)}


class TestPolicies:
    def test_idle_is_kept_apart_unless_the_pool_says_otherwise(self):
        assert borne(hour(), "idle") == {(0, 0, 0): Decimal(3)}

    def test_spread_by_use_follows_the_shares_of_what_was_used(self):
        own = hour(capacity(idle_policy="spread_use"))
        assert borne(own, "idle") == {(7, 1, 1): Decimal("2.25"), (0, 2, 1): Decimal("0.75")}

    def test_spread_evenly_is_by_tenant_and_within_one_by_use(self):
        own = hour(
            capacity(idle_policy="spread_even"),
            work={ACME: Decimal(3), ACME_2: Decimal(1), BOLT: Decimal(1)},
            requests={ACME: 1, ACME_2: 1, BOLT: 1},
        )
        assert borne(own, "idle") == {
            (7, 1, 1): Decimal("1.125"),
            (7, 1, 2): Decimal("0.375"),
            (0, 2, 1): Decimal("1.5"),
        }

    def test_hidden_is_an_account_of_its_own(self):
        own = hour(capacity(idle_policy="hidden"))
        assert (borne(own, "idle"), borne(own, "hidden")) == ({}, {(0, 0, 0): Decimal(3)})

    @pytest.mark.parametrize("policy", ["spread_use", "spread_even"])
    def test_what_nobody_is_there_to_bear_stays_apart_and_visible(self, policy):
        own = hour(capacity(idle_policy=policy), busy=[], work={}, requests={})
        assert borne(own, "idle") == {(0, 0, 0): Decimal(6)}

    def test_headroom_is_borne_by_those_it_was_kept_awake_for(self):
        parts = capacity(max_concurrency=4)
        own = hour(parts, request_us=40 * 60 * 10**6)
        assert borne(own, "headroom") == {(7, 1, 1): Decimal("1.5"), (0, 2, 1): Decimal("0.5")}
        apart = hour(capacity(max_concurrency=4, headroom_policy="apart"), request_us=40 * 60 * 10**6)
        assert borne(apart, "headroom") == {(0, 0, 0): Decimal(2)}


class TestPhases:
    # 3.00 used; 20 of 60 s prefill: 1.00, 40 s decode: 2.00
    phases = Phases("spans", 20, 40, {ACME: Decimal(9), BOLT: Decimal(1)}, {ACME: Decimal(1), BOLT: Decimal(3)})

    def test_prefill_is_shared_by_uncached_input_and_decode_by_weighted_output(self):
        # acme 0.90 + 0.50, bolt 0.10 + 1.50
        found = shares(Decimal(3), {ACME: Decimal(1)}, {ACME: 1}, self.phases)
        assert dict(found.of) == {ACME: Decimal("1.4"), BOLT: Decimal("1.6")}
        assert (found.prefill, found.decode) == (Decimal(1), Decimal(2))

    def test_a_phase_without_any_work_is_shared_by_work_units(self):
        cached = replace(self.phases, prefill={ACME: Decimal(0), BOLT: Decimal(0)})
        found = shares(Decimal(3), {ACME: Decimal(1), BOLT: Decimal(0)}, {ACME: 1, BOLT: 1}, cached)
        assert dict(found.of) == {ACME: Decimal("1.5"), BOLT: Decimal("1.5")}

    def test_without_measured_phases_work_units_decide_and_nothing_is_made_up(self):
        found = shares(Decimal(3), {ACME: Decimal(1), BOLT: Decimal(2)}, {ACME: 1, BOLT: 1}, None)
        assert (dict(found.of), found.prefill, found.decode) == ({ACME: Decimal(1), BOLT: Decimal(2)}, None, None)


class TestPurchase:
    def test_is_on_every_line_of_the_pool(self):
        own = hour(standard={(ACME, "USD"): Decimal(2)})
        assert {line.purchase for line in pool_entries(own, {1: 7})} == {"reserved"}

    def test_an_hour_of_two_purchases_keeps_them_apart(self):
        terms = [Term(START, 1, Decimal(2), "USD", "on_demand"), Term(minute(30), 1, Decimal(10), "USD", "spot")]
        found = pool_entries(hour(stretches(terms, ONE)), {})
        supply = {line.purchase: amount for line, amount in found.items() if line.account == "supply.capacity"}
        assert supply == {"on_demand": Decimal(-1), "spot": Decimal(-5)}


def some_hour(rng):
    users = [User(rng.randrange(4), rng.randrange(2), rng.randrange(3)) for _ in range(rng.randrange(5))]
    policies = ["hidden", "apart", "spread_use", "spread_even"]
    terms = [
        Term(
            START + timedelta(seconds=second), rng.randrange(1, 5), Decimal(rng.randrange(10**9)).scaleb(-6), currency, "spot",
            load_test_tokens_per_gpu_hour=rng.choice([None, Decimal(rng.randrange(1, 10**6))]),
            max_concurrency=rng.choice([None, 1, 7]), idle_policy=rng.choice(policies),
            headroom_policy=rng.choice(policies),
        )
        for second, currency in ((0, "USD"), (rng.randrange(1, 3600), rng.choice(["USD", "EUR"])))
    ]  # fmt: skip
    busy = [(minute(a), minute(a + rng.randrange(1, 5))) for a in rng.sample(range(0, 55, 5), rng.randrange(6))]
    said = {START + timedelta(seconds=10 * s): Said(Decimal(rng.randrange(3))) for s in rng.sample(range(360), 40)}
    weights = {user: Decimal(rng.randrange(3) * rng.randrange(10**6)) for user in users}
    return PoolHour(
        5, stretches(terms, ONE), sorted(busy), weights, dict.fromkeys(users, 1), {},
        rng.choice([None, Phases("spans", 3, 7, weights, dict(reversed(weights.items())))]),
        rng.choice([None, Counters({1: said}, heard_before=True)]),
        request_us=rng.randrange(10**10),
    )  # fmt: skip


def test_parts_add_up_to_the_hour_and_to_its_cost_whatever_it_was_like():
    rng = seeded()
    for _ in range(200):
        own = some_hour(rng)
        for each, share in zip((found := judged(own)).splits, found.shares, strict=True):
            assert sum(each.us.values()) == each.stretch.length_us
            assert min(each.us.values()) >= 0
            assert sum(share.of.values(), Decimal(0)) in {each.amounts["used"], Decimal(0)}
        entries = pool_entries(own, {1: 11, 2: 12})
        for currency in ("USD", "EUR"):
            assert sum(a for line, a in entries.items() if line.currency == currency) == 0
