"""The way back by probe: which share goes back, when the next follows, and what a step that fails does. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.seeded import seeded

from trivet.card.content import parse
from trivet.card.presets import preset, presets
from trivet.card.steps import Probe
from trivet.guard import probe
from trivet.guard.decide import Standing, Verdict
from trivet.guard.headroom import Flow, Load
from trivet.guard.ladder import State, Stay, Step, step
from trivet.guard.probe import Probing
from trivet.guard.ways import Way

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
STEP_S, RECOVER_S = 20, 30
WORDS = {
    "clear": Verdict("ok", "P95 0.9 s, limit 1.5 s", 0.9, 1.5, 30, Standing(clear_since=NOW)),
    "near": Verdict("ok", "P95 1.3 s, limit 1.5 s", 1.3, 1.5, 30, Standing()),
    "breach": Verdict("breach", "P95 2.1 s over 1.5 s", 2.1, 1.5, 30, Standing(broken=True)),
    "little": Verdict("no_data", "3 requests in 30 s, 20 needed", None, 1.5, 3, Standing()),
}


def make_card(**changes):
    """Guard `one` raises to 1, `two` to 2, `three` to 3; `shadow` would raise to 3 and is in shadow."""
    body = preset("real-time-chat").model_dump(mode="json")
    common = {"metric": "p95_latency_ms", "enter": 1500, "leave": 1200, "window_s": 30, "minimum_sample": 20}
    body["guards"] = [
        {**common, "name": name, "raises_to": level} for level, name in enumerate(["one", "two", "three"], 1)
    ]
    body["guards"].append({**common, "name": "shadow", "raises_to": 3, "shadow": True})
    body["cost"]["stop_loss"] = []
    body["rollback"]["automatic"] = False
    shares = {"probe": {"shares": [0.05, 0.2, 0.5], "step_s": STEP_S}}
    for level in body["ladder"]:
        level.update({"min_stay_s": 20, "recover_after_s": RECOVER_S} | shares | changes)
    return parse(body)


CARD = make_card()


def all_of(word, **but):
    return {name: WORDS[but.get(name, word)] for name in ("one", "two", "three", "shadow")}


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def calm(level=1, **more):
    return State(level, ago(1000), ago(RECOVER_S), raised_at=ago(1000), direction=1, **more)


def probing(share, seconds=STEP_S, level=1, **more):
    return State(
        level, ago(1000), ago(200), probe=Probing(share, ago(seconds)), raised_at=ago(1000), direction=1, **more
    )


def at(state, rest="clear", back="clear", card=CARD, **more):
    rest = rest if isinstance(rest, dict) else all_of(rest)
    back = back if isinstance(back, dict) else all_of(back)
    return step(state, rest, card, NOW, Way(arm=back, **more))


class TestTheSharesThatGoBack:
    def test_begin_with_the_smallest_after_the_calm(self):
        found = at(calm())
        assert isinstance(found, Step) and found.state.level == 1
        assert found.state.probe == Probing(0.05, NOW)
        assert found.reason.startswith("probe, 5 % back to level 0: calm for 30 s")

    @pytest.mark.parametrize(("share", "to"), [(0.05, 0.2), (0.1, 0.2), (0.2, 0.5)])
    def test_grow_step_by_step(self, share, to):
        assert at(probing(share)).state.probe == Probing(to, NOW)

    def test_end_with_everyone_at_the_level_below(self):
        found = at(probing(0.5, level=2))
        assert (found.state.level, found.state.probe, found.state.since, found.state.direction) == (1, None, NOW, -1)
        assert found.reason.startswith(
            "stepping back from level 2: 50 % of conversations at level 1, within limits for 20 s"
        )

    def test_are_watched_for_the_step_s_time(self):
        found = at(probing(0.05, seconds=STEP_S - 1))
        assert isinstance(found, Stay)
        assert found.reason == "5 % of conversations at level 0: watched for 1 s more"

    def test_are_all_at_once_where_the_card_names_none(self):
        found = at(calm(), card=make_card(probe={"shares": []}))
        assert (found.state.level, found.state.probe) == (0, None)


class TestAStepThatFails:
    def test_halves_the_share_whichever_arm_broke(self):
        for arms in ({"back": "breach"}, {"rest": "breach"}):
            found = at(probing(0.5, seconds=3, level=3), **arms)
            assert isinstance(found, Step)
            assert (found.state.level, found.state.probe) == (3, Probing(0.25, NOW))
            assert "P95 2.1 s over 1.5 s" in found.reason

    def test_below_the_smallest_brings_everyone_back_up_and_waits(self):
        found = at(probing(0.05, seconds=3), back="breach")
        assert (found.state.level, found.state.probe, found.state.failed) == (1, None, 1)
        assert found.state.retry_at == NOW + timedelta(seconds=RECOVER_S)
        assert found.reason.startswith("probe failed, all back to level 1: those at level 0: P95 2.1 s over 1.5 s")

    def test_waits_twice_as_long_each_time_and_never_longer_than_half_an_hour(self):
        waits = []
        for failed in range(12):
            found = at(probing(0.05, seconds=3, failed=failed), back="breach")
            waits.append((found.state.retry_at - NOW).total_seconds())
        assert waits[:4] == [30, 60, 120, 240] and waits[-1] == probe.WAIT_MAX_S

    def test_is_not_tried_again_before(self):
        found = at(calm(failed=2, retry_at=NOW + timedelta(seconds=40)))
        assert isinstance(found, Stay) and found.reason == "calm for 30 s; the next probe begins in 40 s"

    def test_goes_up_at_once_where_a_guard_asks_for_more(self):
        found = at(probing(0.2, seconds=3), rest=all_of("clear", two="breach"))
        assert (found.state.level, found.state.probe, found.guard) == (2, None, "two")

    def test_by_a_guard_in_shadow_is_no_failure(self):
        rest = back = all_of("clear", shadow="breach")
        assert at(probing(0.2), rest=rest, back=back).state.probe == Probing(0.5, NOW)

    def test_at_a_middle_level_takes_a_guard_that_would_raise_from_there(self):
        """Level 1 is where guard `one` holds: broken there, it sends nobody to level 2."""
        back = all_of("clear", one="breach")
        assert at(probing(0.2, level=2), back=back).state.probe == Probing(0.5, NOW)
        assert at(probing(0.2, level=1), back=back).state.probe == Probing(0.1, NOW)


class TestTooLittleData:
    def test_waits_and_says_for_how_long(self):
        found = at(probing(0.05), back="little")
        assert isinstance(found, Stay)
        assert found.reason.endswith("those at level 0: 3 requests in 30 s, 20 needed; waits 40 s more")

    def test_goes_on_in_the_end_where_nothing_speaks_against_it(self):
        found = at(probing(0.05, seconds=60), back="little")
        assert found.state.probe == Probing(0.2, NOW) and "too little data in 60 s" in found.reason

    def test_waits_longer_after_each_step_that_failed(self):
        assert isinstance(at(probing(0.05, seconds=100, failed=1), back="little"), Stay)
        assert isinstance(at(probing(0.05, seconds=120, failed=1), back="little"), Step)

    def test_is_not_too_little_where_one_guard_is_clear_and_none_says_otherwise(self):
        assert at(probing(0.05), back=all_of("little", one="clear")).state.probe == Probing(0.2, NOW)

    def test_close_to_the_limit_fails_in_the_end(self):
        assert isinstance(at(probing(0.2), back="near"), Stay)
        found = at(probing(0.2, seconds=60), back="near")
        assert found.state.probe == Probing(0.1, NOW) and "no clear word in 60 s" in found.reason

    def test_for_a_moment_after_all_was_well_is_waited_out(self):
        """A step that waited long for room is not failed by one look that is close to the limit."""
        well = replace(probing(0.2, seconds=900), calm_since=ago(5))
        assert isinstance(at(well, back="near"), Stay)
        assert at(replace(well, calm_since=ago(60)), back="near").state.probe == Probing(0.1, NOW)


class TestALadderThatTurnsTooOften:
    """Four changes of direction an hour are allowed."""

    def turned(self, count, **more):
        return replace(calm(**more), turned_at=tuple(ago(60 * n) for n in range(count, 0, -1)))

    def test_freezes_before_the_turn_that_would_be_one_too_many(self):
        found = at(self.turned(4))
        assert isinstance(found, Stay) and found.state.frozen_since == NOW and found.state.probe is None
        assert found.reason.startswith("frozen at level 1: it would change direction 5 times in 3600 s, 4 are allowed")

    def test_turns_that_are_long_ago_count_no_more(self):
        assert at(replace(self.turned(4), turned_at=(ago(3601),) * 4)).state.probe == Probing(0.05, NOW)

    def test_freezes_at_the_higher_level_on_its_way_up(self):
        came_back = replace(self.turned(4), level=1, direction=-1)
        found = at(came_back, rest=all_of("clear", two="breach"))
        assert (found.state.level, found.state.frozen_since, found.guard) == (2, NOW, "two")

    def test_comes_back_no_more_but_still_goes_up(self):
        frozen = replace(self.turned(4), frozen_since=ago(600), frozen_reason="it turned too often")
        assert isinstance(at(frozen), Stay)
        up = at(frozen, rest=all_of("clear", two="breach"))
        assert (up.state.level, up.state.frozen_since) == (2, ago(600))

    def test_waits_longer_before_it_tries_again_after_each_turn(self):
        again = at(replace(calm(), level=1, direction=-1, turned_at=(ago(300),)), rest=all_of("clear", two="breach"))
        assert again.state.failed == 2 and again.state.retry_at == NOW + timedelta(seconds=60)


class TestHeadroom:
    """Six calls a second of a second each; two seconds each for those that are back."""

    def load(self, waiting=0.0, measured=True, capacity=10.0):
        here, back = Flow(6.0, 1.0, 1.0), Flow(6.0, 1.0, 2.0) if measured else Flow()
        return Load("pool h100", 6.0, waiting, capacity, None, here, back)

    def test_holds_the_next_share_back_though_both_arms_are_well(self):
        found = at(probing(0.2), loads=(self.load(),))
        assert isinstance(found, Stay) and found.state.probe.share == 0.2
        assert "no room for 50 % at level 0 yet: pool h100 at 50%: 9.0 of 10 places" in found.reason

    def test_lets_a_share_go_that_fits_and_says_what_it_takes(self):
        found = at(probing(0.05), loads=(self.load(capacity=20.0),))
        assert found.state.probe == Probing(0.2, NOW) and found.reason.endswith("pool h100 at 20%: 7.2 of 20 places")

    def test_holds_the_first_share_back_while_calls_wait(self):
        found = at(calm(), loads=(self.load(waiting=30.0, measured=False),))
        assert isinstance(found, Stay) and found.state.probe is None and "no room" in found.reason

    def test_that_nobody_speaks_of_leaves_it_to_the_arms_and_says_so(self):
        found = at(probing(0.05))
        assert isinstance(found, Step) and "no engine says how full it is" in found.reason


class TestWhateverComes:
    """Random arms, then calm. Run again with the seed it prints."""

    def test_a_probe_only_ever_moves_by_a_share_or_a_level_and_comes_back_to_0(self):
        random = seeded()
        for _ in range(6):
            state, now = State(random.randint(1, 3), NOW, raised_at=NOW, direction=1), NOW
            rest = back = all_of("clear")
            for second in range(3000):
                now += timedelta(seconds=1)
                if second < 300 and random.random() < 0.1:
                    rest, back = (all_of(random.choice(sorted(WORDS))) for _ in range(2))
                elif second >= 300:
                    rest = back = all_of("clear")
                found = step(state, rest, CARD, now, Way(arm=back))
                assert found.reason
                if isinstance(found, Step):
                    assert found.state.level in (state.level - 1, state.level, state.level + 1)
                    assert found.state.level != state.level or found.state.share != state.share
                    assert found.state.level >= state.level or state.share == 0.5
                assert found.state.share == 0 or found.state.share >= 0.05
                state = found.state
                if state.frozen_since:
                    break
            assert state.level == 0 or state.frozen_since


class TestTheCard:
    def test_says_what_follows_a_share_and_what_half_of_it_is(self):
        shares = Probe(shares=(0.05, 0.2, 0.5))
        assert [probe.following(shares, each) for each in (0, 0.05, 0.1, 0.2, 0.5)] == [0.05, 0.2, 0.2, 0.5, 1.0]
        assert [probe.halved(shares, each) for each in (0.05, 0.1, 0.2, 0.5)] == [None, 0.05, 0.1, 0.25]


class TestEveryPreset:
    @pytest.mark.parametrize("name", sorted(presets()))
    def test_climbs_to_its_top_and_comes_all_the_way_back(self, name):
        card = presets()[name]
        highest = max(guard.raises_to for guard in card.guards if probe.moves(guard))
        state, reached, now, moves = State(0, NOW), 0, NOW, []
        while reached < highest or state.level:
            assert now < NOW + timedelta(hours=2), f"{name} is at level {state.level} after two hours"
            word = WORDS["breach" if reached < highest else "clear"]
            found = step(
                state, {g.name: word for g in card.guards}, card, now,
                Way(arm={g.name: WORDS["clear"] for g in card.guards}),
            )  # fmt: skip
            state, now = found.state, now + timedelta(seconds=5)
            reached = max(reached, state.level)
            moves += [state.share] if isinstance(found, Step) else []
        assert (reached, state.frozen_since, len(state.turned_at)) == (card.top, None, 1)
        assert [share for share in moves if share] == [0.05, 0.2, 0.5] * card.top
