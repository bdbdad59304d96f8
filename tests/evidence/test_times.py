"""When a breach began, was seen, acted upon and over; and what was saved and lost meanwhile. By hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from trivet.evidence.record import AGAIN, again_at
from trivet.evidence.saved import lost, ratio, saved
from trivet.evidence.times import Act, began, degraded, levels, quantile, times
from trivet.kit.interval import Interval

T0 = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def at(seconds):
    return T0 + timedelta(seconds=seconds)


def degrade(id_, seconds, level, breach=None, **more):
    return Act(id_, "degrade", level, True, breach, at(seconds), **more)


def restore(id_, seconds, level=0, **more):
    return Act(id_, "restore", level, True, None, at(seconds), **more)


def buckets(*bad_of_ten):
    return [(at(10 * n), Fraction(10), Fraction(bad)) for n, bad in enumerate(bad_of_ten)]


class TestBegan:
    def test_is_the_first_of_the_bad_buckets_before_the_detection(self):
        assert began(buckets(0, 0, 3, 4, 5), Fraction(1, 20), at(47), 10) == at(20)

    def test_an_empty_bucket_is_neither_good_nor_bad(self):
        seen = [row for row in buckets(0, 3, 0, 4) if row[0] != at(20)]
        assert began(seen, Fraction(1, 20), at(35), 10) == at(10)

    def test_the_running_bucket_may_still_be_good(self):
        assert began(buckets(0, 3, 4, 0), Fraction(1, 20), at(31), 10) == at(10)

    def test_a_good_bucket_ends_the_look_back(self):
        assert began(buckets(9, 0, 4), Fraction(1, 20), at(25), 10) == at(20)

    def test_is_not_known_where_no_bucket_was_bad_or_the_limit_is_no_share(self):
        assert began(buckets(0, 0, 0), Fraction(1, 20), at(25), 10) is None
        assert began(buckets(9, 9), None, at(15), 10) is None

    def test_never_lies_after_the_detection(self):
        assert began(buckets(9), Fraction(1, 20), at(4), 10) <= at(4)

    def test_of_spend_a_bucket_is_held_against_its_seconds(self):
        seen = [(at(0), Fraction(1), Fraction(1)), (at(10), Fraction(1), Fraction(30))]
        assert began(seen, Fraction(2), at(18), 10, in_time=True) == at(10)


class TestTimes:
    acts = (
        degrade(1, 30, 1, breach=7, observed_at=at(31), effective_at=at(33)),
        restore(2, 200, observed_at=at(202), effective_at=at(205)),
    )

    def test_from_the_first_bad_bucket_to_level_0(self):
        found = times(7, at(29), at(150), self.acts, at(20))
        assert found.recovered == at(205) and found.command_id == 1
        assert found.seconds() == {"detect": 9.0, "act": 1.0, "take_hold": 3.0, "recover": 176.0}

    def test_is_not_recovered_while_the_guard_is_broken_or_the_level_stands(self):
        assert times(7, at(29), None, self.acts, at(20)).recovered is None
        assert times(7, at(29), at(150), self.acts[:1], at(20)).recovered is None

    def test_a_share_that_went_back_is_not_yet_all(self):
        probe = restore(2, 100, share=0.2, effective_at=at(101))
        assert times(7, at(29), at(90), (self.acts[0], probe), at(20)).recovered is None

    def test_one_that_caused_nothing_is_over_when_its_guard_is_whole(self):
        found = times(8, at(29), at(150), self.acts, None)
        assert (found.acted, found.recovered, found.seconds()["detect"]) == (None, at(150), None)

    def test_a_rollback_is_its_own_way_back(self):
        act = Act(1, "rollback", None, True, 7, at(40), observed_at=at(42), effective_at=at(60))
        assert times(7, at(29), at(45), [act], None).recovered == at(60)


class TestWhoseLevelItIs:
    def test_each_stretch_belongs_to_the_breach_that_raised_last(self):
        acts = [degrade(1, 10, 1, breach=7), degrade(2, 40, 2, breach=8), degrade(3, 90, 1), restore(4, 120)]
        assert degraded(7, acts, at(500)) == [Interval(at(10), at(40))]
        assert degraded(8, acts, at(500)) == [Interval(at(40), at(120))]

    def test_its_levels_are_those_given_in_it(self):
        acts = [degrade(1, 10, 1, breach=7), degrade(2, 40, 2, breach=8), degrade(3, 90, 1), restore(4, 120)]
        assert levels(acts, Interval(at(10), at(40))) == (1, 1)
        assert levels(acts, Interval(at(40), at(120))) == (2, 2)

    def test_one_that_still_stands_goes_on_until_now(self):
        assert degraded(7, [degrade(1, 10, 1, breach=7)], at(50)) == [Interval(at(10), at(50))]

    def test_a_tenants_break_is_no_level_of_the_scenario(self):
        cut = Act(1, "break", None, False, 7, at(10))
        assert degraded(7, [cut], at(50)) == []


def pairs(n, *sums):
    return [(Fraction(n), Fraction(str(each))) for each in sums]


class TestMoneySaved:
    """Before: 5 buckets of 10 requests at 0.02. Under: 10 buckets of 10 at 0.005: 100 × 0.015 = 1.50."""

    before, under = pairs(10, *["0.2"] * 5), pairs(10, *["0.05"] * 10)

    def test_is_exact_and_says_on_what_terms(self):
        found = saved(self.before, self.under, "USD")
        assert (found.amount, found.low, found.high) == (Decimal("1.5"), Decimal("1.5"), Decimal("1.5"))
        assert "100 priced requests under the level" in found.words and "50 of them, 0.02 USD each" in found.words

    def test_is_as_sure_as_the_cost_of_a_request_is_steady(self):
        """Means as above; before, buckets cost 0.1 or 0.3: deviations of 0.1, error √(4·0.01·5/4)/50 = 0.00447."""
        found = saved(pairs(10, "0.1", "0.3", "0.2", "0.1", "0.3"), self.under, "USD")
        assert found.amount == Decimal("1.5")
        assert float(found.high - found.low) / 2 == pytest.approx(1.96 * 100 * 0.0044721, rel=1e-4)

    def test_what_was_turned_away_is_told_and_not_counted(self):
        assert "12 that were turned away are not counted" in saved(self.before, self.under, "USD", 12).words

    def test_too_little_on_either_side_is_not_measurable_and_says_which(self):
        early = saved(pairs(10, "0.2"), self.under, "USD")
        assert early.amount is None and "10 priced requests in 1 buckets before the breach" in early.words
        late = saved(self.before, pairs(1, *["0.2"] * 6), "USD")
        assert late.amount is None and "6 priced requests in 6 buckets under the level" in late.words

    def test_a_dearer_level_saved_less_than_nothing(self):
        assert saved(self.under, self.before, "USD").amount == Decimal("-0.75")


class TestQualityLost:
    def test_is_the_mean_before_less_the_mean_under(self):
        found = lost(pairs(10, *[9.5] * 5), pairs(8, *[7.2] * 5))
        assert found.points == pytest.approx(0.05) and "0.900 of 40" in found.words and "0.950 of 50" in found.words

    def test_few_scores_claim_nothing(self):
        assert lost(pairs(10, *[9.5] * 5), []).points is None

    def test_a_ratio_of_unlike_buckets_weighs_them_by_their_requests(self):
        found = ratio([(Fraction(n), Fraction(2 * n)) for n in (1, 50, 3, 20, 7)])
        assert (found.mean, found.error) == (2, 0.0)


class TestAgain:
    def test_late_data_is_looked_for_less_and_less(self):
        looks, now = [], at(0)
        while (following := again_at(at(0), at(0), now)) is not None:
            looks.append(following - at(0))
            now = following
        assert tuple(looks) == AGAIN

    def test_what_is_not_undone_is_looked_at_soon(self):
        assert again_at(at(0), None, at(4)) == at(14)
        assert again_at(at(0), None, at(400)) == at(500)
        assert again_at(at(0), None, at(0) + AGAIN[-1]) is None


class TestQuantiles:
    def test_are_values_that_were_measured(self):
        assert quantile([4, 1, 3, 2], 0.5) == 2
        assert quantile([4, 1, 3, 2], 0.95) == 4
        assert quantile([], 0.5) is None
