"""Admission: who is let in, and what the others are told."""

from datetime import UTC, datetime, timedelta

from trivet.demo.gate import Gate
from trivet_collectors.policy.evaluate import DEFAULTS

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def flags(**said):
    return {**DEFAULTS, **{key.replace("__", "."): value for key, value in said.items()}}


def let_in(gate, said, at, caller="acme"):
    return gate.refusal(caller, said, at) is None


class TestAdmission:
    def test_without_a_wish_everybody_comes_in(self):
        gate = Gate()
        assert all(let_in(gate, flags(), NOON) for _ in range(1000))

    def test_a_rejection_says_the_policys_words_and_when_to_come_back(self):
        said = flags(admission="reject", admission__message="Back at nine.", admission__retry_after_s=90)
        refusal = Gate().refusal("acme", said, NOON)
        assert (refusal.reason, refusal.message, refusal.retry_after_s) == ("rejected", "Back at nine.", 90)

    def test_a_rejection_without_words_is_never_silent(self):
        refusal = Gate().refusal("acme", flags(admission="reject"), NOON)
        assert refusal.message
        assert refusal.retry_after_s > 0

    def test_a_rate_lets_in_that_many_a_second(self):
        gate, said = Gate(), flags(admission="limit", admission__limit_rps=2.0)
        times = [NOON + timedelta(milliseconds=100 * step) for step in range(50)]
        assert 10 <= sum(let_in(gate, said, at) for at in times) <= 12

    def test_a_rate_is_each_callers_own(self):
        gate, said = Gate(), flags(admission="limit", admission__limit_rps=1.0)
        assert [let_in(gate, said, NOON, who) for who in ("acme", "acme", "globex")] == [True, False, True]

    def test_a_daily_limit_ends_with_the_utc_day(self):
        gate, said = Gate(), flags(admission__daily_requests=2)
        assert [let_in(gate, said, NOON) for _ in range(3)] == [True, True, False]
        assert gate.refusal("acme", said, NOON).retry_after_s == 12 * 3600 + 1
        assert let_in(gate, said, NOON + timedelta(hours=12))

    def test_only_stored_answers_means_no_new_ones(self):
        assert Gate().refusal("acme", flags(cache__only=True), NOON).reason == "cache_only"
