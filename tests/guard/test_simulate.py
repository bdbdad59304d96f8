"""A card over a made week: three bursts of slow calls, worked out by hand."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from tests.support.calls import call, ingest
from tests.support.governed import register, short_card

from trivet.card.content import parse
from trivet.guard.past import Past
from trivet.guard.simulate import simulate
from trivet.guard.simulate_api import words
from trivet.guard.window import Slice
from trivet.kit import histogram
from trivet.kit.clock import rfc3339, utc_now
from trivet.rollup.read import Usage

WEEK = datetime(2026, 11, 14, tzinfo=UTC)
QUICK, SLOW, SLOWER = 300_000, 1_500_000, 2_500_000


def bucket(seconds, us=QUICK, n=20, **more):
    """Twenty calls that took so long, in the ten seconds that begin so long after the week did."""
    usage = Usage(requests=n, latency=histogram.of([us] * n), **more)
    return Slice(WEEK + timedelta(seconds=seconds), 0, 0, "USD", usage)


def run(slices, card=None, *, seconds=7 * 86_400, grain_s=10):
    return simulate(parse(card or short_card()), Past(slices, WEEK, WEEK + timedelta(seconds=seconds), grain_s))


def week(*bursts):
    """Traffic around each burst alone: (from, until, microseconds)."""
    slices = []
    for start, end, us in bursts:
        slices += [bucket(s, us if start <= s < end else QUICK) for s in range(start - 100, end + 200, 10)]
    return slices


# P95 over 1 s raises to 1, over 2 s to 2; windows of 20 s, a stay of 20 s, a calm of 30 s.
HOUR = 3600
FIRST, SECOND, THIRD = (
    (HOUR, HOUR + 60, SLOW),
    (30 * HOUR, 30 * HOUR + 300, SLOW),
    (100 * HOUR, 100 * HOUR + 120, SLOWER),
)


@lru_cache
def three_bursts():
    return run(week(FIRST, SECOND, THIRD))


class TestAWeekWithThreeBursts:
    """Each burst is over the limit from its first bucket on: the ladder rises at the end of it."""

    @pytest.fixture
    def found(self):
        return three_bursts()

    def test_would_have_degraded_three_times(self, found):
        assert found.degraded == 3 and found.complete
        assert [guard.times for guard in found.guards[:2]] == [3, 1]

    def test_the_first_rises_at_the_end_of_its_first_bucket_and_is_back_after_calm(self, found):
        """The burst ends at 3660. At 3670 one of two buckets is quick, at 3680 both are: calm. Thirty seconds on it is back."""
        up, down = found.moves[0], found.moves[1]
        assert (up.at, up.level, up.guard) == (WEEK + timedelta(seconds=3610), 1, "p95")
        assert (down.at, down.level) == (WEEK + timedelta(seconds=3710), 0)

    def test_the_third_climbs_a_level_at_a_time(self, found):
        third = [(round((m.at - WEEK).total_seconds()) - 100 * HOUR, m.level) for m in found.moves[4:]]
        assert third == [(10, 1), (30, 2), (170, 1), (210, 0)]

    def test_minutes_by_level_add_up(self, found):
        """100 s and 340 s at level 1; then 20 s, 140 s at level 2, and 40 s at level 1: its calm begins with its first bucket."""
        assert found.level_s[2] == 140 and found.level_s[1] == 100 + 340 + 20 + 40
        assert found.degraded_s == 640 and sum(found.level_s.values()) == 7 * 86_400
        assert words(found) == "would have degraded 3 times, 11 minutes"

    def test_a_guard_in_shadow_says_what_it_saw_and_moves_nothing(self):
        card = short_card()
        for guard in card["guards"]:
            guard["shadow"] = True
        found = run(week(FIRST), card)
        assert (found.degraded, found.guards[0].times, words(found)) == (0, 1, "would not have degraded")


class TestWhatCannotBeRun:
    def test_a_guard_on_what_is_in_no_bucket_says_so(self):
        card = short_card()
        card["guards"].append(
            {"name": "queue", "metric": "queue_depth", "enter": 9, "leave": 5, "window_s": 20, "minimum_sample": 1}
        )
        found = run(week(FIRST), card)
        assert "not in the stored buckets" in found.guards[-1].left_out and found.degraded == 1

    def test_a_window_shorter_than_a_bucket_is_widened_and_said(self):
        slices = [bucket(s, SLOW if HOUR <= s < HOUR + 300 else QUICK) for s in range(0, 2 * HOUR, 60)]
        found = run(slices, grain_s=60, seconds=2 * HOUR)
        assert found.guards[0].window_s == 60
        assert [(m.at - WEEK).total_seconds() for m in found.moves] == [3660, 3960 + 30 + 30]

    def test_a_run_is_cut_short_where_it_would_take_too_long(self, monkeypatch):
        monkeypatch.setattr("trivet.guard.simulate.JUDGED_MAX", 5)
        found = run(week(FIRST, SECOND))
        assert not found.complete and found.until < found.end


class TestSpending:
    def test_the_cost_of_a_day_begins_anew_at_midnight(self):
        card = short_card()
        card["guards"] = [{"name": "day", "metric": "cost_per_day", "enter": 5, "leave": 4, "window_s": 60, "minimum_sample": 1, "raises_to": 1}]  # fmt: skip
        card["rollback"] = {"automatic": False}
        slices = [bucket(s, cost=1, n=1) for s in range(0, 2 * 86_400, 6 * 3600)]  # 4 a day: never more than 5
        assert run(slices, card).degraded == 0
        more = run([*slices, bucket(70_000, cost=2, n=1)], card)
        assert (more.degraded, more.moves[0].at) == (1, WEEK + timedelta(seconds=70_010))
        assert more.moves[1].at >= WEEK + timedelta(days=1)


class TestTheEndpoint:
    def test_says_what_a_card_would_have_done_and_keeps_nothing(self, client, admin):
        register("chat")
        now = utc_now().replace(microsecond=0)
        ingest(*(call(now - timedelta(hours=2, seconds=s), seconds=1.5) for s in range(60) for _ in range(4)), now=now)
        answer = client.post("/api/v1/cards/chat/simulate", headers=admin, json={"card": short_card()})
        body = answer.json()
        assert (answer.status_code, body["degraded"], body["requests"], body["bucket_s"]) == (200, 1, 240, 10)
        assert body["words"].startswith("would have degraded once")
        assert client.get("/api/v1/cards/chat/revisions", headers=admin).json()["items"][0]["revision"] == 1

    def test_names_the_field_of_a_card_that_is_none_and_of_too_long_a_time(self, client, admin):
        register("chat")
        wrong = client.post("/api/v1/cards/chat/simulate", headers=admin, json={"card": short_card(guards=[])})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "guards")
        long = {"card": short_card(), "from": rfc3339(utc_now() - timedelta(days=9))}
        refused = client.post("/api/v1/cards/chat/simulate", headers=admin, json=long)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "from")
