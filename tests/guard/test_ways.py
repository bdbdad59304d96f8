"""What each way back waits for, and when a budget's day begins. Pure."""

from datetime import UTC, datetime

import pytest

from trivet.guard.ways import NOTHING, Passed, Way, closed, next_day


def clock(text, day=21):
    return datetime.fromisoformat(f"2026-11-{day}T{text}Z")


RAISED = clock("15:00:00")


class TestTheNextBudgetDay:
    # In winter Berlin is an hour ahead of UTC and Chicago six behind.
    @pytest.mark.parametrize(
        ("zone", "begins"),
        [
            ("UTC", clock("00:00:00", 22)),
            ("Europe/Berlin", clock("23:00:00")),
            ("America/Chicago", clock("06:00:00", 22)),
        ],
    )
    def test_begins_at_midnight_in_its_zone(self, zone, begins):
        assert next_day(RAISED, zone) == begins
        way = Way(zone=zone)
        assert closed("next_budget_day", RAISED, way, begins) is None
        waits = closed("next_budget_day", RAISED, way, clock("22:59:59"))
        assert waits == f"waits for the next budget day, which begins {begins:%Y-%m-%d %H:%M} UTC"

    def test_is_23_hours_after_the_last_where_clocks_go_forward(self):
        before = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # the 29th in Berlin, which is an hour short
        assert next_day(before, "Europe/Berlin") == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)

    def test_counts_from_when_the_ladder_last_went_up_and_not_from_a_step_back(self):
        """Raised yesterday: whatever steps it has come back since, its budget day has begun."""
        assert closed("next_budget_day", RAISED, NOTHING, clock("00:10:00", 22)) is None


class TestARegression:
    def test_opens_the_way_where_it_is_newer(self):
        assert closed("regression_passed", RAISED, Way(passed=Passed(clock("15:00:01"), "run 8")), RAISED) is None

    @pytest.mark.parametrize("passed", [None, Passed(RAISED, "run 7"), Passed(clock("09:00:00"), "run 6")])
    def test_that_is_older_or_missing_does_not(self, passed):
        waits = closed("regression_passed", RAISED, Way(passed=passed), clock("16:00:00"))
        assert waits == "waits for a regression that passes after 15:00:00 UTC"


class TestTheOthers:
    def test_a_person_is_waited_for_however_long(self):
        assert closed("manual", RAISED, NOTHING, clock("15:00:00", 30)).startswith("waits for a person")

    def test_recovered_waits_for_nothing(self):
        assert closed("recovered", RAISED, NOTHING, RAISED) is None
