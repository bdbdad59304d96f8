"""The triangle, with examples worked by hand: corners at distance 1, edges at distance 1/2 from the centre."""

import math

import pytest

from trivet.console.triangle import SHARE_DRAWN_MAX, draw, percent, svg_points, used_share


def area(path):
    pairs = zip(path, (*path[1:], *path[:1]), strict=True) if path else []
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


class TestShareUsed:
    def test_a_target_is_used_by_measured_over_target(self):
        assert used_share(1200, 1500) == 0.8

    def test_a_floor_is_used_by_floor_over_measured(self):
        assert used_share(0.92, 0.8, floor=True) == pytest.approx(0.8696, abs=1e-4)

    def test_nothing_measured_or_nothing_written_is_no_share(self):
        assert used_share(None, 1500) is None
        assert used_share(1200, None) is None

    def test_a_quality_of_zero_uses_more_than_any_allowance(self):
        assert used_share(0.0, 0.9, floor=True) == math.inf


class TestPlaces:
    def test_quality_is_up_latency_lower_right_cost_lower_left(self):
        drawn = draw((1, 1, 1), centre=(100, 100), radius=80)
        assert drawn.outer == ((100, 20), (169.28, 140), (30.72, 140))
        assert [leg.name for leg in drawn.legs] == ["quality", "latency", "cost"]

    def test_a_tip_lies_at_its_share_of_the_way_to_the_corner(self):
        quality, latency, cost = draw((0.5, 0.25, 0), centre=(0, 0), radius=100).legs
        assert quality.tip == (0, -50)
        assert latency.tip == (21.65, 12.5)
        assert cost.tip == (0, 0)


class TestFill:
    def test_half_used_everywhere_is_the_triangle_at_half_size(self):
        legs = draw((0.5, 0.5, 0.5), centre=(0, 0), radius=100).legs
        assert legs[0].fill == ((0, 0), (-21.65, -12.5), (0, -50), (21.65, -12.5))
        assert sum(area(leg.fill) for leg in legs) == pytest.approx(0.25 * 12990.4, rel=1e-3)

    def test_all_of_it_used_fills_the_card_and_nothing_breaks_out(self):
        legs = draw((1, 1, 1), centre=(0, 0), radius=100).legs
        assert sum(area(leg.fill) for leg in legs) == pytest.approx(12990.4, rel=1e-3)
        assert not any(leg.over or leg.breakout for leg in legs)

    def test_no_data_on_a_leg_leaves_its_corner_empty_and_says_so(self):
        drawn = draw((None, 0.5, 0.5), centre=(0, 0), radius=100)
        assert drawn.legs[0].share is None and area(drawn.legs[0].fill) == 0
        assert drawn.words.startswith("quality: no data")


class TestBreakout:
    def test_one_leg_past_the_line_breaks_out_as_a_kite_at_its_corner(self):
        # Tips at 1.2 and 0.5: the line between them crosses the edge at t = 0.2 / 0.7 of its way,
        # which is 0.857 of the quality corner and 0.143 of the other.
        legs = draw((1.2, 0.5, 0.5), centre=(0, 0), radius=100).legs
        assert legs[0].breakout == ((-12.37, -78.57), (0, -120), (12.37, -78.57), (0, -100))
        assert legs[0].over and not legs[1].breakout and not legs[2].breakout

    def test_the_fill_stays_inside_the_card(self):
        legs = draw((1.3, 0.4, 1.1), centre=(0, 0), radius=100).legs
        assert all(y <= 50.01 for leg in legs for _, y in leg.fill)

    def test_three_legs_past_the_line_leave_a_rim_around_the_card(self):
        legs = draw((1.3, 1.3, 1.3), centre=(0, 0), radius=100).legs
        assert sum(area(leg.breakout) for leg in legs) == pytest.approx(12990.4 * (1.69 - 1), rel=1e-3)

    def test_a_share_too_large_to_draw_is_drawn_at_the_limit_and_said_in_full(self):
        drawn = draw((0.5, 7.0, 0.5), centre=(0, 0), radius=100)
        assert drawn.legs[1].tip == (round(SHARE_DRAWN_MAX * 100 * math.cos(math.radians(30)), 2), SHARE_DRAWN_MAX * 50)
        assert "latency 700 % of its allowance (past the line)" in drawn.words

    def test_infinity_is_drawn_too(self):
        assert draw((math.inf, 0.5, 0.5)).legs[0].over


class TestWords:
    def test_the_text_says_the_three_numbers(self):
        assert draw((0.98, 1.214, None)).words == (
            "quality 98 % of its allowance, latency 122 % of its allowance (past the line), cost: no data"
        )

    @pytest.mark.parametrize(
        ("share", "said"),
        [(0.62, "62 %"), (1.0, "100 %"), (1.001, "101 %"), (0.999, "100 %"), (10, "> 999 %"), (0, "0 %")],
    )
    def test_past_the_line_never_rounds_down_onto_it(self, share, said):
        assert percent(share) == said

    def test_points_are_what_svg_reads(self):
        assert svg_points(((1.0, 2.5), (-3.25, 0.0))) == "1,2.5 -3.25,0"
