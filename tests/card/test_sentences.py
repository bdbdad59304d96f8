"""A card in plain sentences: one for each metric, each action, each way back."""

from typing import get_args

import pytest

from trivet.card import sentences
from trivet.card.content import Card, Guard, parse
from trivet.card.presets import preset, presets
from trivet.card.steps import WAYS_BACK
from trivet.card.terms import CHOICES, RESERVED_FLAGS
from trivet.card.watched import Metric
from trivet_collectors.policy.evaluate import DEFAULTS

CHAT = preset("real-time-chat")


def guard(**said):
    plain = {
        "name": "g",
        "metric": "p95_latency_ms",
        "enter": 1500.0,
        "leave": 1200.0,
        "window_s": 60,
        "minimum_sample": 20,
    }
    return Guard(**(plain | said))


def told(card: Card = CHAT, **said):
    return sentences.guard_sentence(card, guard(**said))


class TestAGuard:
    def test_says_when_and_what_follows(self):
        assert told(for_s=60.0, raises_to=1) == (
            "When P95 latency over 60 s stays above 1.5 s for 60 s, the ladder climbs towards level 1: images and charts are "
            "off, tools become local only and answers end at 512 tokens. It is over below 1.2 s."
        )

    def test_that_goes_straight_there_says_so(self):
        assert "at once the ladder climbs level 2" in told(raises_to=2, at_once=True)

    def test_that_moves_nothing_is_told_only(self):
        assert told() == (
            "When P95 latency over 60 s is above 1.5 s, it is told and nothing else changes. It is over below 1.2 s."
        )

    def test_in_shadow_does_nothing(self):
        assert "would be (in shadow, nothing is done)" in told(raises_to=1, shadow=True)

    def test_where_less_is_worse_breaks_below(self):
        said = told(metric="quality", enter=0.8, leave=0.84, window_s=300)
        assert said.startswith("When quality over 5 min is below 0.8,") and said.endswith("It is over above 0.84.")

    def test_of_money_names_the_currency(self):
        assert "the cost of an hour over 60 s is above 60 USD" in told(metric="cost_per_hour", enter=60.0, leave=48.0)

    def test_that_burns_a_budget_names_the_budget(self):
        said = told(metric="error_rate", enter=0.05, leave=0.02, burn={"objective": 0.999})
        assert (
            said == "When the error rate burns the error budget of 0.1 % too fast, it is told and nothing else changes."
        )

    @pytest.mark.parametrize("metric", get_args(Metric))
    def test_of_every_metric_has_words(self, metric):
        low = metric in ("quality", "cache_hit_rate")
        said = told(metric=metric, enter=0.5, leave=0.6 if low else 0.4)
        assert "_" not in said and said.startswith("When ")

    def test_there_is_no_word_for_a_metric_that_is_none(self):
        assert set(sentences.METRICS) == set(get_args(Metric))


class TestAnAction:
    @pytest.mark.parametrize("flag", sorted(set(DEFAULTS) - RESERVED_FLAGS))
    def test_of_every_flag_has_words_for_every_choice(self, flag):
        default = DEFAULTS[flag]
        values = CHOICES.get(flag) or ((True, False) if isinstance(default, bool) else (type(default)(2),))
        said = [sentences.ACTIONS[flag](value) for value in values]
        assert len(set(said)) == len(said)
        assert all(words and not words.endswith(".") for words in said)

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            ({"context.max_turns": 1}, "context is cut to 1 turn"),
            ({"context.max_turns": 3, "tools.mode": "off"}, "tools are off and context is cut to 3 turns"),
            ({"features.off": "export"}, "export is off"),
            ({"features.off": "charts"}, "charts are off"),
            ({"admission": "limit", "admission.limit_rps": 5.0}, "5 requests a second are let in"),
            (
                {"retrieval.depth": 1, "rerank.depth": 2, "admission": "limit", "admission.limit_rps": 1.0},
                "1 passage is retrieved, 2 results are reranked and 1 request a second is let in",
            ),
            ({}, "nothing changes"),
        ],
    )
    def test_is_said_in_a_clause(self, flags, words):
        assert sentences.actions(flags) == words


class TestALevel:
    def test_says_what_it_does_and_how_it_ends(self):
        assert sentences.level_sentence(CHAT.ladder[0]) == (
            "Level 1: images and charts are off, tools become local only and answers end at 512 tokens. It lasts 30 s at "
            "least and ends when the metrics have recovered and stay so for 60 s; 5 %, 20 %, 50 % and 100 % of conversations "
            "go back, one after the other."
        )

    @pytest.mark.parametrize("way", WAYS_BACK)
    def test_has_words_for_every_way_back(self, way):
        step = CHAT.ladder[0].model_copy(update={"way_back": way})
        assert sentences.WAYS_BACK[way].partition("{")[0] in sentences.level_sentence(step)

    def test_names_for_how_many_and_for_whom_it_is_otherwise(self):
        card = CHAT.model_dump(mode="json")
        card["ladder"][0] |= {
            "shares": {"output.max_tokens": 0.5},
            "audiences": [{"tiers": ["vip"], "tenants": ["acme"], "flags": {"tools.mode": "all"}}],
        }
        said = sentences.level_sentence(parse(card).ladder[0])
        assert said.startswith(
            "Level 1: images and charts are off and tools become local only. In 50 % of conversations only: answers end at "
            "512 tokens. "
        )
        assert "For tier vip and acme all tools are allowed instead." in said


class TestAWholeCard:
    @pytest.mark.parametrize("name", sorted(presets()))
    def test_is_told_in_whole_sentences(self, name):
        card = preset(name)
        parts = sentences.paragraphs(card)
        assert [part.title for part in parts] == ["Promise", "Guards", "Ladder", "Way back"]
        assert len(parts[1].sentences) == len(card.guards) and len(parts[2].sentences) == len(card.ladder)
        assert all(s[0].isupper() and s[-1] in ".”" for part in parts for s in part.sentences)

    def test_begins_with_what_gives_way(self):
        first, *_ = sentences.paragraphs(CHAT)[0].sentences
        assert first == "Cost gives way first, then quality and latency; the scenario is core."
