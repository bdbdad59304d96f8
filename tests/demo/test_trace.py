"""The recorded trace: read as it is, mapped the same way every time, attributed."""

import gzip
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from trivet.demo import trace
from trivet.demo.replay import MIX, messages
from trivet.demo.trace import Arrival, Mix, Share, TraceError

ROOT = Path(__file__).parents[2]
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


class TestTheShippedCut:
    def test_it_is_as_published_and_lies_in_the_package(self):
        arrivals = trace.read(trace.CUT)
        assert len(arrivals) == 3600
        assert arrivals[:2] == [Arrival(0.0, 419, 130), Arrival(pytest.approx(0.016668), 181, 132)]
        assert all(a.at_s <= b.at_s for a, b in pairwise(arrivals))
        assert trace.CUT.is_relative_to(Path(trace.__file__).parent)

    @pytest.mark.parametrize("place", [ROOT / "NOTICE", trace.CUT.parent / "README.md"])
    def test_its_authors_licence_and_changes_are_named(self, place):
        words = " ".join(place.read_text("utf-8").split())
        for needed in (
            trace.CUT.name,
            "Microsoft Azure",
            "https://github.com/Azure/AzurePublicDataset",
            "CC BY 4.0",
            "https://creativecommons.org/licenses/by/4.0/",
            "Patel et al." if place.suffix else "Pratyush Patel",
            "Splitwise",
            "ISCA 2024",
            "Changed:",
            "3,600 rows",
        ):
            assert needed in words


class TestReading:
    def test_gzip_and_a_limit(self, tmp_path):
        file = tmp_path / "t.csv.gz"
        with gzip.open(file, "wt") as out:
            out.write(HEADER + "2023-11-16 18:00:00.0000000,1,2\n2023-11-16 18:00:01.5000000,3,4\n")
        assert trace.read(file) == [Arrival(0.0, 1, 2), Arrival(1.5, 3, 4)]
        assert trace.read(file, limit=1) == [Arrival(0.0, 1, 2)]

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("a,b\n1,2\n", "columns TIMESTAMP"),
            (HEADER + "2023-11-16 18:00:00,1,2\nyesterday,1,2\n", "line 3"),
            (HEADER + "2023-11-16 18:00:00,many,2\n", "line 2"),
            (HEADER + "2023-11-16 18:00:00,1\n", "line 2"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, text, named):
        file = tmp_path / "t.csv"
        file.write_text(text)
        with pytest.raises(TraceError, match=named):
            trace.read(file)


class TestMapping:
    ARRIVALS = trace.read(trace.CUT)

    def test_times_and_tokens_stay_as_recorded(self):
        mapped = list(trace.calls(self.ARRIVALS, MIX))
        assert [(c.at_s, c.input_tokens, c.output_tokens) for c in mapped] == [
            (a.at_s, a.input_tokens, a.output_tokens) for a in self.ARRIVALS
        ]

    def test_three_tenants_and_three_scenarios_by_their_shares(self):
        mapped = list(trace.calls(self.ARRIVALS, MIX))
        tenants = Counter(call.tenant for call in mapped)
        scenarios = Counter(call.scenario for call in mapped)
        for counted, shares in ((tenants, MIX.tenants), (scenarios, MIX.scenarios)):
            assert len(counted) == 3
            for share in shares:
                assert counted[share.name] / len(mapped) == pytest.approx(share.parts / 100, abs=0.03)

    def test_the_same_seed_gives_the_same_calls_and_another_others(self):
        def names(seed):
            mix = Mix(MIX.tenants, MIX.scenarios, seed=seed)
            return [(c.tenant, c.scenario, c.conversation) for c in trace.calls(self.ARRIVALS[:200], mix)]

        assert names(1) == names(1)
        assert names(1) != names(2)

    def test_a_conversation_has_its_turns_in_order_and_one_caller(self):
        seen = Counter()
        callers = {}
        for call in trace.calls(self.ARRIVALS, MIX):
            seen[call.conversation] += 1
            assert call.turn == seen[call.conversation] <= trace.TURNS_MAX
            assert callers.setdefault(call.conversation, (call.tenant, call.scenario)) == (call.tenant, call.scenario)

    def test_an_endless_replay_goes_on_in_time_with_other_conversations(self):
        arrivals = self.ARRIVALS[:5]
        rounds = list(islice(trace.endless(arrivals, MIX), 12))
        assert [call.at_s for call in rounds] == sorted(call.at_s for call in rounds)
        assert rounds[5].at_s == arrivals[-1].at_s + 1
        assert [call.input_tokens for call in rounds[5:10]] == [call.input_tokens for call in rounds[:5]]
        assert {call.conversation for call in rounds[:5]}.isdisjoint(call.conversation for call in rounds[5:10])

    @pytest.mark.parametrize("words", [0, 1, 2, 3, 7, 8, 1001])
    @pytest.mark.parametrize("turn", [1, 2, 8])
    def test_a_prompt_has_exactly_the_recorded_words(self, words, turn):
        mix = Mix((Share("t", 1),), (Share("s", 1),), conversations=1)
        call = list(trace.calls([Arrival(0, words, 1)] * turn, mix))[-1]
        made = messages(call)
        assert sum(len(message["content"].split()) for message in made) == words
        assert made[0]["role"] == made[-1]["role"] == "user"
        assert len(made) == 1 or all(message["content"] for message in made)
