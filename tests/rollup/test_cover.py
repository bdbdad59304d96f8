"""Which rollups serve an interval."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from tests.support.seeded import seeded

from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.rollup.cover import cover


def at(clock):
    return datetime.fromisoformat(f"2026-11-21T{clock}+00:00")


def said(segments):
    return sorted((part.start.strftime("%T"), part.end.strftime("%T"), grain) for grain, part in segments)


class TestCover:
    def test_whole_hours_come_from_the_hourly_rollup(self):
        assert said(cover(Interval(at("01:00:00"), at("05:00:00")))) == [("01:00:00", "05:00:00", 3600)]

    def test_odd_ends_come_from_finer_ones(self):
        assert said(cover(Interval(at("00:58:40"), at("03:02:10")))) == [
            ("00:58:40", "00:59:00", 10),
            ("00:59:00", "01:00:00", 60),
            ("01:00:00", "03:00:00", 3600),
            ("03:00:00", "03:02:00", 60),
            ("03:02:00", "03:02:10", 10),
        ]

    def test_a_short_interval_comes_from_the_finest(self):
        assert said(cover(Interval(at("01:00:50"), at("01:01:30")))) == [("01:00:50", "01:01:30", 10)]

    def test_a_named_grain_serves_alone(self):
        assert said(cover(Interval(at("01:00:00"), at("02:00:00")), 10)) == [("01:00:00", "02:00:00", 10)]

    @pytest.mark.parametrize(
        ("start", "end", "grain_s", "field"),
        [
            ("01:00:05", "02:00:00", None, "from"),
            ("01:00:00", "02:00:00.5", None, "to"),
            ("01:00:10", "02:00:00", 60, "from"),
            ("01:00:00", "02:30:00", 3600, "to"),
        ],
    )
    def test_an_end_inside_a_bucket_is_refused_by_name(self, start, end, grain_s, field):
        with pytest.raises(Invalid, match="whole") as refused:
            cover(Interval(at(start), at(end)), grain_s)
        assert refused.value.field == field

    def test_segments_join_up_to_the_interval_without_gap_or_overlap(self):
        rng = seeded()
        for _ in range(300):
            start = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=10 * rng.randrange(100_000))
            end = start + timedelta(seconds=10 * rng.randrange(1, 100_000))
            parts = sorted((part.start, part.end) for _, part in cover(Interval(start, end)))
            assert (parts[0][0], parts[-1][1]) == (start, end)
            assert all(left[1] == right[0] for left, right in pairwise(parts))
