"""From facts to what the sentence says of one scenario."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from trivet.card.presets import preset
from trivet.card.service import ActiveCard
from trivet.command.models import Command
from trivet.command.scope import Held
from trivet.console.measures import Now
from trivet.console.queries import ScenarioFacts
from trivet.console.sentence import scenario
from trivet.console.standing import held, standing
from trivet.console.tongue import speaking
from trivet.guard.models import Breach, GuardState, LadderState
from trivet.rollup.read import Usage

NOW = datetime(2026, 11, 21, 9, 43, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
PEOPLE = {"sam@example.com": "Sam Operations", "key:bootstrap": "The key bootstrap"}
CARD = preset("real-time-chat")
EMPTY = Now(Usage(), Usage(), Usage(), requests_per_s=3.4, priced_per_s=3.4, since=NOW - timedelta(seconds=50))


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def state(guard, verdict, value=None, threshold=0.8):
    return GuardState(
        scenario_id=1, guard=guard, verdict=verdict, reason=f"{guard} says {verdict}", value=value, threshold=threshold,
        sample=20, since=ago(5), evaluated_at=NOW, revision=3,
    )  # fmt: skip


def breach(guard="quality-floor", value=0.52, revision=3, threshold=0.8, opened=10):
    return Breach(
        id=1, scenario_id=1, guard=guard, revision=revision, value=value, worst_value=value, threshold=threshold,
        sample=20, reason=f"{guard} broke", opened_at=ago(opened),
    )  # fmt: skip


def command(kind, revision, at=50, actor="sam@example.com", **more):
    return Command(
        id=1, kind=kind, scenario_id=1, revision=revision, generation=2, status="effective", actor=actor,
        reason="a shorter prompt", created_at=ago(at + 2), effective_at=ago(at), **more,
    )  # fmt: skip


def facts(number=3, **more):
    active = ActiveCard(1, "support-chat", 1, number, CARD, ago(52), number - 1)
    ladder = LadderState(scenario_id=1, level=0, since=ago(3600), reason="", held_until=None, held_by=None)
    return replace(
        ScenarioFacts(
            id=1, name="support-chat", criticality="core", active=active, generation=2, ladder=ladder, desired=None,
            states={}, now=EMPTY, proven_by=None, because_of=None, present=(),
        ),
        **more,
    )  # fmt: skip


def said(of):
    return scenario(standing(of, PEOPLE, None, NOW), NOW, UTC_ZONE)


LOW = {"quality-floor": state("quality-floor", "breach", 0.523)}


class TestABadRevision:
    def test_is_named_as_the_cause_with_who_made_it_active(self):
        bad = facts(states=LOW, open=(breach(),), turned=command("activate", 3))
        assert said(bad) == (
            "Support chat's quality fell to 0.52 (floor 0.80) after revision 3 became active at 09:42 (Sam Operations)."
        )

    @pytest.mark.parametrize(
        "turned", [None, command("activate", 3, at=3600), command("rollback", 3, at=3600), command("activate", 3, at=2)]
    )
    def test_is_not_blamed_for_what_did_not_soon_follow_it(self, turned):
        assert "its quality is 0.52, below 0.80" in said(facts(states=LOW, open=(breach(),), turned=turned))

    def test_is_not_blamed_where_the_level_changed_since(self):
        ladder = LadderState(scenario_id=1, level=0, since=ago(20), reason="")
        found = facts(states=LOW, open=(breach(),), turned=command("activate", 3), ladder=ladder)
        assert "after revision" not in said(found)


class TestAWayBack:
    def test_says_what_was_left_and_why(self):
        found = facts(2, turned=command("rollback", 2, actor="ladder", breach_id=1), left=breach())
        assert said(found) == (
            "Support chat is back on revision 2 since 09:42; revision 3's quality was 0.52, under its floor of 0.80."
        )

    def test_by_a_person_without_a_breach_says_who_and_why(self):
        assert said(facts(2, turned=command("rollback", 2))).endswith(
            "; Sam Operations asked for it (a shorter prompt)."
        )

    def test_is_told_for_two_minutes(self):
        found = facts(2, turned=command("rollback", 2, at=121), left=breach())
        assert standing(found, PEOPLE, None, NOW).back is None


class TestWhatIsOpen:
    def test_is_kept_while_too_little_was_measured(self):
        states = {"p95-latency": state("p95-latency", "no_data")}
        found = facts(states=states, open=(breach("p95-latency", 3370.0, threshold=1500.0),))
        assert "its P95 was 3.37 s, past 1.5 s, with too little measured since" in said(found)

    def test_is_said_once(self):
        states = {"quality-floor": state("quality-floor", "breach", 0.5)}
        assert len(standing(facts(states=states, open=(breach(),)), PEOPLE, None, NOW).breaches) == 1


class TestWhatIsKnown:
    def test_nothing_is_judged_until_a_guard_has_a_verdict(self):
        silent = facts(states={"p95-latency": state("p95-latency", "no_data")})
        assert not standing(silent, PEOPLE, None, NOW).judged
        assert standing(facts(states={"p95-latency": state("p95-latency", "ok")}), PEOPLE, None, NOW).judged

    def test_without_a_card_nothing_can_be_within_it(self):
        assert not standing(facts(active=None), PEOPLE, None, NOW).has_card

    def test_a_few_scores_are_not_said(self):
        few = replace(EMPTY, scored=Usage(scores=19, score_total=19 * 0.5))
        assert standing(facts(now=few), PEOPLE, None, NOW).quality is None


class TestWhoAsked:
    def test_a_key_is_said_in_words(self):
        degraded = facts(
            proven_by=Command(kind="degrade", level=1, actor="key:bootstrap", reason="a drill", created_at=ago(5)),
            present=(Held(1, 1, 2, ago(4), 2, ago(3), 1, 3),),
        )
        assert "because the key bootstrap asked for it (a drill)" in said(degraded)

    def test_a_hold_says_whose_by_name_and_until_when(self):
        ladder = LadderState(level=1, since=ago(5), held_by="sam@example.com", held_until=NOW.replace(hour=10))
        assert held(facts(ladder=ladder), PEOPLE, NOW, UTC_ZONE) == "Sam Operations until 10:43"


class TestALevelThatSilenceCaused:
    def test_says_the_silence_and_no_limit_that_nothing_has_passed(self):
        silent = breach("error-rate", value=None, threshold=0.05)
        silent.reason = "nothing finished in 30 s while 5 run"
        proven = Held(1, 1, 2, ago(12), 2, ago(10), 1, 1)
        of = facts(proven_by=command("degrade", 3, actor="ladder", level=1), because_of=silent, present=(proven,))
        assert "because nothing finished in 30 s while 5 run" in said(of)
        with speaking("zh"):
            assert "处于 1 级（原因：30 秒内没有请求完成，而 5 个运行中）" in said(of)

    def test_giving_way_is_said_in_the_readers_language_and_its_reason_as_it_was_written(self):
        short = command("degrade", 3, actor="ladder", level=1)
        short.reason = "gives way to level 1: pool gpus-eu is full"
        of = facts(proven_by=short, present=(Held(1, 1, 2, ago(12), 2, ago(10), 1, 1),))
        assert "because gives way to level 1: pool gpus-eu is full" in said(of)
        with speaking("zh"):
            assert "处于 1 级（原因：让步到 1 级：“pool gpus-eu is full”）" in said(of)
