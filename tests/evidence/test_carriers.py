"""Who carries a breach: the excess, by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.card.watched import Guard
from trivet.evidence import excess
from trivet.evidence.carriers import LEAST, SHOWN, Reference, carriers, reference, wilson
from trivet.kit import histogram
from trivet.rollup.read import Usage


def guard(metric, enter, leave, **more):
    given_ = {"name": "g", "metric": metric, "enter": enter, "leave": leave, "window_s": 60, "minimum_sample": 20}
    return Guard(**given_ | more)


ERRORS = excess.kind_of(guard("error_rate", 0.02, 0.01))


def served(requests, errors):
    return Usage(requests=requests, errors=errors)


class TestTheTenantWithATenthOfTheTraffic:
    """1,000 requests. Usual: 1 % fails. acme 100, of them 82 failed: 81 beyond its 1. globex 900, of them 18: 9 beyond its 9."""

    found = carriers(ERRORS, {1: served(100, 82), 2: served(900, 18)}, {}, Reference(Fraction(1, 100), "before"))

    def test_comes_first_with_nine_tenths_of_the_excess(self):
        first, second = self.found.carry
        assert (first.key, first.excess, first.traffic_share, first.excess_share) == (1, 81, 0.1, 0.9)
        assert (second.key, second.excess, second.excess_share) == (2, 9, 0.1)

    def test_the_shares_are_of_the_whole_excess(self):
        assert self.found.excess == 90 == 100 - Fraction(1, 100) * 1000
        assert sum(each.excess_share for each in self.found.carry) == pytest.approx(1)

    def test_what_may_be_chance_is_not_claimed(self):
        """9 of 600 where 6 are usual happens one day in eight."""
        found = carriers(ERRORS, {1: served(100, 82), 3: served(600, 9)}, {}, Reference(Fraction(1, 100), "before"))
        first, second = found.carry
        assert first.claimed and first.low > 60
        assert not second.claimed and second.low < 0 < second.high

    def test_one_that_carries_its_part_of_the_traffic_does_not_stand_out(self):
        assert self.found.carry[0].stands_out
        alike = carriers(ERRORS, {1: served(450, 45), 2: served(550, 55)}, {}, Reference(Fraction(0), "before"))
        assert [(c.claimed, c.stands_out) for c in alike.carry] == [(True, False), (True, False)]

    def test_ten_failures_of_ten_are_claimed_and_one_of_one_is_not(self):
        found = carriers(ERRORS, {1: served(10, 10), 2: served(1, 1)}, {}, Reference(Fraction(1, 4), "before"))
        assert {each.key: each.claimed for each in found.carry} == {1: True, 2: False}


class TestRelief:
    def test_stands_apart_and_brings_the_sum_down_to_the_whole(self):
        found = carriers(ERRORS, {1: served(100, 50), 2: served(100, 0)}, {}, Reference(Fraction(1, 10), "before"))
        assert [(c.key, c.excess) for c in found.carry] == [(1, 40)]
        assert [(c.key, c.excess) for c in found.relieve] == [(2, -10)]
        assert found.excess + found.relief == 50 - Fraction(1, 10) * 200


class TestManyGroups:
    def test_the_rest_is_one_row_that_claims_nothing(self):
        found = carriers(ERRORS, {n: served(10, 10 - n % 3) for n in range(40)}, {}, Reference(Fraction(0), "before"))
        assert len(found.carry) == SHOWN + 1 and found.left_out == 40 - SHOWN
        rest = found.carry[-1]
        assert rest.key is None and not rest.claimed
        assert sum(each.excess for each in found.carry) == found.excess

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30), st.integers(0, 20))
    def test_the_excess_of_groups_adds_up_to_that_of_all(self, counts, percent):
        usual = Fraction(percent, 100)
        during = {n: served(good + bad, bad) for n, (good, bad) in enumerate(counts)}
        found = carriers(ERRORS, during, {}, Reference(usual, "before"))
        n, bad = sum(g + b for g, b in counts), sum(b for _, b in counts)
        assert found.excess + found.relief == bad - usual * n


class TestReference:
    def test_is_the_time_before_where_that_had_enough(self):
        assert reference(ERRORS, served(100, 3), Fraction(1, 50), 20).share == Fraction(3, 100)

    def test_else_what_the_guard_allows_and_says_so(self):
        found = reference(ERRORS, served(19, 0), Fraction(1, 50), 20)
        assert found.share == Fraction(1, 50) and "allows" in found.words

    def test_is_none_where_the_guard_has_no_share_either(self):
        drift = excess.kind_of(guard("input_length_drift", 3, 2))
        assert reference(drift, Usage(), excess.allowed(guard("input_length_drift", 3, 2)), 20) is None


class TestPercentiles:
    """P95 over 1 s: who brings the requests slower than 1 s, beyond the 5 % that may be."""

    slow = guard("p95_latency_ms", 1000, 800)

    def test_a_slow_request_is_one_past_the_limit(self):
        kind = excess.kind_of(self.slow)
        usage = Usage(requests=5, latency=histogram.of([200_000, 900_000, 1_100_000, 5_000_000]))
        assert (kind.n(usage), kind.bad(usage)) == (4, 2)
        assert excess.allowed(self.slow) == Fraction(5, 100)

    def test_the_first_token_has_its_own_histogram(self):
        kind = excess.kind_of(guard("p99_ttft_ms", 500, 400))
        usage = Usage(requests=3, latency=histogram.of([9_000_000] * 3), ttft=histogram.of([100_000, 600_000]))
        assert (kind.n(usage), kind.bad(usage)) == (2, 1)


class TestMoney:
    def test_of_spend_in_time_each_has_its_own_rate_before(self):
        """15 min before: acme 1.5, globex 3. In 5 min: acme 5.5, so 5 beyond its 0.5; globex 1, as before."""
        kind = excess.kind_of(guard("cost_per_hour", 10, 8))

        def spent(amount):
            return Usage(requests=50, cost=Decimal(amount))

        usual = reference(kind, Usage(), None, 20)
        found = carriers(
            kind, {1: spent("5.5"), 2: spent("1")}, {1: spent("1.5"), 2: spent("3")}, usual, times=Fraction(300, 900)
        )
        assert [(c.key, c.excess, c.claimed) for c in found.carry] == [(1, 5, True)]
        assert found.relieve == ()

    def test_of_a_request_few_are_not_claimed(self):
        kind = excess.kind_of(guard("cost_per_request", 0.01, 0.008))
        during = {1: Usage(requests=LEAST, cost=Decimal(1)), 2: Usage(requests=LEAST - 1, cost=Decimal(2))}
        found = carriers(kind, during, {}, Reference(Fraction("0.01"), "before"))
        assert {c.key: c.claimed for c in found.carry} == {1: True, 2: False}
        assert found.carry[0].excess == Fraction(2) - Fraction("0.19")

    def test_what_has_no_price_is_not_of_the_requests(self):
        kind = excess.kind_of(guard("cost_per_request", 0.01, 0.008))
        assert kind.n(Usage(requests=10, unpriced_requests=4, rejections=1)) == 5


class TestQuality:
    def test_the_shortfall_is_what_scores_lost_beyond_the_usual(self):
        """Usual mean 0.9. acme: 10 scores of 0.5 lose 5 where 1 is usual. globex: 90 of 0.9 lose 9, as usual."""
        kind = excess.kind_of(guard("quality", 0.8, 0.85))
        during = {1: Usage(scores=10, score_total=5.0), 2: Usage(scores=90, score_total=81.0)}
        found = carriers(kind, during, {}, Reference(Fraction(1, 10), "before"))
        assert [(c.key, c.excess) for c in found.carry] == [(1, 4)]

    def test_the_floor_allows_what_lies_above_it(self):
        assert excess.allowed(guard("quality", 0.8, 0.85)) == Fraction(1, 5)


class TestWhatNamesNobody:
    @pytest.mark.parametrize("metric", ["health_events", "out_of_memory_events", "rate_limit_rate", "cold_start_rate"])
    def test_has_no_carriers(self, metric):
        assert excess.kind_of(guard(metric, 0.5, 0.1)) is None

    def test_a_queue_is_told_by_the_tokens_beyond_the_rate_before(self):
        kind = excess.kind_of(guard("queue_depth", 50, 20))
        assert kind.in_time and "tokens" in kind.note


class TestWilson:
    def test_by_hand(self):
        """8 of 10 at 95 %: 0.490 to 0.943 (Newcombe 1998's method 3)."""
        assert wilson(8, 10, 1.96) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))

    def test_of_nothing_is_everything(self):
        assert wilson(0, 0) == (0.0, 1.0)
