"""What a drill does, when a step is done and when it comes back. By hand."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.governed import short_card

from trivet.card.content import parse
from trivet.card.presets import preset, presets
from trivet.evidence import drill_plan, drill_trigger, side_effects
from trivet.evidence.drill_plan import Planned, Proof

T0 = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def at(seconds):
    return T0 + timedelta(seconds=seconds)


def words(steps):
    return [f"{step.kind} {step.level}" for step in steps]


class TestTheSteps:
    def test_up_level_by_level_down_again_and_back(self):
        assert words(drill_plan.plan([1, 2, 3])) == [
            "trigger 1", "trigger 2", "trigger 3", "raise 1", "raise 2", "raise 3", "lower 2", "lower 1", "roll_back 0",
            "side_effects 0",
        ]  # fmt: skip

    def test_one_that_turns_back_skips_to_the_roll_back_and_looks_around_all_the_same(self):
        done = [Planned("trigger", 1), Planned("raise", 1)]
        back = drill_plan.following([1, 2], done, ending=True)
        assert back == Planned("roll_back", 0)
        assert drill_plan.following([1, 2], [*done, back], ending=True) == Planned("side_effects", 0)
        assert drill_plan.following([1, 2], [*done, back, Planned("side_effects", 0)], ending=True) is None

    @given(st.sets(st.integers(1, 3), min_size=1), st.integers(0, 12))
    def test_whatever_was_begun_it_always_ends_with_the_roll_back(self, levels, begun):
        levels = sorted(levels)
        done = list(drill_plan.plan(levels)[:begun])
        for _ in range(3):
            step = drill_plan.following(levels, done, ending=True)
            if step is None:
                break
            done.append(step)
        assert {"roll_back", "side_effects"} <= {step.kind for step in done}


class TestAStep:
    def judge(self, proof, now):
        return drill_plan.judge(proof, at(0), now, hold_s=10, patience_s=60)

    def test_is_done_once_it_stood_for_its_time(self):
        proof = Proof("effective", "", at(1), at(3))
        assert self.judge(proof, at(12)).ok is None
        found = self.judge(proof, at(13))
        assert (found.ok, found.reason) == (True, "proven by telemetry after 3.0 s")

    def test_waits_for_its_proof_and_then_says_which_was_missing(self):
        assert self.judge(Proof("pending", "Waiting for drill-1.", None, None), at(59)).ok is None
        unseen = self.judge(Proof("pending", "Waiting for drill-1.", None, None), at(60))
        assert unseen.ok is False and "not seen to hold it after 60 s" in unseen.reason
        silent = self.judge(Proof("observed", "Held by drill-1.", at(1), None), at(61))
        assert silent.ok is False and "no telemetry carries it" in silent.reason

    def test_fails_where_somebody_else_commanded_the_backend(self):
        assert self.judge(Proof("superseded", "Superseded by generation 9.", None, None), at(2)).ok is False

    def test_a_command_ends_by_itself_when_nobody_goes_on(self):
        assert drill_plan.expires_in_s(3, hold_s=10, patience_s=60) == 280


class TestTheRecord:
    def test_says_each_fact_from_the_steps(self):
        steps = [{"kind": s.kind, "level": s.level, "ok": True} for s in drill_plan.plan([1, 2])]
        assert drill_plan.record(steps, [1, 2]) == dict.fromkeys(drill_plan.FACTS, True)
        steps[1]["ok"] = False  # nobody asks for level 2 by itself
        assert drill_plan.record(steps, [1, 2])["triggered"] is False
        assert drill_plan.record(steps[:3], [1, 2])["acted"] is False

    def test_another_ladder_is_another_hash_and_another_floor_is_not(self):
        card = parse(short_card())
        body = short_card()
        body["latency"]["p50_ms"] = 99
        assert drill_plan.ladder_of(parse(body)) == drill_plan.ladder_of(card)
        body["ladder"][0]["recover_after_s"] = 31
        assert drill_plan.ladder_of(parse(body)) != drill_plan.ladder_of(card)


class TestWhenItComesBack:
    def test_first_at_the_next_such_hour_then_every_so_many_days(self):
        first = drill_plan.next_at(time(7, 0), 7, at(0))
        assert first == datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
        assert drill_plan.next_at(time(9, 30), 7, at(0)) == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
        assert drill_plan.next_at(time(7, 0), 7, first, last=first) == first + timedelta(days=7)

    def test_times_that_were_missed_are_left_out(self):
        last = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
        assert drill_plan.next_at(time(7, 0), 7, at(0), last=last) == datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


class TestTheTrigger:
    card = parse(short_card())

    def test_the_judge_breaks_the_guard_and_the_ladder_asks_for_its_level(self):
        found = drill_trigger.trigger(self.card, 1, T0)
        assert found.ok and found.guard == "p95"
        assert found.reason.startswith("simulated: p95 breaks after 0 s (P95") and "asks for level 1" in found.reason

    def test_a_level_is_reached_after_the_stay_of_the_one_below(self):
        found = drill_trigger.trigger(self.card, 2, T0)
        assert found.guard == "p95-high" and "level 2 20 s later" in found.reason

    def test_a_level_that_no_guard_raises_to_is_a_finding(self):
        found = drill_trigger.trigger(self.card, 3, T0)
        assert not found.ok and "no guard raises to level 3 by itself" in found.reason

    def test_a_guard_in_shadow_asks_for_nothing(self):
        body = short_card()
        for guard in body["guards"]:
            guard["shadow"] = True
        assert not drill_trigger.trigger(parse(body), 1, T0).ok

    @pytest.mark.parametrize("name", sorted(presets()))
    def test_every_guard_of_every_preset_breaks_when_all_is_bad(self, name):
        for guard in preset(name).guards:
            assert drill_trigger.breaks(guard, T0) is not None, guard.name


BEFORE = {"level": 0, "move": 3, "breach": 7, "wanted": {"0:0": [0, False, 1]}, "held": {"gw-1": [0, 5]}}


class TestSideEffects:
    def after(self, **changes):
        return {**BEFORE, **changes}

    def test_none_where_all_stand_as_they_stood(self):
        assert side_effects.differences(BEFORE, self.after(held={"gw-1": [0, 9]}), {4}, {9}) == []

    def test_each_is_told(self):
        after = self.after(level=1, move=4, breach=8, wanted={"0:0": [1, False, 4]}, held={"gw-1": [1, 9]})
        found = side_effects.differences(BEFORE, after, {4}, {9})
        assert [each.split(" (")[0] for each in found] == [
            "the scenario's own ladder moved meanwhile",
            "breach 8 of the scenario opened meanwhile",
            "the drill changed what should hold for scope 0:0",
            "gw-1 runs at level 1 under the drill's generation 9, and ran at 0",
        ]

    def test_what_others_commanded_is_not_the_drills(self):
        assert side_effects.differences(BEFORE, self.after(wanted={"2:0": [0, True, 12]}), {4}, {9}) == []
