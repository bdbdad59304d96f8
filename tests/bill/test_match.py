"""Parts always sum to the difference, whatever the figures; and each cause by the smallest case that has it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.bill.match import CAUSES, KINDS, Group, Measured, Terms, by_cause, match
from trivet.kit.money import PICO

DAY = date(2026, 11, 17)
TARGET = (DAY, 1, 0, "")
MILLION = 1_000_000
IN = {"input": Decimal("2.50") / MILLION}


def group(amount, kind="input", tokens=None, *, target=TARGET, category="usage", slack="0", **other):
    given = {"outside": False, "covered": False} | other
    return Group(
        target, kind, category, given["outside"], given["covered"], tokens is not None, Decimal(amount),
        Decimal(tokens or 0), Decimal(slack),
    )  # fmt: skip


def measured(cost="0", unpriced=None, **tokens):
    return Measured({"USD": Decimal(cost)} if Decimal(cost) else {}, tokens, unpriced or {})


def parts(groups, seen=None, cost="0", rates=IN, **options):
    seen = seen or {}
    terms = {target: Terms(rates, None if cost is None else Decimal(cost)) for target in seen}
    rows = match(groups, seen, terms, **options)
    return {key: str(amount.normalize()) for key, amount in by_cause(rows).items()}


class TestCauses:
    def test_another_unit_price(self):
        assert parts([group("3", tokens=MILLION)], {TARGET: measured("2.5", input=MILLION)}, "2.5") == {
            ("price", "input"): "0.5"
        }

    def test_tokens_that_only_the_bill_has(self):
        assert parts([group("5", tokens=2 * MILLION)], {TARGET: measured("2.5", input=MILLION)}, "2.5") == {
            ("volume", "input"): "2.5"
        }

    def test_tokens_that_only_we_have(self):
        assert parts([], {TARGET: measured("2.5", input=MILLION)}, "2.5") == {("volume", "input"): "-2.5"}

    def test_price_and_volume_at_once(self):
        """1.5 M at 3.00 for 1 M at 2.50: half a million more at our price, and 0.50 a million more for what is billed."""
        assert parts([group("4.5", tokens=1_500_000)], {TARGET: measured("2.5", input=MILLION)}, "2.5") == {
            ("volume", "input"): "1.25",
            ("price", "input"): "0.75",
        }

    def test_a_price_of_ours_that_steps_by_length_is_what_it_was_on_average(self):
        """Measured at 3.00 a million where the book's first step says 2.50: no difference to a bill of the same."""
        assert parts([group("3", tokens=MILLION)], {TARGET: measured("3", input=MILLION)}, "3") == {}

    def test_tokens_without_a_price(self):
        seen = {TARGET: measured(unpriced={"input": MILLION})}
        assert parts([group("0.7", tokens=MILLION)], seen, rates={}) == {("unpriced", "input"): "0.7"}

    def test_half_of_them_without_a_price(self):
        seen = {TARGET: measured("1.25", input=500_000, unpriced={"input": 500_000})}
        assert parts([group("2.5", tokens=MILLION)], seen, "1.25") == {("unpriced", "input"): "1.25"}

    def test_a_bill_without_tokens_is_explained_where_one_side_has_nothing(self):
        seen = {TARGET: measured("2.5", input=MILLION)}
        assert parts([group("2.5"), group("5.9", "cache_write")], seen, "2.5") == {("volume", "cache_write"): "5.9"}

    def test_a_bill_without_tokens_else_stays_unexplained(self):
        assert parts([group("2.73")], {TARGET: measured("2.5", input=MILLION)}, "2.5") == {
            ("unexplained", "input"): "0.23"
        }

    def test_tokens_from_a_file_beside_it_explain_it(self):
        both = [group("2.75"), group("0", tokens=1_100_000)]
        seen = {TARGET: measured("2.5", input=MILLION)}
        assert parts(both, seen, "2.5", beside=True) == {("volume", "input"): "0.25"}

    def test_cents_that_the_lines_were_rounded_to(self):
        seen = {TARGET: measured("2.497", input=MILLION)}
        assert parts([group("2.50", slack="0.005")], seen, "2.497") == {("rounding", "input"): "0.003"}
        assert parts([group("2.50", tokens=MILLION, slack="0.005")], seen, "2.497") == {("rounding", "input"): "0.003"}

    def test_reasoning_is_output_where_the_bill_has_none_of_its_own(self):
        rates = {"output": Decimal(10) / MILLION, "reasoning": Decimal(10) / MILLION}
        seen = {TARGET: measured("10", output=400_000, reasoning=600_000)}
        assert parts([group("10", "output", MILLION)], seen, "10", rates) == {}

    @pytest.mark.parametrize(
        ("category", "cause"),
        [("tax", "tax"), ("credit", "credit"), ("purchase", "commitment"), ("adjustment", "correction")],
    )
    def test_what_is_charged_beside_tokens_is_explained_whole(self, category, cause):
        assert parts([group("1.5", "", category=category)]) == {(cause, ""): "1.5"}

    def test_usage_that_a_commitment_covers_is_billed_at_nothing(self):
        seen = {TARGET: measured("2.5", input=MILLION)}
        assert parts([group("0", tokens=MILLION, covered=True)], seen, "2.5") == {("commitment", "input"): "-2.5"}

    def test_corrections_and_other_days_are_not_compared(self):
        assert parts([group("1", outside=True)], {TARGET: measured("2.5", input=MILLION)}, "2.5") == {
            ("correction", "input"): "1",
            ("volume", "input"): "-2.5",
        }

    def test_a_name_nobody_knows(self):
        assert parts([group("0.33", target=(DAY, 0, 0, "mystery"))]) == {("unknown_model", "input"): "0.33"}

    def test_a_fee_of_a_known_model(self):
        assert parts([group("0.25", "")]) == {("fee", ""): "0.25"}

    def test_no_rate_between_two_currencies(self):
        assert parts([group("3", tokens=MILLION)], {TARGET: measured("2.5", input=MILLION)}, None) == {
            ("no_rate", "input"): "3"
        }

    def test_hours_of_a_pool_against_what_they_cost(self):
        target = (DAY, 0, 7, "")
        assert parts([group("33.8", "", target=target)], {target: measured("33.8")}, "33.8") == {}
        assert parts([group("34", "", target=target)], {target: measured("33.8")}, "33.8") == {
            ("price", "capacity"): "0.2"
        }

    def test_tokens_over_midnight_cancel_between_two_days(self):
        later = (DAY + timedelta(days=1), 1, 0, "")
        groups = [group("2", tokens=800_000), group("3", tokens=1_200_000, target=later)]
        seen = {TARGET: measured("2.5", input=MILLION), later: measured("2.5", input=MILLION)}
        rows = match(groups, seen, {target: Terms(IN, Decimal("2.5")) for target in seen})
        assert [row.parts for row in rows] == [
            {("day_boundary", "input"): Decimal("-0.5")},
            {("day_boundary", "input"): Decimal("0.5")},
        ]

    def test_every_cause_is_described(self):
        assert len(CAUSES) == 13


