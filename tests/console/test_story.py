"""What is happening now, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet.command.models import Command
from trivet.console.story import lower, newest, of_breach, of_command, passed, person, spoken, what, why
from trivet.console.tongue import speaking
from trivet.console.views import Event
from trivet.guard.models import Breach
from trivet.guard.service import ANOTHER_REVISION

AT = datetime(2026, 11, 21, 14, 2, 7, tzinfo=UTC)


def command(**of) -> Command:
    base = {
        "id": 1, "kind": "degrade", "level": 2, "revision": 3, "generation": 7, "status": "pending", "actor": "robin@example.com",
        "reason": "the queue grows.", "created_at": AT, "observed_at": None, "effective_at": None, "ended_at": None,
    }  # fmt: skip
    return Command(**base | of)


def breach(**of) -> Breach:
    base = {
        "guard": "p95-latency",
        "reason": "P95 1.62 s over 1.5 s",
        "opened_at": AT,
        "closed_at": None,
        "closed_reason": None,
    }
    return Breach(**base | of)


def words(events):
    return [event.words for event in events]


class TestCommands:
    def tell(self, tenant=None, who="Robin Sato", **of) -> Event:
        return of_command(command(**of), "support-chat", tenant, who)

    def test_who_asked_for_what_and_why(self):
        asked = self.tell()
        assert asked.words == "Robin Sato asked to degrade to level 2: the queue grows. Not yet held by every backend."
        assert (asked.kind, asked.level, asked.at) == ("pending", 2, AT)

    def test_a_step_down_to_a_level_above_0_is_told_as_the_way_back(self):
        back = self.tell(who="The ladder", actor="ladder", level=1, reason="stepping back from level 2: calm for 31 s")
        assert back.words.startswith("The ladder stepped back to level 1: calm for 31 s.")

    def test_a_persons_degrade_is_one_whatever_they_write(self):
        assert what(command(reason="stepping back from level 2: calm for 31 s")) == "Degrade to level 2"

    def test_from_asked_to_proven_is_one_event_that_says_how_long_it_took(self):
        of = {"observed_at": AT + timedelta(seconds=1), "effective_at": AT + timedelta(seconds=3.14)}
        told = self.tell(status="effective", **of)
        assert told.words.endswith("Held by every backend present after 1.0 s, proven by telemetry after 3.1 s.")
        assert told.kind == "effective"

    def test_observed_is_said_as_holding_not_as_proof(self):
        told = self.tell(status="observed", observed_at=AT + timedelta(seconds=1))
        assert told.kind == "observed"
        assert told.words.endswith("Held by every backend present after 1.0 s, not yet proven.")

    def test_what_was_proven_stays_so_after_the_next_took_over(self):
        assert self.tell(status="superseded", effective_at=AT + timedelta(seconds=3)).kind == "effective"
        overtaken = self.tell(status="superseded")
        assert overtaken.kind == "superseded"
        assert overtaken.words.endswith("Another took over before any backend held it.")

    def test_a_command_that_nobody_saw_ends_with_that(self):
        told = self.tell(status="expired", ended_at=AT + timedelta(minutes=15))
        assert told.words.endswith("It ended and no backend had asked for it.")

    def test_one_tenant_alone_is_named(self):
        cut = self.tell("umbrella", "Mika Lind", kind="break", level=None, reason="a runaway loop")
        assert cut.words.startswith("Mika Lind asked to cut off for umbrella: a runaway loop.")
        assert cut.level is None

    @pytest.mark.parametrize(
        ("of", "said"),
        [
            ({"kind": "degrade", "level": 1}, "Degrade to level 1"), ({"kind": "restore", "level": 0}, "Restore to normal"),
            ({"kind": "rollback", "level": None}, "Roll back to revision 3"), ({"kind": "activate", "level": None}, "Activate revision 3"),
            ({"kind": "break", "level": None}, "Cut off"),
        ],
    )  # fmt: skip
    def test_each_kind_has_its_words(self, of, said):
        assert what(command(**of)) == said


class TestBreaches:
    def test_an_open_breach_says_what_broke_and_why(self):
        assert words(of_breach(breach(), "s")) == ["P95 latency broke: P95 1.62 s over 1.5 s."]

    def test_a_closed_one_also_says_what_made_it_whole(self):
        closed = breach(closed_at=AT + timedelta(minutes=1), closed_reason="P95 1.1 s, back within 1.2 s")
        assert words(of_breach(closed, "s"))[1] == "P95 latency is whole again: P95 1.1 s, back within 1.2 s."

    def test_another_revision_does_not_make_a_guard_whole(self):
        closed = breach(guard="quality-floor", closed_at=AT, closed_reason=ANOTHER_REVISION)
        ended = of_breach(closed, "s")[1]
        assert (ended.kind, ended.words) == (
            "afresh", "Quality floor is judged afresh: another revision governs now."
        )  # fmt: skip


class TestTheStrip:
    def test_the_whole_story_stays_newest_first(self):
        events = [Event(AT + timedelta(seconds=i), "effective", "s", str(i)) for i in range(20)]
        assert words(newest(events)) == [str(i) for i in range(19, 7, -1)]

    def test_two_commands_of_one_instant_stay_two(self):
        events = [Event(AT, "pending", "s", "One."), Event(AT, "pending", "s", "Two.")]
        assert len(newest(events)) == 2

    def test_guards_that_heal_at_once_are_one_event(self):
        events = [
            Event(AT, "clear", "s", "One."),
            Event(AT, "clear", "s", "Two."),
            Event(AT, "clear", "other", "Three."),
        ]
        assert words(newest(events)) == ["Two. 1 other guard too.", "Three."]


class TestReasons:
    @pytest.mark.parametrize(
        ("reason", "said"),
        [
            ("P95 2.87 s over 2.4 s", "P95 passed 2.4 s"),
            ("P95 of the first token 512 ms over 400 ms, ends at 300 ms", "P95 of the first token passed 400 ms"),
            ("error rate 6.2 % over 5.0 %", "error rate passed 5.0 %"),
            ("P95 2.87 s over 2.4 s: 9 of 9 took over 2.4 s where 0.5 may", "P95 passed 2.4 s"),
            ("quality 0.4707 under 0.65", "quality fell below 0.65"),
            ("12 in flight and none finished", "12 in flight and none finished"),
            ("Runaway loop.", "runaway loop"),
        ],
    )
    def test_a_guards_reason_ends_a_sentence(self, reason, said):
        assert passed(reason) == said

    @pytest.mark.parametrize(
        ("reason", "said", "chinese"),
        [
            ("gives way to level 1: its pool is full", "gives way to level 1: its pool is full", "让步到 1 级：“its pool is full”"),
            ("Runaway loop.", "runaway loop", "“runaway loop”"),
            ("error rate 6.2 % over 5.0 %", "error rate passed 5.0 %", "错误率超过 5.0 %"),
            ("stepping back from level 2: calm for 31 s", *["stepping back from level 2: calm for 31 s"] * 2),
        ],
    )  # fmt: skip
    def test_it_ends_a_chinese_one_too_and_what_only_the_store_knows_is_quoted(self, reason, said, chinese):
        assert passed(reason) == said
        with speaking("zh"):
            assert passed(reason) == chinese

    def test_the_automatons_words_are_said_again_and_a_persons_stay(self):
        reason = "P95 2.87 s over 2.4 s"
        assert (why("ladder", reason), why("sam@example.com", reason)) == (reason, reason)
        with speaking("zh"):
            assert (why("ladder", reason), why("sam@example.com", reason)) == ("P95 2.87 s，高于 2.4 s", reason)

    def test_capitals_that_belong_stay(self):
        assert [lower("P95 rose"), lower("SLO"), lower("The queue")] == ["P95 rose", "SLO", "the queue"]


class TestPeople:
    def test_people_go_by_name_and_the_automaton_by_what_it_is(self):
        assert person("robin@example.com", {"robin@example.com": "Robin Sato"}) == "Robin Sato"
        assert person("ladder", {}) == "The ladder"
        assert person("key:gateway", {}) == "key:gateway"
        assert spoken("quality_floor") == "Quality floor"
