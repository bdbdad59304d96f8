"""Why an amount moved: parts that are the change to the last pico, worked by hand and by property."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trivet.report import moves, why
from trivet.report.moves import Item, Running, Statement, per_million, per_token_moved, statement_moved
from trivet.report.why import Term, UnequalError, split_change

PICO = Decimal("0.000000000001")
NANO = Decimal("0.000000001")
NAMES = ("volume", "price")


def money(text):
    return Decimal(text).quantize(PICO)


def term(*factors):
    product = Decimal(1)
    for factor in factors:
        product *= Decimal(factor)
    return Term(product, tuple(map(Decimal, factors)))


def said(parts):
    return {name: f"{part:f}" for name, part in parts.items() if part}


class TestByHand:
    def test_twice_the_volume_at_the_same_price_is_volume(self):
        assert split_change({"a": term(10, 3)}, {"a": term(20, 3)}, NAMES, appears="volume") == {
            "volume": money("30"),
            "price": money("0"),
        }

    def test_volume_and_price_share_a_change_by_their_logarithms(self):
        """100 = 10 × 10 becomes 200 = 16 × 12.5. L(200, 100) = 100 / ln 2 = 144.269504088896…; volume: × ln 1.6 =
        0.470003629245… -> 67.807190511263…; price: × ln 1.25 = 0.223143551314… -> 32.192809488736…; together 100.
        """
        parts = split_change({"a": term(10, 10)}, {"a": term(16, "12.5")}, NAMES, appears="volume")
        assert said(parts) == {"volume": "67.807190511264", "price": "32.192809488736"}
        assert sum(parts.values()) == 100

    def test_a_pico_that_rounding_leaves_goes_to_the_largest_remainder(self):
        third = Decimal(1) / 3
        assert why.rounded({"a": third, "b": third, "c": third}, Decimal(1)) == {
            "a": Decimal("0.333333333334"),
            "b": Decimal("0.333333333333"),
            "c": Decimal("0.333333333333"),
        }

    def test_what_grew_and_shrank_alike_moved_nothing_and_both_are_told(self):
        parts = split_change({"a": term(10, 4)}, {"a": term(20, 2)}, NAMES, appears="volume")
        assert parts["volume"] == -parts["price"] == money("27.725887222398")  # 40 × ln 2

    def test_a_term_that_appears_and_one_that_vanishes_are_what_the_caller_says(self):
        parts = split_change({"a": term(2, 5)}, {"b": term(3, 7)}, ("mix", "price"), appears="mix")
        assert said(parts) == {"mix": "11.000000000000"}

    def test_a_price_that_was_nothing_takes_all_of_it(self):
        assert said(split_change({"a": term(9, 0)}, {"a": term(8, 5)}, NAMES, appears="volume")) == {
            "price": "40.000000000000"
        }

    def test_a_factor_that_changes_its_sign_takes_all_of_it(self):
        assert said(split_change({"a": term(9, -1)}, {"a": term(8, 5)}, NAMES, appears="volume")) == {
            "price": "49.000000000000"
        }

    def test_two_negative_amounts_are_split_like_others(self):
        parts = split_change({"a": term(10, -3)}, {"a": term(20, -3)}, NAMES, appears="volume")
        assert said(parts) == {"volume": "-30.000000000000"}

    def test_factors_that_are_no_product_are_a_fault_of_ours(self):
        with pytest.raises(UnequalError):
            split_change({"a": Term(Decimal(10), (Decimal(1), Decimal(1)))}, {"a": term(7, 2)}, NAMES, appears="volume")


def statement(tokens, *, pool=None, hosted=None, idle="0"):
    """Items: a pool's (amount, work units, price of a GPU hour), a hosted model's (amount, value at reference rates)."""
    items = {}
    if pool:
        items["small", "h100"] = Item(Decimal(pool[0]), Decimal(pool[1]), Decimal(pool[2]))
    if hosted:
        items["gpt-4o", "none"] = Item(Decimal(hosted[0]), Decimal(hosted[1]))
    return Statement(tokens, items, {"idle": Decimal(idle)})


class TestAStatement:
    def test_more_of_the_same_is_volume(self):
        before = statement(1_000, pool=("10", 100, "3"), hosted=("5", 5))
        after = statement(2_000, pool=("20", 200, "3"), hosted=("10", 10))
        assert said(statement_moved(before, after)) == {"volume": "15.000000000000"}

    def test_a_dearer_hour_and_a_dearer_token_are_price(self):
        before = statement(1_000, pool=("10", 100, "3"), hosted=("5", 5))
        after = statement(1_000, pool=("20", 100, "6"), hosted=("7.5", 5))
        assert said(statement_moved(before, after)) == {"price": "12.500000000000"}

    def test_what_a_new_price_misses_by_rounding_is_efficiency(self):
        """A tenth of 1.000002305024 is 0.4 picos less when rounded; L(0.1, 1) is 3.9 times the 0.1: 1.57 picos, said as 2."""
        before = statement(1, pool=("1.000002305024", 1, "0.000001"))
        after = statement(1, pool=("0.100000230502", 1, "0.0000001"))
        assert said(statement_moved(before, after)) == {"price": "-0.900002074520", "efficiency": "-0.000000000002"}

    def test_dearer_models_for_the_same_tokens_are_mix(self):
        before = statement(1_000, pool=("10", 100, "3"), hosted=("5", 5))
        after = statement(1_000, pool=("5", 50, "3"), hosted=("15", 15))
        assert said(statement_moved(before, after)) == {"mix": "5.000000000000"}

    def test_fewer_hours_for_the_same_work_are_efficiency(self):
        before = statement(1_000, pool=("10", 100, "3"))
        after = statement(1_000, pool=("7.5", 100, "3"))
        assert said(statement_moved(before, after)) == {"efficiency": "-2.500000000000"}

    def test_what_nobody_used_is_idle(self):
        before, after = (statement(1_000, pool=("10", 100, "3"), idle=idle) for idle in ("4", "1.5"))
        assert said(statement_moved(before, after)) == {"idle": "-2.500000000000"}

    def test_a_model_that_came_is_mix_and_a_first_use_is_volume(self):
        before = statement(1_000, pool=("10", 100, "3"))
        both = statement(1_000, pool=("10", 100, "3"), hosted=("5", 5))
        assert said(statement_moved(before, both)) == {"mix": "5.000000000000"}
        assert said(statement_moved(Statement(0), both)) == {"volume": "15.000000000000"}

    def test_what_costs_without_tokens_is_volume(self):
        before, after = (Statement(0, {"tools": Item(Decimal(n), Decimal(0))}) for n in (2, 3))
        assert said(statement_moved(before, after)) == {"volume": "1.000000000000"}


class TestCostPerToken:
    def pool(self, cost="30", hours="10", work="900", tokens=900, rated="100"):
        return Running(Decimal(cost), Decimal(hours), Decimal(work), tokens, Decimal(rated) if rated else None)

    def test_a_dearer_hour_is_price(self):
        before, after = {"a": self.pool()}, {"a": self.pool(cost="60")}
        assert said(per_token_moved(before, after)) == {"price": "33333.333333333334"}
        assert per_million(after) - per_million(before) == Decimal("33333.333333333334")

    def test_a_fuller_pool_is_utilisation(self):
        before, after = {"a": self.pool()}, {"a": self.pool(work="1800", tokens=1_800)}
        assert said(per_token_moved(before, after)) == {"utilisation": "-16666.666666666666"}

    def test_a_faster_engine_with_the_same_utilisation_is_efficiency(self):
        before, after = {"a": self.pool()}, {"a": self.pool(work="1800", tokens=1_800, rated="200")}
        assert said(per_token_moved(before, after)) == {"efficiency": "-16666.666666666666"}

    def test_without_a_load_test_there_is_no_efficiency(self):
        before, after = {"a": self.pool(rated=None)}, {"a": self.pool(work="1800", tokens=1_800)}
        assert said(per_token_moved(before, after)) == {"utilisation": "-16666.666666666666"}

    def test_a_pool_that_came_is_mix_with_what_it_took_from_others(self):
        parts = per_token_moved({"a": self.pool()}, {"a": self.pool(), "b": self.pool(cost="60")})
        assert said(parts).keys() == {"mix"}

    def test_a_pool_that_did_nothing_is_utilisation(self):
        before = {"a": self.pool(), "b": self.pool(cost="9", work="0", tokens=0)}
        after = {"a": self.pool(), "b": self.pool(cost="9", work="90", tokens=0)}
        assert per_token_moved(before, after) == dict.fromkeys(moves.PER_TOKEN, Decimal(0))

    def test_no_tokens_no_cost_per_token(self):
        assert per_token_moved({"a": self.pool(tokens=0)}, {"a": self.pool()}) is None


amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=12)
positive = st.decimals(min_value=Decimal("0.000001"), max_value=10**9, places=6)
items = st.builds(Item, amounts, st.one_of(st.just(Decimal(0)), positive), st.one_of(st.none(), positive))
statements = st.builds(
    Statement,
    st.integers(0, 10**12),
    st.dictionaries(st.integers(0, 5), items, max_size=6),
    st.dictionaries(st.sampled_from(moves.KEPT), amounts),
)
pools = st.dictionaries(
    st.integers(0, 4),
    st.builds(
        Running,
        st.decimals(min_value=0, max_value=10**9, places=12),
        positive,
        st.one_of(st.just(Decimal(0)), positive),
        st.integers(0, 10**12),
        st.one_of(st.none(), positive),
    ),
    max_size=5,
)


few = settings(max_examples=40)


class TestWhatever:
    @few
    @given(statements, statements)
    def test_the_parts_of_a_statement_are_its_change_to_the_pico(self, before, after):
        parts = statement_moved(before, after)
        assert tuple(parts) == moves.STATEMENT
        assert sum(parts.values(), Decimal(0)) == after.total - before.total
        assert all(part == part.quantize(PICO) for part in parts.values())

    @few
    @given(pools, pools)
    def test_the_parts_of_a_cost_per_token_are_its_change_to_the_pico(self, before, after):
        parts = per_token_moved(before, after)
        if parts is not None:
            assert sum(parts.values()) == per_million(after) - per_million(before)

    @few
    @given(statements)
    def test_no_change_has_no_parts(self, statement):
        assert not any(statement_moved(statement, statement).values())

    @few
    @given(statements, st.decimals(min_value="0.1", max_value=10, places=3))
    @example(Statement(0, {0: Item(Decimal("0.000002305024"), Decimal(0), Decimal("0.000001"))}), Decimal("0.100"))
    def test_where_only_prices_changed_all_of_it_is_price(self, given_, factor):
        before = Statement(
            given_.tokens or 1,  # whole nanos, times thousandths: what is dearer is a whole number of picos
            {k: Item((abs(i.amount) + 1).quantize(NANO), i.work + 1, i.price) for k, i in given_.items.items()},
        )
        after = Statement(
            before.tokens,
            {
                k: Item(i.amount * factor, i.work, None if i.price is None else i.price * factor)
                for k, i in before.items.items()
            },
        )
        assert said(statement_moved(before, after)).keys() <= {"price"}

    @few
    @given(statements, statements, st.integers(0, 2**32))
    def test_the_order_of_items_changes_nothing(self, before, after, seed):
        def shuffled(given_):
            items_ = list(given_.items.items())
            Random(seed).shuffle(items_)
            return Statement(given_.tokens, dict(items_), given_.kept)

        assert statement_moved(shuffled(before), shuffled(after)) == statement_moved(before, after)

    @few
    @given(statements, statements)
    def test_the_way_back_is_the_way_there(self, before, after):
        there, back = statement_moved(before, after), statement_moved(after, before)
        assert all(abs(there[name] + back[name]) <= PICO for name in there)
