"""What a queue does under a load, beside what textbooks say of it."""

import math

import pytest
from tests.support.seeded import seeded

from trivet.kit import queueing


class TestErlang:
    # M/M/1: everyone who finds it busy waits. M/M/2 at half load: 1/3, by hand: (2 · ½²) / (1 + ½) … = 1/3.
    @pytest.mark.parametrize(("servers", "offered", "waits"), [(1, 0.5, 0.5), (1, 0.9, 0.9), (2, 1.0, 1 / 3)])
    def test_is_the_share_of_calls_that_wait(self, servers, offered, waits):
        assert queueing.erlang_c(servers, offered) == pytest.approx(waits)

    def test_of_one_server_is_the_textbooks_wait(self):
        assert queueing.erlang_wait_s(1, 0.8, 2.0) == pytest.approx(0.8 / (1 - 0.8) * 2.0)

    def test_of_a_load_beyond_it_never_ends(self):
        assert queueing.erlang_c(4, 4.0) == 1.0
        assert queueing.erlang_wait_s(4, 4.5, 1.0) == math.inf

    def test_of_thousands_of_servers_overflows_nothing(self):
        assert 0 < queueing.erlang_c(5000, 4900.0) < 1


class TestSakasegawa:
    def test_lies_near_the_exact_wait(self):
        random = seeded()
        for _ in range(300):
            servers, busy = random.randint(1, 64), random.uniform(0.6, 0.97)
            exact = queueing.erlang_wait_s(servers, servers * busy, 1.0)
            assert queueing.wait_s(servers, busy, 1.0) == pytest.approx(exact, rel=0.1, abs=0.05)

    def test_grows_with_the_load_and_falls_with_servers(self):
        assert queueing.wait_s(8, 0.5, 1) < queueing.wait_s(8, 0.9, 1) < queueing.wait_s(4, 0.9, 1)

    @pytest.mark.parametrize(("busy", "wait"), [(0.0, 0.0), (1.0, math.inf), (1.7, math.inf)])
    def test_has_ends(self, busy, wait):
        assert queueing.wait_s(8, busy, 1.0) == wait

    def test_of_service_that_never_varies_is_half(self):
        assert queueing.wait_s(1, 0.5, 1, variability=0.5) == queueing.wait_s(1, 0.5, 1) / 2


class TestABacklog:
    def test_drains_by_what_is_spare(self):
        assert queueing.drain_s(20, 10, 0.5, 1.0) == 4.0  # ten places, half of them free: five calls a second

    def test_never_does_without_anything_spare(self):
        assert queueing.drain_s(1, 10, 1.0, 1.0) == math.inf
        assert queueing.drain_s(0, 10, 1.0, 1.0) == 0.0


class TestSharing:
    def test_doubles_a_calls_time_at_half_load(self):
        assert queueing.sharing_s(0.5, 1.0) == 2.0
        assert queueing.sharing_s(1.0, 1.0) == math.inf


class TestUtilisation:
    def test_is_arrivals_times_seconds_over_servers(self):
        assert queueing.utilisation(6.0, 1.5, 10) == pytest.approx(0.9)
        assert queueing.utilisation(6.0, 1.5, 0) == math.inf
        assert queueing.utilisation(0.0, 1.5, 0) == 0.0
