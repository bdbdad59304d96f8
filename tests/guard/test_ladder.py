"""Where the ladder goes next: tables first, then what always holds, whatever comes. The way back is at once here, without a probe."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.seeded import seeded

from trivet.card.content import parse
from trivet.card.presets import preset
from trivet.guard.decide import Standing, Verdict
from trivet.guard.ladder import State, Stay, Step, step
from trivet.guard.probe import WAIT_MAX_S

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
MIN_STAY_S, RECOVER_S = 20, 30


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def make_card(at_once=False):
    """Guards `one`, `two`, `three` raise to their level; `watch` raises to none."""
    body = preset("real-time-chat").model_dump(mode="json")
    common = {"metric": "p95_latency_ms", "enter": 10, "leave": 5, "window_s": 10, "minimum_sample": 1}
    body["guards"] = [
        {**common, "name": name, "raises_to": level, "at_once": at_once and name == "three"}
        for level, name in enumerate(["watch", "one", "two", "three"])
    ]
    body["cost"]["stop_loss"] = []
    body["rollback"]["automatic"] = False
    for level in body["ladder"]:
        level |= {"min_stay_s": MIN_STAY_S, "recover_after_s": RECOVER_S, "probe": {"shares": []}}
    body["steadiness"] = {"turns_max": 100, "within_s": 60}
    return parse(body)


CARD = make_card()
WORDS = {
    "clear": Verdict("ok", "fine", 1.0, 10.0, 9, Standing(clear_since=ago(1))),
    "near": Verdict("ok", "close to it", 7.0, 10.0, 9, Standing()),
    "breach": Verdict("breach", "P95 2.10 s over 1.50 s", 20.0, 10.0, 9, Standing(broken=True)),
    "no_data": Verdict("no_data", "0 requests", None, 10.0, 0, Standing()),
    "lost": Verdict("no_data", "0 requests; open", None, 10.0, 0, Standing(broken=True)),
}


def verdicts(**said):
    return {name: WORDS[said.get(name, "clear")] for name in ("watch", "one", "two", "three")}


def at(level, since_s=1000, calm_s=None, **more):
    return State(level, ago(since_s), ago(calm_s) if calm_s is not None else None, **more)


class TestUp:
    @pytest.mark.parametrize(
        ("state", "said", "to"),
        [
            (at(0), {"one": "breach"}, 1),
            (at(0), {"two": "breach"}, 1),  # one level at a time
            (at(1), {"two": "breach"}, 2),
            (at(1), {"one": "breach"}, 1),  # as high as the guard says, not higher
            (at(2), {"one": "breach"}, 2),  # and not down while it is broken
            (at(1, since_s=MIN_STAY_S - 1), {"three": "breach"}, 1),
            (at(1, since_s=MIN_STAY_S), {"three": "breach"}, 2),
            (at(3), {"three": "breach"}, 3),
            (at(0), {"watch": "breach"}, 0),
            (at(0), {"one": "near"}, 0),
            (at(0), {"one": "no_data", "two": "lost"}, 0),
        ],
    )
    def test_goes_towards_the_highest_level_that_a_broken_guard_raises_to(self, state, said, to):
        assert step(state, verdicts(**said), CARD, NOW).state.level == to

    def test_goes_straight_there_where_the_guard_says_at_once(self):
        found = step(at(0), verdicts(three="breach"), make_card(at_once=True), NOW)
        assert (found.state.level, found.guard) == (3, "three")

    def test_says_why_and_by_which_guard(self):
        found = step(at(0), verdicts(one="breach"), CARD, NOW)
        assert isinstance(found, Step)
        assert (found.reason, found.guard, found.state.since) == ("P95 2.10 s over 1.50 s", "one", NOW)


class TestDown:
    @pytest.mark.parametrize(
        ("state", "said", "to"),
        [
            (at(2, calm_s=RECOVER_S), {}, 1),
            (at(2, calm_s=RECOVER_S - 1), {}, 2),
            (at(2, calm_s=None), {}, 2),
            (at(2, since_s=MIN_STAY_S - 1, calm_s=RECOVER_S), {}, 2),
            (at(2, calm_s=RECOVER_S), {"one": "near"}, 2),
            (at(2, calm_s=RECOVER_S), {"two": "lost"}, 2),  # a breach without data is not over
            (at(2, calm_s=RECOVER_S), {"two": "no_data"}, 1),  # one never broken has nothing to say
            (at(2, calm_s=RECOVER_S), {"one": "no_data", "two": "no_data", "three": "no_data"}, 2),
            (at(1, calm_s=RECOVER_S), {"watch": "breach"}, 0),  # what moves no ladder holds none back
        ],
    )
    def test_goes_one_level_after_a_calm_of_every_guard_that_moves_it(self, state, said, to):
        assert step(state, verdicts(**said), CARD, NOW).state.level == to

    @pytest.mark.parametrize(
        ("level", "reason"), [(3, "stepping back from level 3: calm for 30 s"), (1, "calm for 30 s")]
    )
    def test_says_what_it_is_and_how_long_the_calm_was(self, level, reason):
        assert step(at(level, calm_s=RECOVER_S), verdicts(), CARD, NOW).reason == reason

    def test_begins_a_new_calm_on_each_level(self):
        found = step(at(2, calm_s=RECOVER_S), verdicts(), CARD, NOW).state
        assert (found.level, found.since, found.calm_since) == (1, NOW, None)

    def test_loses_its_calm_to_one_bad_moment(self):
        assert step(at(2, calm_s=29), verdicts(one="near"), CARD, NOW).state.calm_since is None

    def test_of_silence_makes_no_calm(self):
        quiet = verdicts(one="no_data", two="no_data", three="no_data")
        found = step(at(1, calm_s=29), quiet, CARD, NOW)
        assert isinstance(found, Stay) and "no data" in found.reason
        assert found.state.calm_since is None


class TestAPersonsHold:
    def test_wins_until_it_ends(self):
        held = at(2, held_until=NOW + timedelta(seconds=1), held_by="ole@example.com")
        for said in ({}, {"three": "breach"}):
            found = step(held, verdicts(**said), CARD, NOW)
            assert isinstance(found, Stay) and found.state.level == 2
            assert found.reason == "ole@example.com holds level 2 until 08:00:01 UTC"

    def test_hands_back_what_stands_when_it_ends(self):
        over = at(2, held_until=NOW, held_by="ole@example.com")
        found = step(over, verdicts(three="breach"), CARD, NOW)
        assert (found.state.level, found.state.held_until, found.state.held_by) == (3, None, None)


class TestAShorterLadder:
    def test_is_stepped_down_to_at_once(self):
        body = CARD.model_dump(mode="json")
        body["ladder"], body["guards"] = body["ladder"][:1], body["guards"][:2]
        found = step(at(3, since_s=0), verdicts(), parse(body), NOW)
        assert (found.state.level, found.reason) == (1, "the card's ladder ends at level 1")


class TestWhateverComes:
    """Seconds of random verdicts, then calm. Run again with the seed it prints."""

    def walk(self, random, seconds):
        state, now = State(0, NOW), NOW
        said = verdicts()
        for _ in range(seconds):
            now += timedelta(seconds=1)
            if random.random() < 0.2:
                said = {name: WORDS[random.choice(sorted(WORDS))] for name in said}
            found = step(state, said, CARD, now)
            yield state, found, now, said
            state = found.state
        while True:
            now += timedelta(seconds=1)
            found = step(state, verdicts(), CARD, now)
            yield state, found, now, None
            state = found.state

    def test_it_moves_one_level_at_a_time_never_before_its_stay_and_never_without_cause(self):
        random = seeded()
        for _ in range(20):
            walk = self.walk(random, 400)
            for _ in range(400):
                before, found, now, said = next(walk)
                assert found.reason
                if isinstance(found, Stay):
                    assert found.state.level == before.level and found.state.since == before.since
                    continue
                assert abs(found.state.level - before.level) == 1
                assert before.level == 0 or (now - before.since).total_seconds() >= MIN_STAY_S
                if found.state.level > before.level:
                    assert said[found.guard].word == "breach"
                else:
                    assert (now - before.calm_since).total_seconds() >= RECOVER_S
                    assert not any(said[name].word == "breach" for name in ("one", "two", "three"))

    def test_it_comes_back_to_0_once_it_is_calm_and_then_stays(self):
        random = seeded()
        for _ in range(20):
            walk = self.walk(random, 200)
            steps = [next(walk) for _ in range(200 + WAIT_MAX_S + 3 * (RECOVER_S + 2))]
            assert steps[-1][1].state.level == 0
            assert all(isinstance(next(walk)[1], Stay) for _ in range(100))
