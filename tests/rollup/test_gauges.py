"""Gauges that several senders speak of: added up, and those of senders that have gone left out."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.signal_rows import signal

from trivet import db
from trivet.kit.interval import Interval
from trivet.rollup import gauges
from trivet.rollup.gauges import Gauge
from trivet_collectors import semconv as sc

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
RUNNING = sc.TRIVET_REQUESTS_RUNNING


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


@pytest.mark.usefixtures("database")
class TestTheNewest:
    def read(self, metric=RUNNING):
        with db.transaction() as session:
            found = gauges.newest(session, Interval(ago(90), NOW + timedelta(seconds=20)), [metric.name])
        return {(g.backend_id, g.sender): (g.value, g.every) for g in found}

    def test_of_each_process_is_there_and_none_overwrites_another(self):
        signal(ago(3), RUNNING, 5, backend_id=1, sender="a")
        signal(ago(2), RUNNING, 0, backend_id=1, sender="b")
        assert sorted(value for value, _ in self.read().values()) == [0, 5]

    def test_of_one_is_its_last_with_how_often_it_speaks(self):
        for second, value in ((20, 7), (10, 3), (0, 4)):
            signal(ago(second), RUNNING, value, backend_id=1)
        assert list(self.read().values()) == [(4, timedelta(seconds=10))]

    def test_of_long_ago_or_of_another_metric_is_not(self):
        signal(ago(91), RUNNING, 5, backend_id=1)
        signal(ago(2), sc.TRIVET_REQUESTS_WAITING, 5, backend_id=2)
        assert self.read() == {}

    def test_is_a_mean_where_a_point_stands_for_several(self):
        signal(ago(2), RUNNING, 12, samples=4, backend_id=1)
        assert [value for value, _ in self.read().values()] == [3]

    def test_of_a_process_that_was_replaced_is_gone(self):
        for second in (60, 55, 50):
            signal(ago(second), RUNNING, 5, backend_id=1, sender="old")
        for second in (40, 20, 10, 5):
            signal(ago(second), RUNNING, 0, backend_id=1, sender="new")
        assert [value for value, _ in self.read().values()] == [0]


class TestWhoIsLeftOut:
    def gauge(self, sender, at, every_s, backend=1):
        every = None if every_s is None else timedelta(seconds=every_s)
        return Gauge(sender, 0, 0, 0, backend, 0, RUNNING.name, "", at, 1.0, every)

    @pytest.mark.parametrize(("behind_s", "every_s", "there"), [
        (15, 5, True), (16, 5, False), (60, 20, True), (61, 20, False), (80, 60, True), (80, None, True),
    ])  # fmt: skip
    def test_is_who_was_quiet_for_three_of_its_intervals_while_others_spoke(self, behind_s, every_s, there):
        old, new = self.gauge(1, ago(behind_s), every_s), self.gauge(2, NOW, 5)
        assert (old in gauges.alive([old, new])) is there

    def test_is_never_the_only_one_who_spoke_of_it(self):
        alone, elsewhere = self.gauge(1, ago(80), 1), self.gauge(2, NOW, 1, backend=2)
        assert gauges.alive([alone, elsewhere]) == [alone, elsewhere]
