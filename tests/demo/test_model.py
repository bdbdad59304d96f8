"""The simulated model's timing, on a clock of the test's own."""

import pytest

from trivet.demo.engine import Engine
from trivet.demo.model import LARGE, SMALL, Line, ModelSpec, PrefixCache, score
from trivet.demo.obey import Asked, Plan, plan
from trivet_collectors.policy.evaluate import DEFAULTS

FOREVER = float("inf")


def planned(model=LARGE.name, input_tokens=1000, output_tokens=100, reasoning=0):
    return Plan(model, input_tokens, output_tokens, reasoning, shortened=False, context_kept=1.0, output_kept=1.0)


def serve(engine, now_s, call, conversation="", timeout_s=FOREVER):
    return engine.serve(now_s, call, conversation=conversation, timeout_s=timeout_s)


class TestALineOfSlots:
    def test_a_free_slot_is_taken_at_once(self):
        line = Line(2)
        assert [line.take(0, 5, FOREVER).starts_at_s for _ in range(2)] == [0, 0]

    def test_a_call_waits_for_the_slot_that_is_free_first(self):
        line = Line(2)
        line.take(0, 5, FOREVER)
        line.take(0, 3, FOREVER)
        third, fourth = line.take(1, 1, FOREVER), line.take(1, 1, FOREVER)
        assert (third.starts_at_s, third.ends_at_s) == (3, 4)
        assert (fourth.starts_at_s, fourth.ends_at_s) == (4, 5)

    def test_the_queue_is_counted_and_shrinks(self):
        line = Line(1)
        for _ in range(3):
            line.take(0, 2, FOREVER)
        assert [line.waiting(now) for now in (0, 1, 2, 3, 4, 9)] == [2, 2, 1, 1, 0, 0]

    def test_a_call_that_would_start_too_late_gives_up_and_takes_no_slot(self):
        line = Line(1)
        line.take(0, 10, FOREVER)
        assert line.take(0, 1, 5) == line.take(0, 1, 5)
        assert line.take(0, 1, 5).gave_up
        assert line.take(0, 1, FOREVER).starts_at_s == 10

    def test_a_call_that_would_end_too_late_holds_its_slot_until_its_limit(self):
        line = Line(1)
        place = line.take(0, 10, 4)
        assert (place.starts_at_s, place.ends_at_s, place.gave_up) == (0, 4, True)
        assert line.take(0, 1, FOREVER).starts_at_s == 4


class TestPrefixCache:
    def test_a_conversation_is_read_once_in_whole_blocks(self):
        cache = PrefixCache()
        assert cache.read("a", 100) == 0
        assert cache.read("a", 300) == 96
        assert cache.read("a", 50) == 48  # never the whole prompt: the last token is always worked out
        assert cache.read("b", 300) == 0

    def test_without_a_conversation_nothing_is_shared(self):
        cache = PrefixCache()
        assert cache.read("", 100) == cache.read("", 100) == 0

    def test_it_forgets_what_was_not_used_for_longest(self):
        cache = PrefixCache(conversations_max=2)
        for name in ("a", "b", "a", "c"):
            cache.read(name, 32)
        assert cache.read("a", 33) == 32
        assert cache.read("b", 33) == 0


