"""Which buckets a guard looks at after a change."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from trivet.card.presets import preset
from trivet.guard.window import Governing, Slice, measured_under, window
from trivet.rollup.read import Usage

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def bucket(seconds, revision=0, level=0):
    return Slice(NOON + timedelta(seconds=seconds), revision, level, "USD", Usage())


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("slice_", "counts"),
        [
            (bucket(0, 2, 1), False),  # before the change at 12:00:14
            (
                bucket(10, 2, 1),
                True,
            ),  # says the new revision and level: so it came after, even in the bucket of the change
            (bucket(10), False),  # says nothing: may be from before
            (bucket(20), True),
            (bucket(20, 2, 0), False),  # was in flight when the level changed
            (bucket(20, 1, 1), False),  # was in flight when the revision changed
        ],
    )
    def test_is_what_ran_under_the_present_revision_and_level(self, slice_, counts):
        governing = Governing(revision=2, level=1, since=NOON + timedelta(seconds=14))
        assert bool(measured_under([slice_], governing)) is counts

    def test_of_a_scenario_registered_a_moment_ago_is_everything(self):
        slices = [bucket(-20), bucket(0), bucket(0, 1, 0)]
        assert measured_under(slices, Governing(revision=1, level=0, since=None)) == slices


class TestTheCostOfAnHour:
    """A steady 3.4 requests/s at $0.001; the level changed at 12:00:04 and requests take a while to finish."""

    GUARD = next(g for g in preset("real-time-chat").guards if g.metric == "cost_per_hour")
    GOVERNING = Governing(revision=2, level=1, since=NOON + timedelta(seconds=4))

    def seen(self, at):
        finished = {0: 1, 10: 34, 20: 34, 30: 34}
        slices = [
            Slice(NOON + timedelta(seconds=s), 2, 1, "USD", Usage(requests=n, cost=Decimal(n) / 1000))
            for s, n in finished.items()
            if s < at
        ]
        return window(slices, self.GUARD, self.GOVERNING, NOON + timedelta(seconds=at), preset("real-time-chat"))

    @pytest.mark.parametrize("at", [5, 6, 10, 15, 19])
    def test_is_not_known_until_a_whole_bucket_ran_under_what_governs(self, at):
        assert self.seen(at).priced == 0

    @pytest.mark.parametrize("at", [20, 30, 40])
    def test_is_then_that_of_the_whole_buckets_alone(self, at):
        found = self.seen(at)
        assert found.cost * 3600 / found.seconds == pytest.approx(3.4 * 0.001 * 3600)
