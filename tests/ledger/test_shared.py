"""Costs for many, worked out by hand: spread over hours, split by a rule, exact to the last pico."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.support.seeded import seeded

from trivet.kit.interval import Interval
from trivet.ledger.shared import (
    EVEN,
    FIXED,
    MONTHLY,
    NOBODY,
    ONCE,
    PROPORTIONAL,
    Rule,
    Term,
    entries,
    hour_part,
    of_day,
    of_hour,
    rule_at,
    shares,
    weigh,
)

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)  # 744 hours
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)  # 720 hours
HOUR = timedelta(hours=1)
A, B, C = (7, 0), (9, 0), (0, 3)  # two cost centres, one tenant


def rule(kind, *given, usage_of="", start=OCTOBER):
    return Rule(start, kind, usage_of, tuple((target, Decimal(percent)) for target, percent in given))


def hours(recurs, terms, interval):
    count = int((interval.end - interval.start) / HOUR)
    found = (of_hour(recurs, terms, interval.start + HOUR * n) for n in range(count))
    return [one[0] for one in found if one]


class TestHours:
    def test_a_hundred_dollars_over_three_hours_is_a_hundred_dollars(self):
        assert [hour_part(Decimal(100), n, 3) for n in range(3)] == [
            Decimal("33.333333333334"), Decimal("33.333333333333"), Decimal("33.333333333333"),
        ]  # fmt: skip

    def test_a_monthly_amount_is_that_amount_in_a_long_and_in_a_short_month(self):
        terms = [Term(OCTOBER, None, Decimal(1000), "USD")]
        assert sum(hours(MONTHLY, terms, Interval(OCTOBER, NOVEMBER))) == 1000
        assert sum(hours(MONTHLY, terms, Interval(NOVEMBER, NOVEMBER + timedelta(days=30)))) == 1000
        assert of_hour(MONTHLY, terms, NOVEMBER + HOUR * 719) == (Decimal("1.388888888888"), "USD")

    def test_a_change_in_the_middle_of_a_month_counts_from_its_hour_on(self):
        # 15 of 30 days at 720 a month, 15 at 1,440: 360 + 720
        middle = NOVEMBER + timedelta(days=15)
        terms = [Term(NOVEMBER, None, Decimal(720), "USD"), Term(middle, None, Decimal(1440), "USD")]
        assert sum(hours(MONTHLY, terms, Interval(NOVEMBER, NOVEMBER + timedelta(days=30)))) == 1080

    def test_one_that_ended_costs_nothing_more_and_one_not_begun_nothing_yet(self):
        terms = [Term(NOVEMBER, None, Decimal(720), "USD"), Term(NOVEMBER + HOUR * 2, None, Decimal(0), "USD")]
        assert hours(MONTHLY, terms, Interval(OCTOBER, NOVEMBER + HOUR * 9)) == [1, 1]

    def test_a_one_off_lies_in_its_stretch_and_its_newest_amount_holds(self):
        end = NOVEMBER + HOUR * 4
        terms = [Term(NOVEMBER, end, Decimal(10), "USD"), Term(NOVEMBER, end, Decimal(8), "EUR")]
        assert [of_hour(ONCE, terms, NOVEMBER + HOUR * n) for n in (-1, 0, 3, 4)] == [
            None, (Decimal(2), "EUR"), (Decimal(2), "EUR"), None,
        ]  # fmt: skip

    def test_a_day_is_the_sum_of_its_hours_by_currency(self):
        terms = [Term(NOVEMBER, None, Decimal(720), "USD"), Term(NOVEMBER + HOUR * 6, None, Decimal(1440), "EUR")]
        assert of_day(MONTHLY, terms, NOVEMBER) == {"USD": Decimal(6), "EUR": Decimal(36)}


class TestRules:
    def test_fixed_shares_of_a_hundred_dollars_in_three(self):
        third = rule(FIXED, (A, "33.333333333333"), (B, "33.333333333333"), (C, "33.333333333334"))
        assert shares(Decimal("100.00"), third, {}) == {
            A: Decimal("33.333333333333"), B: Decimal("33.333333333333"), C: Decimal("33.333333333334"),
        }  # fmt: skip

    def test_what_fixed_shares_leave_is_a_line_of_its_own(self):
        assert shares(Decimal(10), rule(FIXED, (A, "60"), (C, "15")), {}) == {
            A: Decimal(6), C: Decimal("1.5"), NOBODY: Decimal("2.5"),
        }  # fmt: skip

    def test_evenly_is_by_largest_remainder(self):
        assert shares(Decimal("0.000000000100"), rule(EVEN, (A, "0"), (B, "0"), (C, "0")), {}) == {
            A: Decimal("0.000000000034"), B: Decimal("0.000000000033"), C: Decimal("0.000000000033"),
        }  # fmt: skip

    def test_in_proportion_to_usage(self):
        parts = shares(Decimal(9), rule(PROPORTIONAL, usage_of="hour"), {A: Decimal(2), B: Decimal(1), C: Decimal(0)})
        assert parts == {A: Decimal(6), B: Decimal(3)}

    def test_an_hour_in_which_nobody_used_anything_is_nobodys(self):
        assert shares(Decimal(9), rule(PROPORTIONAL, usage_of="hour"), {A: Decimal(0)}) == {NOBODY: Decimal(9)}

    def test_the_rule_with_the_latest_start_holds_and_of_equal_ones_the_last_made(self):
        first, second, third = rule(EVEN), rule(FIXED, start=NOVEMBER), rule(PROPORTIONAL, start=NOVEMBER)
        assert rule_at([first, second, third], NOVEMBER - HOUR) is first
        assert rule_at([first, second, third], NOVEMBER) is third
        assert rule_at([second], OCTOBER) is None


class TestWeighing:
    above = ((4, 7), (5, 4))  # cost centre 5 beneath 4 beneath 7
    usage = ((7, 1, Decimal(1)), (5, 2, Decimal(2)), (9, 3, Decimal(4)), (0, 8, Decimal(16)))

    def weights(self, *targets):
        return weigh(rule(PROPORTIONAL, *((t, "0") for t in targets)), self.usage, dict(self.above))

    def test_a_cost_centre_counts_with_all_beneath_it(self):
        assert self.weights(A, B) == {A: Decimal(3), B: Decimal(4)}

    def test_what_is_named_twice_counts_once_for_the_nearest(self):
        assert self.weights(A, (4, 0)) == {A: Decimal(1), (4, 0): Decimal(2)}
        assert self.weights(B, C) == {C: Decimal(4)}

    def test_where_nobody_is_named_everybody_counts_and_the_unattributed_share_is_nobodys(self):
        assert self.weights() == {A: Decimal(1), (5, 0): Decimal(2), B: Decimal(4), NOBODY: Decimal(16)}


class TestEntries:
    def test_a_tenants_part_stands_on_its_cost_centre_and_all_of_it_is_balanced(self):
        parts = {A: Decimal(6), C: Decimal("1.5"), NOBODY: Decimal("2.5")}
        found = {
            (line.account, line.cost_centre_id, line.tenant_id): a for line, a in entries(parts, "USD", {3: 9}).items()
        }
        assert found == {
            ("shared", 7, 0): Decimal(6),
            ("shared", 9, 3): Decimal("1.5"),
            ("shared", 0, 0): Decimal("2.5"),
            ("supply.shared", 0, 0): Decimal(-10),
        }


def test_whatever_the_amount_and_the_rule_hours_and_shares_add_up():
    rng = seeded()
    for _ in range(300):
        amount = Decimal(rng.randrange(10**16)).scaleb(-12)
        length = rng.randrange(1, 800)
        assert sum(hour_part(amount, n, length) for n in range(length)) == amount
        cut = sorted(rng.sample(range(1, 10_000), rng.randrange(1, 6)))
        given = [((n, 0), Decimal(b - a).scaleb(-2)) for n, (a, b) in enumerate(zip([0, *cut], cut, strict=False), 1)]
        weights = {target: Decimal(rng.randrange(10**14)).scaleb(-12) for target, _ in given}
        for kind in (FIXED, EVEN, PROPORTIONAL):
            parts = shares(amount, Rule(OCTOBER, kind, "", tuple(given)), weights)
            assert sum(parts.values()) == amount
            assert min(parts.values()) >= 0


@pytest.mark.parametrize("start", [0, 1])
def test_a_part_of_an_hour_does_not_depend_on_the_others(start):
    assert hour_part(Decimal("0.000000000001"), start, 2) == Decimal(1 - start).scaleb(-12)
