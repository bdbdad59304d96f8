"""The most a call can cost: every figure worked out by hand, and no real call above it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.kit.money import from_picos
from trivet.pricing.estimate import Bound, worst_case_picos
from trivet.pricing.rate import Rates, Tokens, canonical, cost_picos

PLAIN = Rates.parse(canonical({"input": "2.50", "output": "10"}))
LONG = [{"from_input_tokens": 0, "price": "1.25"}, {"from_input_tokens": 200_000, "price": "2.50"}]
LONG_OUTPUT = [{"from_input_tokens": 0, "price": "10"}, {"from_input_tokens": 200_000, "price": "15"}]
STEPPED = Rates.parse(canonical({"input": LONG, "output": LONG_OUTPUT}))
WRITING = Rates.parse(
    canonical({"input": "3", "output": "15", "cache_read": "0.30", "cache_write": "3.75", "reasoning": "20"})
)


def amount(bound, rates=PLAIN, tools=None, fee=Decimal(0)):
    found = worst_case_picos(bound, rates, tools or {}, fee)
    return None if found.picos is None else from_picos(found.picos)


class TestTheMostACallCanCost:
    def test_is_input_and_all_the_output_that_was_asked_for(self) -> None:
        # 1,000 × 2.50 / 10⁶ = 0.0025 and 500 × 10 / 10⁶ = 0.005
        assert amount(Bound(1_000, 500)) == Decimal("0.0075")

    def test_has_the_models_own_ceiling_where_it_is_lower_or_nothing_was_asked_for(self) -> None:
        assert amount(Bound(0, 500, output_ceiling=100)) == Decimal("0.001")
        assert amount(Bound(0, None, output_ceiling=100)) == Decimal("0.001")

    def test_has_output_for_each_choice_and_its_input_once(self) -> None:
        assert amount(Bound(1_000, 500, n=3)) == Decimal("0.0175")  # 0.0025 + 3 × 0.005

    def test_takes_the_long_context_rates_once_the_bound_passes_the_step(self) -> None:
        assert amount(Bound(200_000, 1_000), STEPPED) == Decimal("0.26")  # 0.25 + 0.01
        assert amount(Bound(200_001, 1_000), STEPPED) == Decimal("0.5150025")  # 0.5000025 + 0.015

    def test_takes_all_input_for_written_to_a_cache_where_that_is_dearer(self) -> None:
        assert amount(Bound(1_000, 0), WRITING) == Decimal("0.00375")
        assert amount(Bound(1_000, 0, cache_write_tokens=400), WRITING) == Decimal("0.0033")  # 0.0018 + 0.0015
        assert amount(Bound(1_000, 0, cache_write_tokens=0), WRITING) == Decimal("0.003")

    def test_takes_all_output_for_reasoning_where_that_is_dearer(self) -> None:
        assert amount(Bound(0, 100), WRITING) == Decimal("0.002")

    def test_has_every_tool_call_and_the_fee_of_a_request(self) -> None:
        bound = Bound(0, 0, tools=(("tool_calls", "search", 3),))
        assert amount(bound, tools={("tool_calls", "search"): Decimal("0.01")}) == Decimal("0.03")
        assert amount(Bound(0, 0), fee=Decimal("0.002")) == Decimal("0.002")

    def test_has_every_retry(self) -> None:
        assert amount(Bound(1_000, 500, max_retries=2)) == Decimal("0.0225")
        assert Bound(1_000, 500, max_retries=2).tokens == 4_500

    def test_is_told_line_by_line(self) -> None:
        found = worst_case_picos(Bound(1_000, 500, max_retries=1), WRITING, {})
        assert [(part.what, part.count, part.amount) for part in found.parts] == [
            ("input", 0, Decimal(0)),
            ("cache write", 2_000, Decimal("0.0075")),
            ("output", 1_000, Decimal("0.02")),
        ]

    @given(
        st.lists(st.integers(0, 300_000), min_size=3, max_size=3), st.lists(st.integers(0, 5_000), min_size=2, max_size=2),
        st.sampled_from([PLAIN, STEPPED, WRITING]),
    )  # fmt: skip
    def test_is_never_below_a_real_call_within_its_bounds(self, inputs, outputs, rates) -> None:
        (size, written, read), (output, thought) = inputs, outputs
        written, thought = min(written, size), min(thought, output)
        read = min(read, size - written)
        real = Tokens(size - written - read, output - thought, read, written, thought)
        found = worst_case_picos(Bound(size, output, cache_write_tokens=written), rates, {})
        assert cost_picos(real, rates) <= (found.picos or 0)


class TestWhatHasNoBound:
    @pytest.mark.parametrize(
        ("bound", "rates", "says"),
        [
            (Bound(1, 1), None, "the model has no price"),
            (Bound(None, 1), PLAIN, "input_tokens has no bound"),
            (Bound(1, None), PLAIN, "neither max_output_tokens nor the model's own ceiling is known"),
            (Bound(1, 1, tools=(("tool_calls", "search", 1),)), PLAIN, "tool_calls of search have no price"),
        ],
    )
    def test_says_what_is_missing(self, bound, rates, says) -> None:
        found = worst_case_picos(bound, rates, {})
        assert (found.picos, found.missing) == (None, says)

    def test_needs_no_output_where_output_is_free(self) -> None:
        embedding = Rates.parse(canonical({"input": "0.02", "output": "0"}))
        assert amount(Bound(1_000_000), embedding) == Decimal("0.02")
