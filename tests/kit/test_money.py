"""Exact money: worked examples, and properties over random amounts."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.seeded import seeded

from trivet.kit.money import from_exact, from_picos, money, of_million, plain, split, to_picos


class TestPicos:
    @pytest.mark.parametrize(
        ("amount", "picos"),
        [
            ("0", 0),
            ("1", 10**12),
            ("0.000000000001", 1),
            ("-2.5", -2_500_000_000_000),
            ("0.0000000000005", 0),
            ("0.0000000000015", 2),
            ("0.0000000000025", 2),
            ("-0.0000000000015", -2),
            ("99999999999999999999999999.999999999999", 99999999999999999999999999999999999999),
        ],
    )
    def test_are_rounded_once_half_even(self, amount, picos):
        assert to_picos(Decimal(amount)) == picos

    def test_come_back_as_the_same_amount(self):
        rng = seeded()
        for _ in range(300):
            picos = rng.randrange(-(10**38), 10**38)
            assert to_picos(from_picos(picos)) == picos


class TestRounding:
    def test_what_a_million_take_has_twelve_places_half_even(self):
        assert of_million(Decimal(1), 3) == Decimal("333333.333333333333")
        assert of_million(Decimal("0.000000000000000001"), 2) == 0  # half a pico, to the even one

    def test_a_quotient_is_rounded_once(self):
        assert from_exact(Fraction(2, 3)) == Decimal("0.666666666667")
        assert from_exact(Fraction(-3, 2 * 10**12)) == Decimal("-0.000000000002")


class TestTheWireForm:
    @pytest.mark.parametrize(
        ("amount", "said"),
        [
            (Decimal("0.001234"), "0.001234000000"),
            (Decimal("1E+3"), "1000.000000000000"),
            (Decimal("-0.5"), "-0.500000000000"),
            (Decimal("1E-12"), "0.000000000001"),
            (7, "7.000000000000"),
        ],
    )
    def test_has_twelve_places_and_no_exponent(self, amount, said):
        assert plain(amount) == said

    def test_names_its_currency(self):
        assert money(Decimal("1.23"), "USD") == {"amount": "1.230000000000", "currency": "USD"}


class TestSplit:
    def test_a_dollar_in_three_gives_the_odd_pico_to_the_first(self):
        assert split(Decimal(1), {"a": 1, "b": 1, "c": 1}) == {
            "a": Decimal("0.333333333334"),
            "b": Decimal("0.333333333333"),
            "c": Decimal("0.333333333333"),
        }

    def test_the_largest_remainder_gets_the_odd_pico(self):
        # 10 picos by 1 : 1 : 4 are 1.67, 1.67, 6.67: floors 1, 1, 6 leave two, ties in order
        ten = from_picos(10)
        assert [to_picos(part) for part in split(ten, {"a": 1, "b": 1, "c": 4}).values()] == [2, 2, 6]
        # 10 picos by 1 : 2 : 4 are 1.43, 2.86, 5.71: floors 1, 2, 5 leave two, for b and c
        assert [to_picos(part) for part in split(ten, {"a": 1, "b": 2, "c": 4}).values()] == [1, 3, 6]

    def test_who_weighs_nothing_gets_nothing(self):
        assert split(Decimal(1), {"a": 0, "b": 3}) == {"a": Decimal(0), "b": Decimal(1)}

    def test_a_debt_is_split_like_a_credit(self):
        whole = split(Decimal("0.000000000007"), {"a": 1, "b": 2})
        debt = split(Decimal("-0.000000000007"), {"a": 1, "b": 2})
        assert debt == {name: -part for name, part in whole.items()}

    @pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": 2, "b": -1}])
    def test_weights_that_say_nothing_are_refused(self, weights):
        with pytest.raises(ValueError, match="weights"):
            split(Decimal(1), weights)

    def test_weights_of_more_digits_than_a_decimal_usually_keeps_still_add_up(self):
        long = Decimal("33333333333333333333.333333333333333333333")
        weights = {n: long + n for n in range(7)} | {"big": Decimal("12345678901234567890123456789.987654321")}
        assert sum(split(Decimal("1000000.000000000001"), weights).values()) == Decimal("1000000.000000000001")

    def test_parts_add_up_and_none_is_off_by_a_pico(self):
        rng = seeded()
        for _ in range(400):
            picos = rng.choice([rng.randrange(20), rng.randrange(10**25)]) * rng.choice([1, -1])
            weights = {n: rng.choice([0, 1, rng.randrange(10**9)]) for n in range(rng.randrange(1, 30))}
            weights[99] = Decimal(rng.randrange(1, 10**6)).scaleb(-rng.randrange(9))
            parts = split(from_picos(picos), weights)
            assert sum(map(to_picos, parts.values())) == picos
            total = sum(map(Fraction, weights.values()))
            for name, part in parts.items():
                assert abs(to_picos(part) - Fraction(picos) * Fraction(weights[name]) / total) < 1


class TestSplitIntoCents:
    def test_a_hundred_dollars_over_three_equal_tenants(self):
        assert split(Decimal("100.00"), {"acme": 1, "bolt": 1, "crow": 1}, places=2) == {
            "acme": Decimal("33.34"),
            "bolt": Decimal("33.33"),
            "crow": Decimal("33.33"),
        }

    def test_an_amount_finer_than_its_parts_is_refused(self):
        with pytest.raises(ValueError, match="more than 2 places"):
            split(Decimal("100.001"), {"acme": 1}, places=2)

    @given(
        st.decimals(min_value=-(10**12), max_value=10**12, places=2),
        st.lists(st.integers(0, 10**6) | st.decimals(0, 10**6, places=18), min_size=1, max_size=12).filter(any),
        st.sampled_from([2, 6, 12]),
    )
    def test_any_split_adds_up_and_no_part_is_off_by_a_unit(self, amount, weights, places):
        parts = split(amount, dict(enumerate(weights)), places=places)
        assert sum(map(Fraction, parts.values())) == Fraction(amount)
        whole, unit = sum(map(Fraction, weights)), Fraction(1, 10**places)
        for n, part in parts.items():
            assert abs(Fraction(part) - Fraction(amount) * Fraction(weights[n]) / whole) < unit
