"""The series behind a chart."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet.command.models import Command
from trivet.console.chart import SPANS, flag, interval_of, ribbon, spans_of, steps, trimmed
from trivet.kit.interval import Interval
from trivet.rollup.read import Usage

AT = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
ONE = Usage(requests=1)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


class TestTheTimeAxis:
    def test_it_ends_with_the_running_step(self):
        found = interval_of(SPANS["15m"], after(3))
        assert (found.start, found.end) == (after(10 - 900), after(10))

    def test_every_span_is_whole_steps_of_whole_buckets(self):
        assert all(s.seconds % s.step_s == 0 and s.step_s % s.grain_s == 0 for s in SPANS.values())

    def test_the_emptiness_before_the_first_request_is_cut_off_down_to_a_third(self):
        whole = Interval(after(-900), AT)
        assert trimmed(whole, None, SPANS["15m"]) == whole
        assert trimmed(whole, after(-500), SPANS["15m"]).start == after(-520)
        assert trimmed(whole, after(-10), SPANS["15m"]).start == after(-300)
        assert trimmed(whole, after(-900), SPANS["15m"]) == whole


class TestSteps:
    def test_buckets_are_merged_into_steps_and_kept_by_level(self):
        found = steps({(AT, 0): ONE, (after(10), 0): ONE, (after(20), 1): ONE, (after(30), 0): ONE}, 30)
        assert {at: {lv: u.requests for lv, u in by.items()} for at, by in found.items()} == {
            AT: {0: 2, 1: 1}, after(30): {0: 1},
        }  # fmt: skip


class TestTheRibbon:
    def test_stretches_of_one_level_are_joined_and_silence_is_a_gap(self):
        by_step = {AT: {0: ONE}, after(10): {0: ONE, 1: ONE}, after(20): {1: ONE}, after(40): {1: ONE}}
        times = [after(s) for s in range(0, 50, 10)]
        start = int(AT.timestamp())
        assert ribbon(by_step, times, 10) == [
            {"from": start, "to": start + 10, "level": 0},
            {"from": start + 10, "to": start + 30, "level": 1},
            {"from": start + 40, "to": start + 50, "level": 1},
        ]


class TestFlags:
    def given(self, **of) -> Command:
        base = {
            "kind": "degrade",
            "level": 2,
            "revision": 1,
            "actor": "robin@example.com",
            "reason": "the queue grows.",
        }
        return Command(**base | {"created_at": AT, "effective_at": None} | of)

    def test_a_command_is_hollow_until_telemetry_proves_it(self):
        asked = flag(self.given())
        assert (asked["solid"], asked["words"], asked["level"]) == (False, "Degrade to level 2", 2)
        assert flag(self.given(effective_at=after(3)))["solid"] is True

    def test_it_says_what_who_and_why(self):
        asked = flag(self.given(), "Robin Sato")
        assert (asked["short"], asked["who"], asked["why"]) == ("L2", "Robin Sato", "the queue grows")

    @pytest.mark.parametrize(
        ("kind", "level", "short"),
        [("restore", 0, "L0"), ("restore", None, "L0"), ("rollback", None, "r1"), ("activate", None, "r1"), ("break", None, "cut")],
    )  # fmt: skip
    def test_each_kind_has_its_short_form(self, kind, level, short):
        assert flag(self.given(kind=kind, level=level))["short"] == short

    def test_a_revision_is_a_flag_without_a_level(self):
        back = flag(self.given(kind="rollback", level=None, revision=2))
        assert (back["words"], back["level"]) == ("Roll back to revision 2", None)


class TestAStretchOfAnyLength:
    def test_is_drawn_in_the_finest_step_of_which_there_are_few_and_then_in_coarser_ones(self):
        start = datetime(2026, 11, 1, tzinfo=UTC)
        finest = [spans_of(Interval(start, start + timedelta(seconds=s)))[0] for s in (600, 7200, 86_400 * 30)]
        assert [(span.step_s, span.grain_s) for span in finest] == [(10, 10), (60, 60), (21_600, 3_600)]
        coarser = [span.step_s for span in spans_of(Interval(start, start + timedelta(hours=2)))]
        assert coarser == sorted(coarser)
