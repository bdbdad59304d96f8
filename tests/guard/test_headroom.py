"""What the load would be with the next share back, and whether there is room for it. Worked by hand."""

from dataclasses import replace

import pytest

from trivet.guard.headroom import NO_WORD, Flow, Load, forecast, predicted

P95_MS = 2400.0  # so calls may wait 0.6 s
HERE, BACK = Flow(calls_per_s=10.0, service_s=0.4), Flow(calls_per_s=10.0, service_s=1.0)


def load(**changes):
    return replace(Load("pool h100", 4.0, 0.0, 16.0, None, HERE, BACK), **changes)


class TestTheLoadOfTheNextShare:
    # All at the ladder's level are 4 calls at once, all at the level below 10.
    @pytest.mark.parametrize(("to", "calls"), [(0.2, 5.2), (0.5, 7.0), (1.0, 10.0)])
    def test_is_what_both_arms_would_have_in_flight(self, to, calls):
        assert predicted(load(), 0.0, to) == pytest.approx(calls)

    def test_lies_over_what_others_have_there(self):
        assert predicted(load(running=9.0), 0.0, 1.0) == pytest.approx(15.0)

    def test_takes_what_is_back_already_for_ours(self):
        at_half = load(running=7.0)  # 2 of those that stay, 5 of those that are back
        assert predicted(at_half, 0.5, 1.0) == pytest.approx(10.0)

    def test_counts_those_that_are_turned_away_now_and_would_be_let_in(self):
        here = Flow(calls_per_s=10.0, admitted=0.5, service_s=0.4)
        assert predicted(load(running=2.0, here=here), 0.0, 1.0) == pytest.approx(10.0)

    def test_of_an_arm_never_measured_is_taken_for_twice_as_heavy(self):
        assert predicted(load(back=Flow()), 0.0, 0.5) == pytest.approx(0.5 * 4 + 0.5 * 8)


class TestRoom:
    def test_is_there_where_it_fits_and_the_words_say_what_it_takes(self):
        found = forecast([load()], 0.0, 0.5, P95_MS)
        assert (found.fits, found.words) == (True, "pool h100 at 50%: 7.0 of 16 places")

    def test_is_not_there_where_the_places_would_be_full(self):
        found = forecast([load(running=9.0)], 0.0, 1.0, P95_MS)
        assert (found.fits, found.words) == (False, "pool h100 at 100%: 15.0 of 16 places would be taken, 90% may be")

    def test_is_not_there_where_calls_would_wait_too_long(self):
        """Three places of which 2.4 are taken: 95 of 100 calls wait up to 4.3 s."""
        slow = Flow(calls_per_s=2.4, service_s=1.0)
        found = forecast([load(running=2.4, capacity=3.0, here=slow, back=slow)], 0.2, 0.5, P95_MS)
        assert not found.fits and "calls would wait 4.3 s, 0.6 s may be" in found.words

    def test_is_not_there_while_a_backlog_stands(self):
        assert not forecast([load(waiting=40.0)], 0.0, 0.05, P95_MS).fits

    def test_takes_room_in_the_kv_cache_too(self):
        """4 calls fill 60 % of it, so 7 fill 105 %."""
        found = forecast([load(capacity=None, kv_cache=0.6)], 0.0, 0.5, P95_MS)
        assert not found.fits and found.words.endswith("KV cache 105%, 90% may be")
        assert forecast([load(capacity=None, kv_cache=0.2)], 0.0, 0.5, P95_MS).fits

    def test_on_every_station_is_needed(self):
        assert not forecast([load(), load(running=9.0)], 0.0, 1.0, P95_MS).fits

    def test_of_which_no_engine_speaks_is_not_foretold(self):
        found = forecast([load(capacity=None)], 0.0, 1.0, P95_MS)
        assert (found.fits, found.known, found.words) == (True, False, NO_WORD)
        assert forecast([], 0.0, 1.0, P95_MS).words == NO_WORD