class TestTheEngine:
    def test_prefill_goes_by_uncached_input_and_decode_by_output(self):
        engine = Engine()
        first = serve(engine, 0, planned(input_tokens=1200, output_tokens=200), "c")
        again = serve(engine, 100, planned(input_tokens=1200, output_tokens=200), "c")
        assert first.ends_at_s == pytest.approx(LARGE.prefill_s(1200) + LARGE.decode_s(200))
        assert again.cache_read_tokens == 1184
        assert again.ends_at_s - 100 == pytest.approx(LARGE.prefill_s(16) + LARGE.decode_s(200))

    def test_the_first_token_comes_after_queue_and_prefill(self):
        one = ModelSpec("one", "", slots=1, prefill_tokens_per_s=100, decode_tokens_per_s=10, quality=1)
        engine = Engine({"one": one})
        serve(engine, 0, planned("one", 100, 10))
        second = serve(engine, 0, planned("one", 100, 10))
        assert second.starts_at_s == pytest.approx(2.0)
        assert second.first_token_at_s == pytest.approx(2.0 + 1.0 + 0.1)
        assert [second.output_at(t) for t in (0, 2.9, 3.11, 3.56, 4.0, 9)] == [0, 0, 1, 5, 10, 10]

    def test_shorter_calls_make_a_shorter_queue(self):
        long, short = Engine(), Engine()
        for _ in range(60):
            last_long = serve(long, 0, planned(output_tokens=400))
            last_short = serve(short, 0, planned(output_tokens=100))
        assert last_short.ends_at_s < last_long.ends_at_s / 2

    def test_the_small_model_has_a_queue_of_its_own(self):
        engine = Engine()
        for _ in range(50):
            serve(engine, 0, planned(LARGE.name))
        assert serve(engine, 0, planned(SMALL.name)).starts_at_s == 0
        assert engine.waiting(0) == {LARGE.name: 50 - LARGE.slots, SMALL.name: 0}

    def test_a_time_limit_in_the_queue_costs_no_tokens(self):
        one = ModelSpec("one", "", slots=1, prefill_tokens_per_s=100, decode_tokens_per_s=10, quality=1)
        engine = Engine({"one": one})
        serve(engine, 0, planned("one", 1000, 100))
        late = serve(engine, 0, planned("one", 1000, 100), timeout_s=5)
        assert (late.outcome, late.ends_at_s, late.input_tokens, late.output_tokens) == ("timeout", 5, 0, 0)
        assert late.finish_reason == "error"

    def test_a_time_limit_while_decoding_costs_what_was_written(self):
        one = ModelSpec("one", "", slots=1, prefill_tokens_per_s=100, decode_tokens_per_s=10, quality=1)
        cut = serve(Engine({"one": one}), 0, planned("one", 100, 100), timeout_s=3)
        assert (cut.outcome, cut.input_tokens, cut.output_tokens) == ("timeout", 100, 20)


class TestQuality:
    def test_a_whole_answer_has_the_models_own(self):
        assert score(LARGE, context_kept=1, output_kept=1) == LARGE.quality
        assert SMALL.quality < LARGE.quality

    @pytest.mark.parametrize("cut", [{"context_kept": 0.5, "output_kept": 1}, {"context_kept": 1, "output_kept": 0.5}])
    def test_every_cut_costs_some(self, cut):
        assert score(LARGE, **cut) < LARGE.quality

    def test_a_lost_answer_costs_more_than_a_lost_context(self):
        assert score(LARGE, context_kept=1, output_kept=0.2) < score(LARGE, context_kept=0.2, output_kept=1)


ASKED = Asked(LARGE.name, turns=(400, 300, 200, 100), max_tokens=500)


class TestWhatAPolicyMakesOfACall:
    @pytest.mark.parametrize(
        ("flags", "model", "input_tokens", "output_tokens"),
        [
            ({}, LARGE.name, 1000, 500),
            ({"output.max_tokens": 128}, LARGE.name, 1000, 128),
            ({"output.max_tokens": 900}, LARGE.name, 1000, 500),
            ({"context.max_turns": 2}, LARGE.name, 300, 500),
            ({"context.max_turns": 9}, LARGE.name, 1000, 500),
            ({"context.max_tokens": 250}, LARGE.name, 250, 500),
            ({"context.max_turns": 1, "context.max_tokens": 250}, LARGE.name, 100, 500),
            ({"model.route": "small"}, SMALL.name, 1000, 500),
            ({"model.route": SMALL.name}, SMALL.name, 1000, 500),
            ({"model.route": "somebody-elses"}, LARGE.name, 1000, 500),
            ({"tools.mode": "local"}, LARGE.name, 920, 500),
            ({"tools.mode": "off"}, LARGE.name, 800, 500),
            ({"features.off": "charts,images"}, LARGE.name, 900, 500),
            ({"features.off": "a,b,c,d,e,f,g"}, LARGE.name, 800, 500),
            ({"retrieval.depth": 10}, LARGE.name, 800, 500),
            ({"retrieval.depth": 99}, LARGE.name, 1000, 500),
            ({"tools.mode": "off", "features.off": "charts,images"}, LARGE.name, 720, 500),
        ],
    )
    def test_each_flag_does_its_part(self, flags, model, input_tokens, output_tokens):
        made = plan(ASKED, {**DEFAULTS, **flags})
        assert (made.model, made.input_tokens, made.output_tokens) == (model, input_tokens, output_tokens)
        assert made.context_kept == pytest.approx(input_tokens / 1000)
        assert made.shortened == (output_tokens < 500)

    def test_reasoning_is_part_of_the_output_that_is_left(self):
        asked = Asked(LARGE.name, (10,), 500, reasoning_share=0.4)
        assert plan(asked, {**DEFAULTS, "output.max_tokens": 100}).reasoning_tokens == 40

    def test_an_unknown_model_is_served_by_the_large_one(self):
        assert plan(Asked("gpt-x", (10,), None), DEFAULTS).model == LARGE.name
