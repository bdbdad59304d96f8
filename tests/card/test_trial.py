"""A revision on trial grows, waits or goes back: what it says and why, from what both arms did."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trivet.card.presets import preset
from trivet.card.trial import PATIENCE_S, Plan, Stretch, judge

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CARD = preset("real-time-chat")
PLAN = Plan(3, 2, (0.05, 0.2, 0.5), 1, 600, START, 200, CARD, CARD)


def stretch(n, **parts):
    """n requests as they should be: 1 % errors, 1 % slow, a cost that varies a little."""
    good = Stretch(
        served=n,
        errors=n // 100,
        timed=n,
        over=n // 100,
        priced=n,
        cost=0.003 * n,
        scores=n // 10,
        score_total=0.9 * (n // 10),
    )
    return replace(good, **parts)


def arm(n, count=100, **parts):
    return [stretch(n, **parts)] * count


def said(new, old, *, plan=PLAN, after_s=700.0):
    return judge(plan, new, old, START + timedelta(seconds=after_s))


class TestARevisionThatIsAsGood:
    def test_waits_until_its_time_is_over(self):
        found = said(arm(100), arm(400), after_s=60)
        assert (found.action, found.words) == ("wait", "Nothing is worse so far; 20 % of conversations for 540 s more.")

    def test_then_grows_and_says_on_what_it_rests(self):
        found = said(arm(100), arm(400))
        assert found.action == "grow"
        assert found.words.startswith(
            "Revision 3 grows to 50 %: over 10,000 requests at 20 % nothing is worse (errors 1.0 %"
        )
        assert {n["measure"] for n in found.numbers} == {
            "errors", "timeouts", "refusals", "slower than the P95 target", "cost per request", "quality",
        }  # fmt: skip
        assert all(n["holds"] and not n["worse"] for n in found.numbers)

    def test_governs_after_the_last_share(self):
        found = said(arm(100), arm(400), plan=replace(PLAN, step=2))
        assert found.action == "activate" and "governs from now on" in found.words

    def test_waits_while_too_few_requests_ran_under_it(self):
        found = said(arm(10, 10), arm(40, 10))
        assert (found.action, found.words) == ("wait", "100 of 200 requests under revision 3 so far.")

    def test_waits_while_it_cannot_be_told(self):
        found = said(arm(30, 10, errors=1), arm(120, 10, errors=1))
        assert found.action == "wait" and "too few to be sure: errors 3.3 % against 0.8 %" in found.words

    def test_goes_back_where_that_does_not_end(self):
        found = said(arm(30, 10, errors=1), arm(120, 10, errors=1), after_s=PATIENCE_S + 1)
        assert found.action == "back" and found.words.startswith("Not decided in 7 days")


class TestARevisionThatIsWorse:
    @pytest.mark.parametrize(
        ("parts", "says"),
        [
            ({"errors": 20}, "errors 20.0 % against 1.0 %"),
            ({"timeouts": 20}, "timeouts 20.0 % against 0.0 %"),
            ({"refusals": 20}, "refusals 20.0 % against 0.0 %"),
            ({"over": 40.0}, "slower than the P95 target 40.0 % against 1.0 %"),
            ({"cost": 0.6}, "cost per request 0.006 against 0.003"),
            ({"score_total": 7.0}, "quality 0.7 against 0.9"),
        ],
    )
    def test_goes_back_before_its_time_is_over(self, parts, says):
        found = said(arm(100, 20, **parts), arm(400, 20), after_s=200)
        assert found.action == "back"
        assert says in found.words and "worse than 2 at 20 %" in found.words
        assert any(n["worse"] for n in found.numbers)

    def test_by_less_than_matters_grows(self):
        # 1.5 % of errors against 1 %, known well: the margin is two points
        assert said(arm(1000, errors=15), arm(4000, errors=40)).action == "grow"

    def test_that_hangs_or_meets_nobody_goes_back(self):
        found = said([], arm(400))
        assert found.action == "back" and "0 requests ran under revision 3 where about 10000 should have" in found.words

    def test_that_is_past_its_own_limit_does_not_grow_although_the_other_is_too(self):
        # 6 % of both: the card's strictest guard on errors enters at 5 %
        found = said(arm(1000, errors=60), arm(4000, errors=240))
        assert (found.action, found.words[:30]) == ("wait", "Past its own card's limit: err")


class TestACardThatCostsMoreAndSaysSo:
    def test_may_cost_what_it_says(self):
        dearer = CARD.model_copy(update={"cost": CARD.cost.model_copy(update={"per_request": "0.007"})})
        new, old = arm(100, cost=0.5), arm(400)
        assert said(new, old).action == "back"
        assert said(new, old, plan=replace(PLAN, card=dearer)).action == "grow"


class TestWhatIsNotMeasured:
    def test_is_not_asked(self):
        quiet = {"scores": 0, "score_total": 0.0, "priced": 0, "cost": 0.0}
        found = said(arm(100, **quiet), arm(400, **quiet))
        assert found.action == "grow"
        assert {n["measure"] for n in found.numbers} == {"errors", "timeouts", "refusals", "slower than the P95 target"}

    def test_two_stretches_are_too_few_to_compare(self):
        assert said(arm(400, 2), arm(1600, 2)).words.startswith("Too few stretches of time")
