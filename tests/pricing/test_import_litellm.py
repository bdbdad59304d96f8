"""LiteLLM's price file: what is taken, what is left out and why, and that costs come out as LiteLLM's own rule has them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from trivet.kit.errors import Invalid
from trivet.pricing.importing import litellm
from trivet.pricing.rate import Rates, Tokens, cost_picos

FILE = Path(__file__).parent.parent / "data" / "prices" / "litellm-1.109.1-cut.json"
LIST = litellm.read(FILE.read_bytes())
OFFERS = {offer.sold: offer for offer in LIST.offers}


def dollars(provider, model, tier="", **tokens):
    rates = Rates.parse(OFFERS[provider, model, tier].rates)
    return Decimal(cost_picos(Tokens(**tokens), rates)).scaleb(-12)


def read(**entries):
    return litellm.read(json.dumps(entries).encode())


PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
PLAIN = {"litellm_provider": "openai", "mode": "chat", **PRICES}


class TestLiteLlmsOwnRule:
    """USD per million tokens, litellm 1.109.1; each sum worked out by hand."""

    def test_gpt_4o(self):
        # 600 x 2.50 + 400 x 1.25 + 200 x 10 = 1500 + 500 + 2000 = 4000 per million
        usage = {"input": 600, "cache_read": 400, "output": 200}
        assert dollars("openai", "gpt-4o", **usage) == Decimal("0.004")
        # batch: 600 x 1.25 + 400 x 1.25 (it has no batch rate of its own) + 200 x 5 = 750 + 500 + 1000 = 2250
        assert dollars("openai", "gpt-4o", "batch", **usage) == Decimal("0.00225")
        # priority: 600 x 4.25 + 400 x 2.125 + 200 x 17 = 2550 + 850 + 3400 = 6800
        assert dollars("openai", "gpt-4o", "priority", **usage) == Decimal("0.0068")

    def test_gpt_5_reasons_at_the_price_of_output_where_it_has_none_of_its_own(self):
        # 1000 x 1.25 + 300 x 10 + 700 x 10 = 1250 + 10000; flex is half, priority double
        usage = {"input": 1000, "output": 300, "reasoning": 700}
        assert [dollars("openai", "gpt-5", tier, **usage) for tier in ("", "flex", "priority")] == [
            Decimal("0.01125"), Decimal("0.005625"), Decimal("0.0225"),
        ]  # fmt: skip

    def test_reasoning_has_its_own_price_where_it_is_listed(self):
        # 1000 x 0.40 + 100 x 1.20 + 200 x 4.00 = 400 + 120 + 800
        assert dollars("dashscope", "qwen-plus-2025-04-28", input=1000, output=100, reasoning=200) == Decimal("0.00132")

    def test_claude_sonnet_4_5_reads_and_writes_its_cache(self):
        # 100 x 3 + 1000 x 0.30 + 2000 x 3.75 + 50 x 15 = 300 + 300 + 7500 + 750
        usage = {"input": 100, "cache_read": 1000, "cache_write": 2000, "output": 50}
        assert dollars("anthropic", "claude-sonnet-4-5", **usage) == Decimal("0.00885")

    def test_writes_kept_for_an_hour_are_where_we_differ_and_the_offer_says_so(self):
        # LiteLLM: 2000 x 6.00 = 12000 where the answer says an hour; no span does, so here 2000 x 3.75 = 7500
        assert dollars("anthropic", "claude-sonnet-4-5", cache_write=2000) == Decimal("0.0075")
        assert litellm.LONGER_CACHE in OFFERS["anthropic", "claude-sonnet-4-5", ""].beside

    def test_a_long_prompt_takes_every_rate_beyond_the_threshold_cached_tokens_included(self):
        at = {"input": 150_000, "cache_read": 50_000, "output": 1000}
        # 150000 x 1.25 + 50000 x 0.125 + 1000 x 10 = 187500 + 6250 + 10000
        assert dollars("gcp.gemini", "gemini-2.5-pro", **at) == Decimal("0.20375")
        # one token more: 150001 x 2.50 + 50000 x 0.25 + 1000 x 15 = 375002.5 + 12500 + 15000
        assert dollars("gcp.gemini", "gemini-2.5-pro", **at | {"input": 150_001}) == Decimal("0.4025025")

    def test_a_tier_without_a_long_rate_takes_the_standard_long_rate(self):
        # flex: beyond 200k its input is the standard 2.50 and its output the standard 15
        assert dollars("gcp.gemini", "gemini-2.5-pro", "flex", input=200_001, output=1000) == Decimal("0.5150025")

    def test_ranges_stand_instead_of_base_rates_and_begin_beyond_their_first_number(self):
        # 256000 x 0.05 + 10 x 0.40 = 12800 + 4; one more: 256001 x 0.25 + 10 x 2 = 64000.25 + 20
        assert dollars("dashscope", "qwen-flash", input=256_000, output=10) == Decimal("0.012804")
        assert dollars("dashscope", "qwen-flash", input=256_001, output=10) == Decimal("0.06402025")

    def test_below_its_first_step_a_cache_costs_what_input_does(self):
        long = {
            "input_cost_per_token_above_200k_tokens": 2e-6,
            "cache_creation_input_token_cost_above_200k_tokens": 25e-7,
        }
        (offer,) = read(m=PLAIN | long).offers
        assert offer.rates["cache_write"] == [[0, "1"], [200_000, "2.5"]]

    def test_an_explicit_zero_is_a_price(self):
        assert dollars("gcp.gemini", "gemini-exp-1114", input=5, output=5) == 0

    def test_embeddings(self):
        assert dollars("openai", "text-embedding-3-small", input=1_000_000) == Decimal("0.02")


class TestNames:
    @pytest.mark.parametrize(
        ("key", "provider", "sold"),
        [
            ("gpt-4o", "openai", ("openai", "gpt-4o")),
            ("azure/gpt-4o", "azure", ("azure.ai.openai", "gpt-4o")),
            ("gemini/gemini-2.5-pro", "gemini", ("gcp.gemini", "gemini-2.5-pro")),
            ("vertex_ai/claude-x", "vertex_ai-anthropic_models", ("gcp.vertex_ai", "claude-x")),
            ("claude-x", "vertex_ai-anthropic_models", ("gcp.vertex_ai", "claude-x")),
            ("anthropic.claude-x", "bedrock_converse", ("aws.bedrock", "anthropic.claude-x")),
            ("openrouter/openai/gpt-4o", "openrouter", ("openrouter", "openai/gpt-4o")),
            ("xai/grok-4", "xai", ("x_ai", "grok-4")),
        ],
    )
    def test_are_those_that_spans_use(self, key, provider, sold):
        assert litellm.named(key, provider) == sold


class TestWhatCannotBeSaid:
    def test_is_left_out_whole_with_its_reason(self):
        assert {each.name: each.reason for each in LIST.unsayable} == {
            "whisper-1": "mode audio_transcription: it is not paid by text tokens alone",
            "deepseek-flash": "its price depends on off_peak_pricing",
            "perplexity/pplx-70b-online": "its price depends on input_cost_per_request",
        }

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"litellm_provider": None}, "it names no provider"),
            ({"mode": "image_generation"}, "mode image_generation"),
            ({"output_cost_per_token": None}, "no price for output"),
            ({"input_cost_per_second": 0.1}, "depends on input_cost_per_second"),
            ({"input_cost_per_token": -1e-6}, "input_cost_per_token is no price"),
            ({"input_cost_per_token": "much"}, "input_cost_per_token is no number"),
            ({"input_cost_per_token": True}, "input_cost_per_token is no price"),
            ({"input_cost_per_token": 1e-30}, "more places than we keep"),
            (
                {"input_cost_per_token": None, "input_cost_per_token_above_200k_tokens": 1},
                "for input below 200000 tokens",
            ),
            ({"mode": ["chat"]}, "mode ['chat']"),
            ({"litellm_provider": "\ud800"}, "its name cannot be stored"),
            ({"litellm_provider": "p" * 300}, "its name cannot be stored"),
            ({"tiered_pricing": [{"range": [True, 1], "input_cost_per_token": 1}]}, "range is no price"),
            ({f"input_cost_per_token_above_{'9' * 5000}k_tokens": 1}, "depends on input_cost_per_token_above_999"),
            ({"tiered_pricing": [{"range": [n, 0], **PRICES} for n in range(21)]}, "for input has more than 20 steps"),
            ({"tiered_pricing": [{"range": [n, 0], **PRICES} for n in (0, 10**12)]}, "or one beyond all contexts"),
            ({"tiered_pricing": "yes"}, "tiered_pricing is no list"),
            ({"tiered_pricing": [{"input_cost_per_token": 1e-6}]}, "tiered_pricing has no ranges"),
            ({"a_new_kind_of_price": {"x": 1}}, "depends on a_new_kind_of_price"),
        ],
    )
    def test_says_which_field_it_was(self, more, reason):
        found = read(m=PLAIN | more)
        assert found.offers == ()
        assert reason in found.unsayable[0].reason

    @pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "1e99999999999999999999", '"1e999999999999"'])
    def test_numbers_beyond_all_prices_are_refused_at_once_and_are_never_free(self, number):
        text = json.dumps({"m": PLAIN, "n": PLAIN}).replace("1e-06", number, 1)
        found = litellm.read(text.encode())
        assert [offer.sold.model for offer in found.offers] == ["n"]
        assert found.unsayable[0].reason.startswith("input_cost_per_token is ")

    def test_a_range_that_begins_beyond_all_contexts_is_refused_at_once(self):
        ranges = [{"range": [start, 9], **PRICES} for start in (0, 7)]
        text = json.dumps({"m": PLAIN | {"tiered_pricing": ranges}}).replace("[7,", "[1e99999999,")
        assert litellm.read(text.encode()).unsayable[0].reason == "range is beyond all prices"

    def test_reasons_are_short_and_can_be_sent(self):
        assert read(m=PLAIN | {"mode": "\ud800" + "m" * 10_000}).unsayable[0].reason == "mode " + "m" * 194

    def test_two_entries_of_one_model_that_differ_are_both_left_out(self):
        found = read(**{"azure/m": PLAIN | {"litellm_provider": "azure"}, "m": PLAIN | {"litellm_provider": "azure", "output_cost_per_token": 1}})  # fmt: skip
        assert (found.offers, found.unsayable[0].reason) == ((), "two entries say different prices")

    def test_the_price_of_one_region_is_none_of_all(self):
        found = read(**{"bedrock/us-east-1/claude": PLAIN | {"litellm_provider": "bedrock"}})
        assert found.unsayable[0].reason == "it is the price of one region"

    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"{", b"[" * 100_000, b'{"m": NaN}', b"\xff"])
    def test_what_is_no_price_file_is_refused(self, data):
        with pytest.raises(Invalid):
            litellm.read(data)


class TestNumbers:
    def test_are_read_as_decimals(self):
        text = json.dumps({"m": PLAIN}).replace("1e-06", "0.123456789123456789e-6", 1)
        (left_out,) = litellm.read(text.encode()).unsayable  # a float would have been cut to fit
        assert left_out.reason == "its price for input has more places than we keep"
        text = text.replace("0.123456789123456789e-6", "0.123456789123e-6")
        assert litellm.read(text.encode()).offers[0].rates["input"] == [[0, "0.123456789123"]]

    def test_of_earlier_years_may_be_text(self):
        assert read(m=PLAIN | {"input_cost_per_token": "3e-6"}).offers[0].rates["input"] == [[0, "3"]]

    def test_xais_long_prices_begin_at_the_threshold(self):
        (offer,) = read(m=PLAIN | {"litellm_provider": "xai", "input_cost_per_token_above_128k_tokens": 4e-6}).offers
        rates = Rates.parse(offer.rates)
        assert [cost_picos(Tokens(input=n), rates) for n in (127_999, 128_000)] == [127_999_000_000, 512_000_000_000]
