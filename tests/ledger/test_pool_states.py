"""When a pool was awake, idle or down: by what engines said, by requests, by interruptions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.support.seeded import seeded

from trivet.kit.interval import Interval
from trivet.ledger.pool_split import sum_us
from trivet.ledger.pool_states import (
    BY_COUNTERS,
    BY_SPANS,
    Counters,
    Said,
    fullness,
    minus,
    states,
    union,
)

HOUR = Interval(datetime(2026, 11, 20, 7, tzinfo=UTC), datetime(2026, 11, 20, 8, tzinfo=UTC))
QUIET, BUSY = Said(), Said(Decimal(3))


def at(seconds):
    return HOUR.start + timedelta(seconds=seconds)


def spoke(*stretches, every=10):
    """What one engine said: (from second, to second, what) each."""
    return {at(s): said for first, last, said in stretches for s in range(first, last, every)}


def seconds(spans):
    return sum_us(spans) / 10**6


class TestBySpans:
    def test_without_engines_requests_tell(self):
        found = states(HOUR, [(at(0), at(60)), (at(30), at(90))], None)
        assert (found.method, found.evidence) == (BY_SPANS, "spans")
        assert (list(found.awake), list(found.down)) == ([(at(0), at(90))], [])

    def test_an_interruption_is_down_where_nothing_ran(self):
        found = states(HOUR, [(at(0), at(100))], None, [(at(60), at(600))])
        assert list(found.down) == [(at(100), at(600))]


class TestByCounters:
    def test_calls_running_are_awake_and_none_is_idle(self):
        found = states(HOUR, [], Counters({1: spoke((0, 1800, BUSY), (1800, 3600, QUIET))}))
        assert (found.method, found.evidence) == (BY_COUNTERS, "counters")
        assert (seconds(found.awake), seconds(found.down)) == (1800, 0)

    def test_calls_that_wait_are_awake(self):
        found = states(HOUR, [], Counters({1: spoke((0, 600, Said(waiting=Decimal(1))), (600, 3600, QUIET))}))
        assert seconds(found.awake) == 600

    def test_an_engine_that_falls_silent_is_down_a_minute_after_its_last_word(self):
        # last word in the slice of second 590, which holds until second 650
        found = states(HOUR, [], Counters({1: spoke((0, 600, QUIET))}))
        assert list(found.down) == [(at(650), HOUR.end)]

    def test_an_engine_that_was_heard_yesterday_and_says_nothing_is_down_all_hour(self):
        assert seconds(states(HOUR, [], Counters({}, heard_before=True)).down) == 3600

    def test_before_the_first_word_of_an_engine_nothing_is_known_and_the_pool_is_idle(self):
        found = states(HOUR, [], Counters({1: spoke((1800, 3600, QUIET))}))
        assert (seconds(found.awake), seconds(found.down)) == (0, 0)

    def test_silence_while_requests_ran_is_not_down(self):
        found = states(HOUR, [(at(1000), at(1100))], Counters({}, heard_before=True))
        assert (seconds(found.awake), seconds(found.down)) == (100, 3500)

    def test_an_engine_that_speaks_every_half_minute_is_not_silent_in_between(self):
        found = states(HOUR, [], Counters({1: spoke((0, 3600, BUSY), every=30)}))
        assert (seconds(found.awake), seconds(found.down)) == (3600, 0)

    def test_of_two_engines_one_that_lives_keeps_the_pool_up(self):
        found = states(HOUR, [], Counters({1: spoke((0, 600, BUSY)), 2: spoke((0, 3600, QUIET))}))
        assert (seconds(found.awake), seconds(found.down)) == (650, 0)

    def test_a_failure_of_a_model_is_down_for_a_minute_where_nothing_ran(self):
        found = states(HOUR, [(at(620), at(630))], Counters({1: spoke((0, 3600, QUIET))}, frozenset({at(600)})))
        assert list(found.down) == [(at(600), at(620)), (at(630), at(660))]

    def test_calls_of_several_engines_add_up_and_of_caches_the_fullest_counts(self):
        one, two = Said(Decimal(3), Decimal(0), Decimal("0.5")), Said(Decimal(1), Decimal(2), Decimal("0.9"))
        found = states(HOUR, [], Counters({1: {at(0): one}, 2: {at(0): two}}))
        assert found.fill[at(0)] == Said(Decimal(4), Decimal(2), Decimal("0.9"))


class TestFullness:
    def test_is_calls_over_the_cap_or_the_cache_if_that_is_fuller(self):
        assert fullness(Said(Decimal(4)), 16) == Decimal("0.25")
        assert fullness(Said(Decimal(4), kv_usage=Decimal("0.8")), 16) == Decimal("0.8")
        assert fullness(Said(Decimal(20)), 16) == 1

    def test_where_calls_wait_an_engine_is_full(self):
        assert fullness(Said(Decimal(1), Decimal(1)), 16) == 1


def test_what_is_awake_and_what_is_down_never_overlap_and_lie_in_the_hour():
    rng = seeded()
    for _ in range(50):
        said = {
            n: {at(rng.randrange(-6, 360) * 10): rng.choice([QUIET, BUSY]) for _ in range(rng.randrange(80))}
            for n in range(rng.randrange(1, 3))
        }
        busy = [(at(s), at(s + rng.randrange(1, 200))) for s in rng.sample(range(3400), rng.randrange(5))]
        taken = [(at(s), at(s + rng.randrange(1, 900))) for s in rng.sample(range(-300, 3400), rng.randrange(3))]
        failures = frozenset(at(s * 10) for s in rng.sample(range(-6, 360), rng.randrange(4)))
        found = states(HOUR, busy, Counters(said, failures, rng.random() < 0.5), taken)
        together = union([*found.awake, *found.down])
        assert seconds(together) == seconds(found.awake) + seconds(found.down) <= 3600
        assert minus(union(busy), found.awake) == []
        assert all(HOUR.start <= start < end <= HOUR.end for start, end in found.down)
