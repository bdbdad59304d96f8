"""Signals folded and not yet folded: together always the sum of what came."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from trivet import db
from trivet.fleet.models import SignalDelta, SignalRollup
from trivet.ingest.signal.deltas import DELTA_COLUMNS, Amount, deltas_of, one
from trivet.kit import histogram
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.rollup import signal_fold, tasks
from trivet.rollup.models import GRAINS_S
from trivet.rollup.signals import Signal, read

START = datetime(2026, 11, 20, 7, tzinfo=UTC)
START_US = int(START.timestamp() * 1e6)
SPAN = Interval(START, START + timedelta(hours=3))
RUNNING, ADMITTED, TTFT = "trivet.requests.running", "trivet.requests.admitted", "trivet.engine.ttft"


def key(metric, *, tenant=0, backend=1, detail=""):
    return (tenant, 0, 0, backend, 0, metric, detail)


def at(seconds):
    return START_US + round(seconds * 1e6)


def add(*points):
    """Points as one ingest transaction leaves them."""
    with db.transaction() as session:
        rows = deltas_of(points)
        session.execute(insert(SignalDelta), [dict(zip(DELTA_COLUMNS, row, strict=True)) for row in rows])


def whole(group_by=(), where=None, **more):
    with db.transaction() as session:
        return read(session, SPAN, list(group_by), where, **more)


def in_order(rows):
    return [dict(zip(signal_fold.COLUMNS, row, strict=True)) for row in rows]


amounts = st.builds(
    lambda value, bin_: Amount(1, float(value), float(value), float(value), ((bin_, 1),)),
    st.integers(0, 1_000_000),
    st.integers(0, 2_000),
)
points = st.lists(
    st.tuples(
        st.sampled_from([key(RUNNING), key(ADMITTED), key(ADMITTED, tenant=2), key(TTFT, detail="x")]),
        st.integers(0, 7_200).map(at),
        amounts,
    ),
    max_size=40,
)


class TestFolding:
    @given(points, st.randoms(use_true_random=False))
    def test_order_and_batches_change_nothing(self, came, rng):
        shuffled = list(came)
        rng.shuffle(shuffled)
        cut = rng.randrange(len(came) + 1)
        batches = [*deltas_of(shuffled[:cut]), *deltas_of(shuffled[cut:])]
        assert signal_fold.fold(batches, 10) == signal_fold.fold(deltas_of(came), 10)
        tens = signal_fold.fold(deltas_of(came), 10)
        assert signal_fold.fold(signal_fold.fold(tens, 60), 3600) == signal_fold.fold(tens, 3600)

    @given(points)
    def test_sums_are_plain_sums(self, came):
        folded = in_order(signal_fold.fold(deltas_of(came), 3600))
        assert sum(row["samples"] for row in folded) == len(came)
        assert sum(row["total"] for row in folded) == sum(amount.total for _, _, amount in came)
        assert sum(histogram.total(row["histogram"]) for row in folded) == len(came)
        for row in folded:
            own = [(t, a.total) for k, t, a in came if [*k] == [row[n] for n in signal_fold.KEY[1:]]
                   and t // 3_600_000_000 == int(row["bucket"].timestamp()) // 3600]  # fmt: skip
            assert (row["least"], row["most"]) == (min(v for _, v in own), max(v for _, v in own))
            assert row["last"] == max(own)[1]

    def test_what_nobody_said_stays_unsaid(self):
        unsaid = Amount(3, 6.0, None, None)
        [row] = in_order(signal_fold.fold(deltas_of([(key(TTFT), at(1), unsaid)] * 2), 60))
        assert (row["samples"], row["total"], row["least"], row["most"], row["last"]) == (6, 12.0, None, None, 2.0)
        said = deltas_of([(key(TTFT), at(1), unsaid), (key(TTFT), at(2), one(9.0))])
        [row] = in_order(signal_fold.fold(said, 60))
        assert (row["least"], row["most"], row["last"]) == (9.0, 9.0, 9.0)


@pytest.mark.usefixtures("database")
class TestReading:
    def test_says_the_same_before_between_and_after_folds(self):
        rng = random.Random(3)
        came = [
            (key(rng.choice([RUNNING, ADMITTED])), at(rng.randrange(7200)), one(float(rng.randrange(99))))
            for _ in range(200)
        ]
        expected = {
            (metric,): (len(values), sum(values), min(values), max(values))
            for metric in (RUNNING, ADMITTED)
            for values in [[a.total for k, _, a in came if k[5] == metric]]
        }

        def said():
            return {k: (s.samples, s.total, s.least, s.most) for k, s in whole(["metric"]).items()}

        add(*came[:120])
        with db.transaction() as session:
            assert signal_fold.fold_signals(session, 50) == 50
        add(*came[120:])
        assert said() == expected
        tasks.fold_signals()
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(SignalDelta)) == 0
        assert said() == expected
        for grain_s in GRAINS_S:
            each = whole(["metric", "bucket"], grain_s=grain_s)
            assert sum(s.total for (metric, _), s in each.items() if metric == ADMITTED) == expected[ADMITTED,][1]

    def test_the_newest_value_is_the_last_by_its_own_time(self):
        add((key(RUNNING), at(5), one(7.0)))
        tasks.fold_signals()
        add((key(RUNNING), at(3), one(1.0)))
        assert whole()[()].last == 7.0
        tasks.fold_signals()
        found = whole()[()]
        assert (found.last, found.last_at, found.mean) == (7.0, START + timedelta(seconds=5), 4.0)

    def test_keeps_only_what_is_asked_for(self):
        add(*((key(ADMITTED, tenant=t, backend=b), at(1), one(1.0)) for t in (0, 1) for b in (1, 2)))
        assert len(whole(["tenant_id", "backend_id"])) == 4
        assert list(whole(["tenant_id", "backend_id"], {"tenant_id": [1], "backend_id": [2]})) == [(1, 2)]
        assert list(whole(["tenant_id"], limit=1)) == [(0,)]
        assert whole((), {"metric": [RUNNING]}) == {}

    def test_latencies_merge_into_percentiles(self):
        slow = Amount(1, 2.0, 2.0, 2.0, ((histogram.bin_of(2_000_000), 1),))
        fast = Amount(9, 0.9, None, None, ((histogram.bin_of(100_000), 9),))
        add((key(TTFT), at(1), fast))
        tasks.fold_signals()
        add((key(TTFT), at(2), slow))
        p50, p90, p95, _ = whole()[()].quantiles_ms()
        assert (p50, p90, p95) == (
            pytest.approx(100, rel=0.01),
            pytest.approx(100, rel=0.01),
            pytest.approx(2000, rel=0.01),
        )

    def test_an_interval_that_cuts_a_bucket_is_refused(self):
        with pytest.raises(Invalid), db.transaction() as session:
            read(session, Interval(START, START + timedelta(seconds=5)), [])

    def test_a_dimension_nobody_knows_is_a_mistake(self):
        with pytest.raises(ValueError, match="colour"):
            whole(["colour"])

    def test_long_histograms_stay_short(self):
        bins = tuple((index, 1) for index in range(700))
        for _ in range(4):
            add((key(TTFT), at(1), Amount(700, 1.0, None, None, bins)))
            tasks.fold_signals()
        with db.transaction() as session:
            lengths = session.scalars(select(func.octet_length(SignalRollup.histogram))).all()
        assert max(lengths) <= signal_fold.COMPACT_BYTES
        assert histogram.total(whole()[()].histogram) == 2800

    def test_folders_beside_each_other_leave_exact_totals(self):
        for seconds in range(30):
            add(*((key(ADMITTED, backend=b), at(seconds), one(1.0)) for b in range(1, 6)))
        threads = [threading.Thread(target=tasks.fold_signals) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tasks.fold_signals()
        assert whole()[()].total == 150
        with db.transaction() as session:
            by_grain = dict(
                session.execute(
                    select(SignalRollup.grain_s, func.sum(SignalRollup.total)).group_by(SignalRollup.grain_s)
                ).all()
            )
        assert by_grain == dict.fromkeys(GRAINS_S, 150.0)


class TestAdding:
    def test_two_signals_are_one(self):
        a, b = Signal(2, 6.0, 1.0, 5.0, 5.0, START), Signal(1, 4.0, 4.0, 4.0, 4.0, START + timedelta(seconds=1))
        assert a + b == Signal(3, 10.0, 1.0, 5.0, 4.0, START + timedelta(seconds=1))
        assert Signal() + a == a
        assert Signal().mean is None
