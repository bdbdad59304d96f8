"""Error budgets: which pairs of windows break a guard, and when it is whole again. An objective of 99.9 %."""

from datetime import UTC, datetime

import pytest

from trivet.card.content import Guard
from trivet.card.watched import Burn
from trivet.guard.burn import TABLE, lookbacks
from trivet.guard.decide import Standing, Window, verdict

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
HOUR, FIVE_MINUTES, SIX_HOURS, HALF_HOUR = 3600, 300, 21_600, 1800


def guard(severity="page", **more):
    burn = Burn(objective=0.999, severity=severity)
    return Guard(
        name="slo", metric="error_rate", enter=0.05, leave=0.02, window_s=60, minimum_sample=1000, burn=burn, **more
    )


def judged(shares, before=Standing(), n=10_000, of=guard()):
    burned = {seconds: (n, round(n * share)) for seconds, share in shares.items()}
    return verdict(of, Window(seconds=60, burned=burned), before, NOW)


class TestAnErrorBudget:
    def test_that_burns_in_both_windows_of_a_pair_is_a_breach(self):
        found = judged({HOUR: 0.016, FIVE_MINUTES: 0.03})
        assert (found.word, found.standing.broken) == ("breach", True)
        assert found.reason == (
            "the error budget burns 16 times as fast as it may over 1 h and 30 over 5 min, limit 14.4"
        )
        assert (found.value, found.threshold) == (pytest.approx(16), 14.4)

    @pytest.mark.parametrize(
        "shares",
        [
            {HOUR: 0.016, FIVE_MINUTES: 0.001},  # it is over
            {HOUR: 0.002, FIVE_MINUTES: 0.5},  # it has only begun
            {HOUR: 0.0143, FIVE_MINUTES: 0.0143},
        ],
    )
    def test_that_burns_in_one_alone_is_none(self, shares):
        assert judged(shares).word == "ok"

    def test_burns_slowly_over_six_hours_too(self):
        assert judged({HOUR: 0.007, FIVE_MINUTES: 0.007, SIX_HOURS: 0.007, HALF_HOUR: 0.007}).threshold == 6.0

    def test_of_a_few_requests_says_nothing(self):
        found = judged({HOUR: 1.0, FIVE_MINUTES: 1.0}, n=999)
        assert found.word == "no_data"

    def test_is_whole_again_when_the_short_window_is(self):
        broken = Standing(broken=True)
        assert judged({HOUR: 0.016, FIVE_MINUTES: 0.02}, broken).word == "breach"
        assert judged({HOUR: 0.013, FIVE_MINUTES: 0.02}, broken).word == "breach", "the long one alone does not end it"
        healed = judged({HOUR: 0.016, FIVE_MINUTES: 0.001}, broken)
        assert (healed.word, healed.standing.broken, healed.standing.clear_since) == ("ok", False, NOW)

    def test_of_tickets_has_windows_of_days(self):
        assert lookbacks(Burn(objective=0.99, severity="ticket")) == (7200, 21_600, 86_400, 259_200)
        day = {86_400: 0.004, 7200: 0.004}
        assert judged(day, of=guard("ticket")).word == "breach" and judged(day).word == "no_data"

    def test_has_short_windows_of_a_twelfth(self):
        assert {pair.long_s / pair.short_s for pair in TABLE} == {12.0}
