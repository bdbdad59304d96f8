"""The page of commands: who holds what and how each learns, in a sentence, a picture and two tables."""

from datetime import UTC, datetime, timedelta

from tests.support.commanding import hold, issue, poll, sweep_at

from trivet.console.control.control_words import WIDTH, Told, sentence, tracks
from trivet.kit.clock import utc_now

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class TestTheSentence:
    def test_says_who_is_there_and_how_they_learn(self):
        assert sentence(["listens", "polls", "polls", "silent"], 0, 0) == (
            "3 backends in sight: 1 listens, 2 poll; all hold what they should."
        )

    def test_says_what_is_not_yet_so(self):
        assert sentence(["webhook"], 2, 1) == (
            "1 backend in sight: 1 told by webhook; 1 of them does not hold what they should and 2 commands not yet proven."
        )

    def test_says_when_nobody_would_hear(self):
        assert (
            sentence(["silent"], 1, 1)
            == "No backend has asked in the last minute, so a command would reach nobody yet."
        )


class TestThePicture:
    def test_is_hollow_until_a_command_was_observed_and_solid_from_then_on(self):
        given = NOW - timedelta(seconds=30)
        seen = Told("degrade · chat", "observed", given, given + timedelta(seconds=6), None)
        open_ = Told("restore · chat", "pending", given, None, None)
        (first, second), height = tracks([seen, open_], NOW)
        assert (first.hollow, first.solid) == (WIDTH / 10, WIDTH * 9 / 10)
        assert (second.hollow, second.solid) == (WIDTH / 2, 0)
        assert first.says == "degrade · chat: observed after 6.0 s, observed"
        assert height > second.y


class TestThePage:
    def test_shows_backends_what_they_hold_and_the_newest_commands(self, scenario, sign_in):
        now, page_of = utc_now(), sign_in("sre")
        hold(now, "gw-1")
        issue(now, level=2)
        page = page_of.get("/commands").text
        assert "gw-1" in page and "support-chat 0 of 1" in page
        assert "degrade to level 2" in page and "too slow" in page
        assert "/scenarios/support-chat/command?kind=degrade" in page
        poll(now, "gw-1", poll(now, "gw-1"))
        sweep_at(now)
        assert "1 of 1" in page_of.get("/commands").text