AMOUNTS = st.decimals(-1000, 1000, places=12, allow_nan=False, allow_infinity=False)
TOKENS = st.integers(0, 10**10)
TARGETS = st.sampled_from([
    (DAY + timedelta(days=d), model, pool, name)
    for d in range(3)
    for model, pool, name in ((1, 0, ""), (2, 0, ""), (0, 3, ""), (0, 0, "?"), (0, 0, ""))
])  # fmt: skip
GROUPS = st.builds(
    Group, TARGETS, st.sampled_from(["", *KINDS]), st.sampled_from(["usage", "usage", "tax", "credit", "purchase", "adjustment"]),
    st.booleans(), st.booleans(), st.booleans(), AMOUNTS, st.decimals(0, 10**10, places=3), st.decimals(0, 1, places=4),
)  # fmt: skip
COUNTS = st.dictionaries(st.sampled_from(KINDS), TOKENS, max_size=5)
COSTS = st.decimals(0, 1000, places=12)
SEEN = st.dictionaries(TARGETS, st.tuples(COSTS, COUNTS, COUNTS), max_size=6)
RATES = st.dictionaries(st.sampled_from(KINDS), st.decimals(0, "0.001", places=9), max_size=5)


@settings(max_examples=100)
@given(st.lists(GROUPS, max_size=12), SEEN, RATES, st.tuples(*[st.booleans()] * 3))
def test_parts_always_sum_to_the_difference(groups, seen, rates, options):
    beside, by_day, has_rate = options
    found = {target: Measured({"USD": cost}, tokens, unpriced) for target, (cost, tokens, unpriced) in seen.items()}
    terms = {target: Terms(rates, cost if has_rate else None) for target, (cost, *_) in seen.items()}
    rows = match(groups, found, terms, beside=beside, by_day=by_day)
    for row in rows:
        assert sum(row.parts.values()) == row.billed - row.measured
        assert all(amount == amount.quantize(PICO) for amount in row.parts.values())
        assert {cause for cause, _ in row.parts} <= CAUSES.keys()
    assert sum(row.billed for row in rows) == sum(g.amount for g in groups)
    expected = sum(cost for cost, *_ in seen.values()) if has_rate else 0
    assert sum(row.measured for row in rows) == expected
