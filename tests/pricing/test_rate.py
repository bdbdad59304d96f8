"""What a request costs, by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.seeded import seeded

from trivet.kit.errors import Invalid
from trivet.pricing.rate import Rates, Tokens, canonical, cost_picos


def rates(**per_million):
    return Rates.parse(canonical(per_million))


class TestCost:
    def test_a_plain_request_is_tokens_times_rate(self):
        # 1,000 x 2.50 + 200 x 10.00 = 4,500 per million = 0.0045
        assert cost_picos(Tokens(input=1000, output=200), rates(input="2.50", output="10")) == 4_500_000_000

    def test_every_kind_has_its_own_rate(self):
        # 1000x3 + 500x15 + 2000x0.30 + 400x3.75 + 100x20 = 3000+7500+600+1500+2000 = 14,600 per million
        prices = rates(input="3", output="15", cache_read="0.30", cache_write="3.75", reasoning="20")
        tokens = Tokens(input=1000, output=500, cache_read=2000, cache_write=400, reasoning=100)
        assert cost_picos(tokens, prices) == 14_600_000_000

    def test_missing_cache_rates_are_the_input_rate_and_missing_reasoning_the_output_rate(self):
        tokens = Tokens(cache_read=10, cache_write=20, reasoning=30)
        # 30 x 2 + 30 x 8 = 300 per million
        assert cost_picos(tokens, rates(input="2", output="8")) == 300_000_000

    def test_an_explicit_zero_is_a_price(self):
        assert (
            cost_picos(Tokens(input=1, cache_read=1_000_000), rates(input="2", output="8", cache_read="0")) == 2_000_000
        )

    def test_no_tokens_cost_nothing(self):
        assert cost_picos(Tokens(), rates(input="2", output="8")) == 0

    @pytest.mark.parametrize(
        ("price", "picos"),
        [("0.0000005", 0), ("0.0000015", 2), ("0.0000025", 2), ("0.00000051", 1)],
    )
    def test_halves_of_a_pico_round_to_even(self, price, picos):
        assert cost_picos(Tokens(input=1), rates(input=price, output="0")) == picos

    def test_rounding_happens_once_for_the_request_and_not_for_each_kind(self):
        # 0.4 + 0.4 picos: each alone would be nothing
        tiny = rates(input="0.0000004", output="0.0000004")
        assert cost_picos(Tokens(input=1, output=1), tiny) == 1


LONG = {
    "input": [{"from_input_tokens": 0, "price": "1.25"}, {"from_input_tokens": 200_000, "price": "2.50"}],
    "output": [{"from_input_tokens": 0, "price": "10"}, {"from_input_tokens": 200_000, "price": "15"}],
}


class TestLongContext:
    def test_at_the_threshold_the_lower_rate_still_holds(self):
        # 200,000 x 1.25 + 10 x 10 = 250,100 per million
        assert cost_picos(Tokens(input=200_000, output=10), rates(**LONG)) == 250_100_000_000

    def test_one_token_more_reprices_the_whole_request(self):
        # 200,001 x 2.50 + 10 x 15 = 500,152.5 per million
        assert cost_picos(Tokens(input=200_001, output=10), rates(**LONG)) == 500_152_500_000

    def test_cached_tokens_count_towards_the_threshold(self):
        # 1 x 2.50 + 200,000 x 2.50 (no cache rate: the input rate)
        assert cost_picos(Tokens(input=1, cache_read=200_000), rates(**LONG)) == 500_002_500_000

    def test_the_highest_threshold_exceeded_wins(self):
        three = rates(
            input=[
                {"from_input_tokens": 0, "price": "1"},
                {"from_input_tokens": 100, "price": "2"},
                {"from_input_tokens": 200, "price": "4"},
            ],
            output="0",
        )
        costs = [cost_picos(Tokens(input=n), three) for n in (100, 101, 200, 201)]
        assert costs == [100_000_000, 202_000_000, 400_000_000, 804_000_000]


class TestRefusedPrices:
    @pytest.mark.parametrize(
        "per_million",
        [
            {"input": "1"},
            {"input": "1", "output": "1", "vision": "1"},
            {"input": "-1", "output": "1"},
            {"input": "NaN", "output": "1"},
            {"input": "Infinity", "output": "1"},
            {"input": "cheap", "output": "1"},
            {"input": "0e-999999", "output": "1"},
            {"input": "1E+1", "output": "1"},
            {"input": "1_0", "output": "1"},
            {"input": "１", "output": "1"},
            {"input": " 1", "output": "1"},
            {"input": "0." + "0" * 13, "output": "1"},
            {"input": "0" * 41, "output": "1"},
            {
                "input": [{"from_input_tokens": 0, "price": "1"}, {"from_input_tokens": 10**12, "price": "1"}],
                "output": "1",
            },
            {"input": 2.5, "output": "1"},
            {"input": "0.0000000000001", "output": "1"},
            {"input": "1000000000", "output": "1"},
            {"input": [], "output": "1"},
            {"input": [{"from_input_tokens": 5, "price": "1"}], "output": "1"},
            {"input": [{"from_input_tokens": 0, "price": "1"}, {"from_input_tokens": 0, "price": "2"}], "output": "1"},
            {"input": [{"from_input_tokens": 0.0, "price": "1"}], "output": "1"},
            {"input": [{"price": "1"}], "output": "1"},
        ],
    )
    def test_is_refused_by_name(self, per_million):
        with pytest.raises(Invalid) as refused:
            canonical(per_million)
        assert refused.value.field.startswith("per_million")

    def test_canonical_form_keeps_the_decimals_as_they_were_written(self):
        assert canonical({"input": "2.50", "output": "10"}) == {"input": [[0, "2.50"]], "output": [[0, "10"]]}


def test_any_request_costs_what_exact_fractions_say():
    rng = seeded()
    for _ in range(300):
        prices = {k: f"{Decimal(rng.randrange(10**9)).scaleb(-rng.randrange(13)):f}" for k in Tokens.__slots__}
        tokens = Tokens(*(rng.choice([0, rng.randrange(10), rng.randrange(10**8)]) for _ in range(5)))
        exact = sum(Fraction(prices[k]) * getattr(tokens, k) for k in Tokens.__slots__) * 10**6
        assert cost_picos(tokens, rates(**prices)) == round(exact)  # Fraction rounds half to even
