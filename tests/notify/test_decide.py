"""Whether an alert is told, and why: the one function, by worked examples, and what holds whatever is drawn."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.notify.alerting import when

from trivet.notify.rules.decide import Fact, Group, Quiet, Told, decide, mutings, span
from trivet.notify.rules.route import Step, Way, channels_for, group_of, routes_for, told_channels, unrouted

T0 = when("2026-11-21T14:00:00Z")
WAY = Way(1, "all", (), ("team",), group_wait_s=30, group_interval_s=300, repeat_s=3_600)
STEPPED = Way(1, "all", (), ("team",), repeat_s=86_400, steps=(Step(600, ("lead",)), Step(1_200, ("boss",))))


def at(seconds):
    return T0 + timedelta(seconds=seconds)


def fact(id_=1, severity="page", *, level=0, ended=None, acknowledged=None, **labels):
    given = {"alertname": "TrivetGuard", "scenario": "chat", "guard": "p95"} | labels | {"severity": severity}
    return Fact(id_, given, T0, level, ended, acknowledged, "ann" if acknowledged else "")


def said(now, alert=None, told=None, group=None, *, way=WAY, muted=None):
    return decide(alert or fact(), way, told or Told(), group or Group(T0), muted=muted, now=at(now))


def told(seconds=0, severity="page", *, firing=True, steps=0):
    return Told(at(seconds), at(seconds), severity, firing, steps)


class TestTheFirstMessage:
    def test_waits_for_others_of_its_group(self):
        found = said(29)
        assert (found.word, found.reason) == ("wait", "it is new; waits 30 s for others, until 14:00:30 UTC")

    def test_goes_when_the_wait_is_over(self):
        assert (said(30).word, said(30).reason) == ("send", "it is new")

    def test_joins_a_group_that_was_told_at_its_interval(self):
        group = Group(T0, at(60))
        assert said(359, group=group).reason == "it is new; its group is told every 5 min, until 14:06:00 UTC"
        assert said(360, group=group).word == "send"


class TestLater:
    def test_it_is_left_until_the_repeat_interval(self):
        found = said(3_599, told=told())
        assert (found.word, found.reason) == ("told", "told at 14:00 UTC; again at 15:00 UTC while it fires")
        assert said(3_600, told=told()).reason == "it still fires; repeated every 1 h"

    @pytest.mark.parametrize(("before", "after", "side"), [("ticket", "page", "rose"), ("page", "ticket", "fell")])
    def test_a_change_of_severity_goes_at_once(self, before, after, side):
        found = said(1, fact(severity=after), told(0, before), Group(T0, T0))
        assert (found.word, found.reason) == ("send", f"its severity {side} from {before} to {after}")

    def test_acknowledged_it_is_neither_repeated_nor_escalated(self):
        found = said(90_000, fact(acknowledged=at(60)), told(), way=STEPPED)
        assert (found.word, found.reason) == ("acknowledged", "ann acknowledged it at 14:01 UTC")

    def test_nobody_acknowledged_so_the_steps_are_taken_each_once(self):
        assert said(599, told=told(), way=STEPPED).word == "told"
        first = said(600, told=told(), way=STEPPED)
        assert (first.word, first.step, first.only) == ("send", 1, ("lead",))
        assert first.reason == "nobody acknowledged it in 10 min: lead as well"
        assert said(1_199, told=told(steps=1), way=STEPPED).word == "told"
        assert said(1_200, told=told(steps=1), way=STEPPED).only == ("boss",)
        assert said(5_000, told=told(steps=2), way=STEPPED).word == "told"

    def test_steps_that_were_missed_are_taken_together(self):
        assert said(2_000, told=told(), way=STEPPED).only == ("lead", "boss")


class TestItsEnd:
    def test_is_told_to_whom_its_beginning_was_also_while_it_is_silenced(self):
        quiet = mutings([fact()], [Quiet(1, (), at(9_999), "ann", "x")], [])[1]
        found = said(400, fact(ended=at(350)), told(), Group(T0, T0), muted=quiet)
        assert (found.word, found.reason) == ("send", "it ended")

    def test_waits_for_the_interval_of_its_group(self):
        assert said(299, fact(ended=at(10)), told(), Group(T0, T0)).word == "wait"

    def test_is_no_news_to_those_who_heard_of_no_beginning(self):
        found = said(60, fact(ended=at(10)))
        assert (found.word, found.reason) == ("over", "it ended before anybody was told")

    def test_is_told_once(self):
        assert said(900, fact(ended=at(10)), told(20, firing=False)).word == "over"


class TestQuiet:
    def test_a_silence_says_by_whom_until_when_and_why(self):
        quiet = Quiet(7, ('scenario="chat"',), at(3_600), "ann", "load test")
        found = mutings([fact(), fact(2, scenario="rag")], [quiet], [])
        assert {id_: (d.word, d.reason) for id_, d in found.items()} == {
            1: ("silenced", "ann silenced it until 2026-11-21 15:00 UTC: load test")
        }

    @pytest.mark.parametrize(
        ("one", "other", "held"),
        [
            (fact(1, "page"), fact(2, "ticket"), {2}),
            (fact(1, "page", level=3), fact(2, "page", level=1), {2}),
            (fact(1, "page", level=1), fact(2, "page", level=1), set()),
            (fact(1, "page"), fact(2, "ticket", scenario="rag"), set()),
            (fact(1, "page", tenant="acme"), fact(2, "ticket"), set()),
            (fact(1, "page"), fact(2, "ticket", tenant="acme"), {2}),
            (fact(1, "page", drill="true"), fact(2, "ticket"), set()),
            (fact(1, "page", ended=at(5)), fact(2, "ticket"), set()),
        ],
        ids=["severity", "level", "equal", "another scenario", "one tenant", "of a tenant", "a drill", "over"],
    )
    def test_a_larger_one_of_the_same_scenario_holds_back_the_smaller(self, one, other, held):
        assert {id_ for id_, d in mutings([one, other], [], []).items() if d.word == "inhibited"} == held

    def test_one_that_is_silenced_holds_back_nothing(self):
        quiet = Quiet(7, ('guard="p95"',), at(60), "ann", "known")
        found = mutings([fact(1, "page"), fact(2, "ticket", guard="floor")], [quiet], [])
        assert {id_: d.word for id_, d in found.items()} == {1: "silenced"}


class TestRoutes:
    PAGES = Way(1, "pages", ('severity="page"',), ("pager",))
    CHAT = Way(2, "chat", ('scenario="chat"',), ("chat",), goes_on=True)
    REST = Way(3, "rest", (), ("mail",))
    DRILLS = Way(4, "drills", ('drill="true"',), ("drills",))

    def test_the_first_that_fits_takes_it_and_the_next_where_it_goes_on(self):
        page = {"severity": "page", "scenario": "chat"}
        assert [w.name for w in routes_for(page, [self.PAGES, self.CHAT, self.REST])] == ["pages"]
        assert [w.name for w in routes_for(page, [self.CHAT, self.PAGES, self.REST])] == ["chat", "pages"]

    def test_a_drill_goes_where_a_matcher_names_it(self):
        drill = {"severity": "page", "drill": "true"}
        assert routes_for(drill, [self.PAGES, self.REST]) == []
        assert routes_for(drill, [self.PAGES, self.DRILLS]) == [self.DRILLS]
        assert unrouted(drill, [self.PAGES]) == 'it is marked drill, and no route has a matcher such as drill="true"'

    def test_a_failing_channel_is_told_of_where_it_is_used_and_by_others(self):
        labels = {"kind": "channel", "channel": "pager", "severity": "ticket"}
        assert routes_for(labels, [self.PAGES]) == [self.PAGES]
        assert channels_for(labels, ["pager"], {"pager": False, "mail": True, "old": False}) == ["mail"]
        assert channels_for(labels, ["pager", "old"], {"pager": False, "mail": True, "old": False}) == ["old"]

    def test_a_group_is_the_labels_that_are_there(self):
        assert group_of(Way(1, "x", (), (), group_by=("tenant", "scenario")), {"scenario": "chat"}) == {
            "scenario": "chat"
        }

    def test_each_channel_once_over_all_steps(self):
        way = Way(1, "x", (), ("a",), steps=(Step(60, ("b", "a")), Step(120, ("c",))))
        assert [told_channels(way, n) for n in range(3)] == [("a",), ("a", "b"), ("a", "b", "c")]


class TestWhateverIsDrawn:
    @given(
        moments=st.lists(st.integers(1, 4_000), min_size=1, max_size=40),
        events=st.lists(st.sampled_from(["page", "ticket", "ack", "end", "none"]), min_size=40, max_size=40),
        way=st.sampled_from([WAY, STEPPED]),
    )
    @settings(max_examples=150, deadline=None)
    def test_a_reason_is_always_given_and_messages_keep_their_distance(self, moments, events, way):
        """Played through time: sent more often than the repeat interval only for a new severity, a step, or the end."""
        alert, kept, group, now, whys = fact(), Told(), Group(T0), 0, []
        for moment, event in zip(moments, events, strict=False):
            now += moment
            if alert.ended_at is None and event in ("page", "ticket"):
                alert = fact(severity=event, acknowledged=alert.acknowledged_at)
            elif alert.ended_at is None and event in ("ack", "end"):
                alert = fact(
                    severity=alert.severity, acknowledged=alert.acknowledged_at or (at(now) if event == "ack" else None),
                    ended=at(now) if event == "end" else None,
                )  # fmt: skip
            found = decide(alert, way, kept, group, muted=None, now=at(now))
            assert found.reason
            if found.word == "send":
                whys.append((now, found.reason))
                assert not (alert.acknowledged_at and found.reason.startswith(("it still", "nobody")))
                kept = Told(kept.first_at or at(now), at(now), alert.severity, alert.ended_at is None, found.step)
                group = Group(T0, at(now))
        starts = [why for _, why in whys if why == "it is new"]
        assert len(starts) <= 1
        assert [why for _, why in whys].count("it ended") <= 1
        assert sum(why.startswith("nobody") for _, why in whys) <= len(way.steps)
        repeats = [n for n, why in whys if why.startswith("it still")]
        assert all(later - earlier >= way.repeat_s for earlier, later in pairwise(repeats))


@pytest.mark.parametrize(("seconds", "words"), [(90, "90 s"), (60, "1 min"), (5400, "90 min"), (14_400, "4 h"), (86_400, "1 d"), (0.5, "0.5 s")])  # fmt: skip
def test_a_span_in_the_largest_unit_in_which_it_is_whole(seconds, words):
    assert span(seconds) == words
