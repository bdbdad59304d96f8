"""The page of ladders: proven steps solid, wanted ones dashed, shares as boxes; how long at each level, and why each step."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.commanding import command, issue

from trivet import db
from trivet.command.models import Command
from trivet.console.control import ladder_picture as picture
from trivet.console.control.ladder_read import trials
from trivet.console.control.ladder_words import move, sentence
from trivet.console.control.lanes import WIDTH, Scale
from trivet.guard.models import LadderMove
from trivet.kit.clock import utc_now
from trivet.kit.interval import Interval

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(minutes):
    return START + timedelta(minutes=minutes)


class TestTheSentence:
    def test_says_who_is_away_from_normal_since_when_and_the_longest_stay(self):
        stays = {"chat": {0: 900.0, 2: 2_460.0}}
        assert sentence([("chat", 2, at(0))], 3, stays, at(41), UTC) == (
            "Chat has been at level 2 since 12:00; all others stand at level 0."
            " The longest stay of this time: 41 min at level 2, by chat."
        )

    @pytest.mark.parametrize(
        ("away", "scenarios", "said"),
        [
            ([], 0, "There is no scenario with a ladder yet."),
            ([], 200, "All 200 scenarios stand at level 0."),
            ([("chat", 1, at(5))], 1, "Chat has been at level 1 since 12:05."),
            ([("chat", 1, at(5)), ("rag", 3, at(6))], 9, "Rag has been at level 3 since 12:06, and 1 other stands above level 0."),
        ],
    )  # fmt: skip
    def test_says_the_highest_first(self, away, scenarios, said):
        assert sentence(away, scenarios, {}, at(41), UTC) == said

    def test_a_move_is_of_a_level_or_of_a_share(self):
        assert move(0, 2, "") == "level 0 to 2"
        assert move(2, 2, "5 %") == "5 % of conversations back at level 1"


class TestThePicture:
    def test_time_at_each_level_is_what_telemetry_proved_until_now(self):
        steps = [(at(0), 0), (at(10), 2), (at(20), 2), (at(51), 1), (at(55), 0)]
        assert picture.stays(steps, at(60)) == {0: 900.0, 2: 2_460.0, 1: 240.0}
        assert picture.in_words(picture.stays(steps, at(60))) == ("41 min at level 2", "4 min at level 1")

    def test_steps_are_drawn_over_the_range_and_end_now(self):
        scale = Scale(Interval(at(0), at(60)), UTC)
        course = picture.Course("chat", "", [(at(0), 0), (at(30), 2)], [(at(0), 0), (at(27), 2)])
        lane = picture.lane(course, scale, at(45))
        wanted, proven = lane.lines
        assert proven.points == "0,46 500,46 500,22 750,22" and proven.style == "proven"
        assert wanted.points == "0,46 450,46 450,22 750,22" and wanted.style == "wanted"
        assert [band.says for band in lane.bands] == ["level 0 from 12:00 to 12:30", "level 2 from 12:30 to 12:45"]

    def test_a_share_on_trial_is_a_box_on_the_level_below_as_high_as_it_is_large(self):
        rows = [LadderMove(at=at(n), level_from=2, level_to=2, share_to=share) for n, share in ((1, 0.5), (4, None))]
        (trial,) = trials(rows, at(10))
        assert (trial.since, trial.until, trial.share, trial.level) == (at(1), at(4), 0.5, 1)
        band = picture._trial(trial, Scale(Interval(at(0), at(10)), UTC))
        assert (band.style, band.height, band.says) == (
            "probe",
            6.0,
            "50 % of conversations at level 1 by way of trial",
        )

    def test_what_lies_outside_stays_on_the_edge_and_what_is_short_is_seen(self):
        scale = Scale(Interval(at(0), at(60)), UTC)
        assert scale.x(at(-5)) == 0 and scale.x(at(99)) == WIDTH
        assert scale.band(at(60), at(60)) == (WIDTH - 4, 4)
        assert scale.ticks == ("12:00", "12:15", "12:30", "12:45", "13:00")


class TestThePage:
    def test_shows_what_was_proven_and_why_each_step_and_the_file_has_the_moves(self, scenario, sign_in):
        now, client = utc_now(), sign_in("sre")
        id_ = issue(now - timedelta(minutes=20), level=2)
        with db.transaction() as session:
            session.get(Command, id_).effective_at = now - timedelta(minutes=19)
        page = client.get("/ladder?range=1h").text
        assert "Support chat has been at level 2 since" in page and "19 min at level 2" in page
        assert "level 0 to 2" in page and "too slow" in page and f"/commands/{id_}" in page
        assert "lane__band--level-2" in page
        (line,) = client.get("/ladder.csv?range=1h").text.splitlines()[1:]
        assert ",support-chat,0,2," in line and command(id_).reason in line
        assert "No ladder moved in this time." in client.get("/ladder?range=15m").text
