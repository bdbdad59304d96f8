"""Whether a call is let in, and what one that is not is told."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet_collectors.policy.admission import Admission, told
from trivet_collectors.policy.evaluate import DEFAULTS

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def flags(**said):
    return DEFAULTS | {f"admission.{name}": value for name, value in said.items() if name != "admission"} | (
        {"admission": said["admission"]} if "admission" in said else {}
    )  # fmt: skip


def at(seconds):
    return NOON + timedelta(seconds=seconds)


class TestAdmission:
    def test_lets_everyone_in_where_nothing_is_said(self):
        gate = Admission()
        assert [gate.turned("a", flags(), NOON) for _ in range(100)] == [None] * 100

    def test_turns_everyone_away_with_the_policys_words(self):
        turned = Admission().turned("a", flags(admission="reject", message="Closed.", retry_after_s=40), NOON)
        assert (turned.status, turned.message, turned.retry_after_s) == (429, "Closed.", 40)
        assert turned.problem()["type"] == "urn:trivet:problem:admission-rejected"

    def test_lets_in_a_rate_with_a_burst_of_a_second(self):
        gate, limited = Admission(), flags(admission="limit", limit_rps=2.0)
        assert [gate.turned("a", limited, at(s)) is None for s in (0, 0, 0, 0.5, 0.6, 10, 10, 10)] == [
            True, True, False, True, False, True, True, False,
        ]  # fmt: skip
        assert gate.turned("b", limited, at(0)) is None  # another's calls are another's

    def test_counts_the_day_and_says_that_it_ends(self):
        gate, daily = Admission(), flags(daily_requests=2)
        assert [gate.turned("a", daily, NOON) for _ in range(2)] == [None, None]
        turned = gate.turned("a", daily, NOON)
        assert (turned.status, turned.retry_after_s) == (429, 12 * 3600)
        assert gate.turned("a", daily, at(12 * 3600)) is None

    def test_spreads_times_of_its_own_never_below_them(self):
        gate, daily = Admission(), flags(daily_requests=1)
        gate.turned("a", daily, at(11 * 3600))
        waits = {gate.turned("a", daily, at(11 * 3600), share=share).retry_after_s for share in (0.0, 0.5, 0.99)}
        assert min(waits) == 3600
        assert max(waits) > 4000

    def test_a_clock_that_is_set_back_gives_nothing_twice(self):
        gate, limited = Admission(), flags(admission="limit", limit_rps=1.0)
        assert gate.turned("a", limited, at(10)) is None
        assert gate.turned("a", limited, at(0)) is not None

    @pytest.mark.parametrize(("kind", "status"), [("cache-only", 503), ("budget-exceeded", 402), ("strange", 422)])
    def test_each_reason_has_its_status(self, kind, status):
        assert told(flags(), kind, "why", 7).status == status
