"""Scores under their floor, or luck: the fewer, and the more they vary, the more may be luck."""

from datetime import UTC, datetime

import pytest

from trivet.card.content import Guard
from trivet.guard.decide import Standing, Window, verdict
from trivet.guard.scored import spread

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
FLOOR = Guard(name="floor", metric="quality", enter=0.65, leave=0.7, window_s=60, minimum_sample=15)


def judged(parts):
    scores, total = sum(n for n, _ in parts), sum(total for _, total in parts)
    return verdict(FLOOR, Window(seconds=60, scores=scores, score_total=total, score_parts=parts), Standing(), NOW)


class TestSpread:
    def test_by_hand(self):
        """Means of 0.5, 0.6 and 0.7 of ten scores each: 0.1 between, times 99.5 for two degrees of freedom: the most."""
        assert spread([(10, 5.0), (10, 6.0), (10, 7.0)], 0.65) == 1.0
        alike = [(10, 6.0), (10, 6.2), (10, 5.8), (10, 6.0), (10, 6.0)]
        assert spread(alike, 0.65) == pytest.approx(13.5 * (2 * 10 * 0.02**2 / 4) / (0.65 * 0.35), rel=1e-6)

    @pytest.mark.parametrize("parts", [[], [(50, 20.0)], [(25, 10.0), (25, 10.0)]])
    def test_of_fewer_than_three_buckets_is_unknown(self, parts):
        assert spread(parts, 0.65) == 1.0


class TestAQualityFloor:
    def test_breaks_on_a_few_scores_of_a_judge_that_is_of_one_mind(self):
        found = judged([(10, 4.7), (12, 5.6), (11, 5.2)])
        assert found.word == "breach"
        assert found.reason.startswith("quality 0.4697 under 0.65: 33 scores lost 17.5 points where 12 may be lost")

    def test_waits_for_more_where_scores_are_right_or_wrong(self):
        found = judged([(10, 7.0), (12, 3.0), (11, 5.5)])
        assert (found.word, found.numbers["usual"]) == ("ok", pytest.approx(0.35))
        assert "it could be luck" in found.reason

    def test_of_scores_beyond_one_is_a_plain_threshold(self):
        stars = FLOOR.model_copy(update={"enter": 3.5, "leave": 4.0})
        window = Window(seconds=60, scores=20, score_total=60.0)
        assert verdict(stars, window, Standing(), NOW).reason == "quality 3 under 3.5"
