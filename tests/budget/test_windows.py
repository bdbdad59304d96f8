"""Windows of budgets begin by the owner's calendar, whatever clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.budget.windows import CALENDAR, following, window_at, zone_of
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
LOS_ANGELES, APIA = ZoneInfo("America/Los_Angeles"), ZoneInfo("Pacific/Apia")
ODD = ("Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Apia", "Asia/Kathmandu", "Australia/Lord_Howe",
       "America/St_Johns", "America/Havana", "Africa/Cairo", "America/Sao_Paulo", "Asia/Beirut", "UTC")  # fmt: skip
zones = st.sampled_from(ODD).map(ZoneInfo)
kinds = st.sampled_from(CALENDAR)
instants = st.datetimes(datetime(2001, 1, 1), datetime(2037, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def utc(text):
    return datetime.fromisoformat(text + "+00:00")


def between(start, end):
    return Interval(utc(start), utc(end))


class TestByHand:
    def test_a_day_in_berlin_has_24_hours_and_23_in_march_and_25_in_october(self):
        assert window_at("day", BERLIN, utc("2026-11-21T09:00")) == between("2026-11-20T23:00", "2026-11-21T23:00")
        assert window_at("day", BERLIN, utc("2026-03-29T12:00")) == between("2026-03-28T23:00", "2026-03-29T22:00")
        assert window_at("day", BERLIN, utc("2026-10-25T12:00")) == between("2026-10-24T22:00", "2026-10-25T23:00")

    def test_a_month_in_berlin_ends_at_an_offset_that_it_did_not_begin_with(self):
        assert window_at("month", BERLIN, utc("2026-03-15T00:00")) == between("2026-02-28T23:00", "2026-03-31T22:00")

    def test_a_week_begins_on_monday(self):
        assert window_at("week", BERLIN, utc("2026-11-22T22:59")) == between("2026-11-15T23:00", "2026-11-22T23:00")
        assert window_at("week", BERLIN, utc("2026-11-22T23:00")) == between("2026-11-22T23:00", "2026-11-29T23:00")

    def test_a_day_in_kolkata_begins_at_half_past(self):
        assert window_at("day", KOLKATA, utc("2026-11-21T18:29")) == between("2026-11-20T18:30", "2026-11-21T18:30")
        assert window_at("day", KOLKATA, utc("2026-11-21T18:30")) == between("2026-11-21T18:30", "2026-11-22T18:30")

    def test_los_angeles_changes_clocks_on_other_days(self):
        assert window_at("day", LOS_ANGELES, utc("2026-03-08T20:00")) == between("2026-03-08T08:00", "2026-03-09T07:00")
        assert window_at("day", LOS_ANGELES, utc("2026-11-01T20:00")) == between("2026-11-01T07:00", "2026-11-02T08:00")
        assert window_at("month", LOS_ANGELES, utc("2026-12-31T23:00")) == between(
            "2026-12-01T08:00", "2027-01-01T08:00"
        )

    def test_apia_left_out_a_day_and_its_windows_have_no_gap(self):
        thursday = window_at("day", APIA, utc("2011-12-30T09:59"))
        assert thursday == between("2011-12-29T10:00", "2011-12-30T10:00")
        saturday = following("day", APIA, thursday)
        assert saturday == between("2011-12-30T10:00", "2011-12-31T10:00")
        assert saturday.start.astimezone(APIA).date().isoformat() == "2011-12-31"

    def test_clocks_that_go_back_over_midnight_tell_no_instant_twice(self):
        newfoundland = ZoneInfo("America/St_Johns")  # went back at one minute past midnight until 2011
        evening = window_at("day", newfoundland, utc("2010-11-07T02:29"))
        after = window_at("day", newfoundland, utc("2010-11-07T02:45"))  # 23:15 of the day before, for the second time
        assert after == following("day", newfoundland, evening)

    def test_an_interaction_has_one_window(self):
        assert window_at("interaction", BERLIN, utc("2026-11-21T09:00")) == between(
            "2000-01-01T00:00", "2100-01-01T00:00"
        )

    def test_a_zone_that_is_none_is_refused(self):
        for name in ("Mars/Olympus", "", "../etc/passwd", "Europe"):
            with pytest.raises(Invalid):
                zone_of(name)


class TestAlways:
    @given(kinds, zones, instants)
    def test_a_window_holds_its_instant_and_the_next_begins_where_it_ends(self, kind, zone, at):
        window = window_at(kind, zone, at)
        assert window.contains(at)
        assert following(kind, zone, window).start == window.end
        assert window_at(kind, zone, window.start) == window
        assert window_at(kind, zone, window.end - timedelta(microseconds=1)) == window

    @given(kinds, zones, instants)
    def test_a_window_lies_between_quarter_hours(self, kind, zone, at):
        window = window_at(kind, zone, at)
        assert {window.start.timestamp() % 900, window.end.timestamp() % 900} == {0}

    @given(zones, instants)
    def test_a_day_has_between_23_and_25_hours(self, zone, at):
        hours = window_at("day", zone, at).seconds / 3600
        assert 23 <= hours <= 25

    @given(zones, instants)
    def test_days_fill_weeks_and_months(self, zone, at):
        day = window_at("day", zone, at)
        for kind in ("week", "month"):
            window = window_at(kind, zone, at)
            assert window.start <= day.start < day.end <= window.end
