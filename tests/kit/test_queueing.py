"""What a queue does under a load, beside what textbooks say of it."""

import math

import pytest

from trivet.kit import queueing


class TestErlang:
    # M/M/1: everyone who finds it busy waits. M/M/2 at half load: 1/3, by hand: (2 · ½²) / (1 + ½) … = 1/3.
    @pytest.mark.parametrize(("servers", "offered", "waits"), [(1, 0.5, 0.5), (1, 0.9, 0.9), (2, 1.0, 1 / 3)])
    def test_is_the_share_of_calls_that_wait(self, servers, offered, waits):
        assert queueing.erlang_c(servers, offered) == pytest.approx(waits)

    def test_of_one_server_is_the_textbooks_wait(self):
        """M/M/1: of those that wait, the share that waits longer than t is e^(-(1 - 0.8) t / 2)."""
        assert queueing.wait_quantile_s(1, 0.8, 2.0, 0.9) == pytest.approx(10 * math.log(0.8 / 0.1))

    def test_of_a_load_beyond_it_never_ends(self):
        assert queueing.erlang_c(4, 4.0) == 1.0
        assert queueing.wait_quantile_s(4, 4.5, 1.0, 0.5) == math.inf

    def test_of_thousands_of_servers_overflows_nothing(self):
        assert 0 < queueing.erlang_c(5000, 4900.0) < 1


class TestABacklog:
    def test_drains_by_what_is_spare(self):
        assert queueing.drain_s(20, 10, 0.5, 1.0) == 4.0  # ten places, half of them free: five calls a second

    def test_never_does_without_anything_spare(self):
        assert queueing.drain_s(1, 10, 1.0, 1.0) == math.inf
        assert queueing.drain_s(0, 10, 1.0, 1.0) == 0.0
