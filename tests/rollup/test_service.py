"""Folded and unfolded usage together always equal the requests."""

import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from tests.support.calls import call, ingest
from tests.support.seeded import seeded

from trivet import db
from trivet.fleet.models import GpuDelta, GpuRollup
from trivet.ingest.models import UsageDelta
from trivet.ingest.request.fact import ERROR, OK, REFUSED, REJECTED, TIMEOUT
from trivet.kit import histogram
from trivet.kit.interval import Interval
from trivet.ledger.models import HourDue
from trivet.rollup import service, tasks
from trivet.rollup.models import GRAINS_S, ROLLUPS
from trivet.rollup.read import Usage, usage

pytestmark = pytest.mark.usefixtures("database")

START = datetime(2026, 11, 20, 7, tzinfo=UTC)
SPAN = Interval(START, START + timedelta(hours=3))
PLAIN_SUM = text("""
    SELECT count(*), count(*) FILTER (WHERE outcome = 1), count(*) FILTER (WHERE outcome = 2),
           count(*) FILTER (WHERE outcome = 3), count(*) FILTER (WHERE outcome = 4),
           count(*) FILTER (WHERE cost_picos IS NULL), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
           sum(cache_write_tokens), sum(reasoning_tokens), coalesce(sum(cost_picos), 0) * 1e-12
    FROM request
""")


def some_calls(rng, count):
    return [
        call(
            START + timedelta(microseconds=rng.randrange(3 * 3600 * 10**6)),
            seconds=rng.randrange(900_000, 3_000_000) / 1e6,
            ttft_ms=rng.choice([None, rng.randrange(1, 900)]),
            tenant=rng.choice(["acme", "bolt", ""]),
            model=rng.choice(["gpt-4o", "gpt-4o-mini", "unheard-of"]),
            outcome=rng.choice([OK, OK, OK, ERROR, TIMEOUT, REFUSED, REJECTED]),
            input_tokens=rng.randrange(5000),
            output_tokens=rng.randrange(900),
            cache_read_tokens=rng.randrange(100),
            level=rng.randrange(3),
        )
        for _ in range(count)
    ]


def plain_sum(session):
    return tuple(int(v) if v == int(v) and not isinstance(v, Decimal) else v for v in session.execute(PLAIN_SUM).one())


def as_counts(found):
    return (
        found.requests, found.errors, found.timeouts, found.refusals, found.rejections, found.unpriced_requests,
        found.input_tokens, found.output_tokens, found.cache_read_tokens, found.cache_write_tokens,
        found.reasoning_tokens, found.cost,
    )  # fmt: skip


def all_usage(session, **more):
    return usage(session, SPAN, [], **more)[()]


class TestUsage:
    def test_equals_the_requests_before_between_and_after_folds(self):
        rng = seeded()
        for _ in range(4):
            ingest(*some_calls(rng, 150))
            with db.transaction() as session:
                service.fold_usage(session, rng.randrange(1, 200))
            with db.transaction() as session:
                assert as_counts(all_usage(session)) == plain_sum(session)
        tasks.fold()
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(UsageDelta)) == 0
            for grain_s in GRAINS_S:
                assert as_counts(all_usage(session, grain_s=grain_s)) == plain_sum(session)

    def test_requests_sent_again_are_not_counted_again(self):
        calls = some_calls(random.Random(5), 60)
        ingest(*calls)
        tasks.fold()
        ingest(*calls[::-1])
        ingest(*calls[10:30])
        tasks.fold()
        with db.transaction() as session:
            assert all_usage(session).requests == 60

    def test_groups_add_up_to_the_whole(self):
        ingest(*some_calls(random.Random(6), 200))
        with db.transaction() as session:
            service.fold_usage(session, 50)
        with db.transaction() as session:
            whole = Usage() + all_usage(session)
            for by in (["tenant_id"], ["model_id", "level"], ["bucket"], ["bucket", "tenant_id", "currency"]):
                parts = usage(session, SPAN, by)
                assert len(parts) > 1
                assert sum(parts.values(), Usage()) == whole

    def test_buckets_have_the_width_that_was_asked_for(self):
        ingest(call(START + timedelta(minutes=59)), call(START + timedelta(minutes=61)), call(SPAN.end))
        for folded in (False, True):
            if folded:
                tasks.fold()
            with db.transaction() as session:
                found = usage(session, SPAN, ["bucket"], grain_s=3600)
            assert {key: each.requests for key, each in found.items()} == {
                (START,): 1,
                (START + timedelta(hours=1),): 1,
            }

    def test_where_keeps_only_the_named(self):
        ingest(call(START, tenant="a"), call(START, tenant="b"), call(START, tenant="b"))
        with db.transaction() as session:
            by = usage(session, SPAN, ["tenant_id"])
            (wanted,) = (key[0] for key, each in by.items() if each.requests == 2)
            assert all_usage(session, where={"tenant_id": [wanted]}).requests == 2
            assert usage(session, SPAN, [], {"tenant_id": []}) == {}

    def test_quantiles_come_from_merged_histograms(self):
        for seconds in (1.0, 2.0, 3.0, 100.0):
            ingest(call(START + timedelta(hours=1), seconds=seconds))
            tasks.fold()
        with db.transaction() as session:
            found = all_usage(session).quantiles_ms("latency")
        assert found["p50"] == pytest.approx(2000, rel=0.01)
        assert found["p99"] == pytest.approx(100_000, rel=0.01)


class TestFold:
    def test_marks_the_touched_hours_as_due(self):
        ingest(call(START + timedelta(minutes=30)), call(START + timedelta(minutes=90)))
        tasks.fold()
        with db.transaction() as session:
            assert session.scalars(select(HourDue.hour).order_by(HourDue.hour)).all() == [
                START,
                START + timedelta(hours=1),
            ]

    def test_takes_no_more_than_its_limit(self):
        for second in range(5):
            ingest(call(START + timedelta(seconds=10 * second)))
        with db.transaction() as session:
            assert [service.fold_usage(session, 2) for _ in range(4)] == [2, 2, 1, 0]

    def test_many_folders_at_once_lose_and_double_nothing(self):
        rng = seeded()
        for _ in range(30):
            ingest(*some_calls(rng, 20))
        failures = []

        def work():
            try:
                for _ in range(15):
                    with db.transaction() as session:
                        service.fold_usage(session, 40)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        tasks.fold()
        assert failures == []
        with db.transaction() as session:
            for grain_s in GRAINS_S:
                assert as_counts(all_usage(session, grain_s=grain_s)) == plain_sum(session)

    def test_histograms_stay_short_however_often_they_are_folded(self):
        rng = random.Random(7)
        for _ in range(12):
            ingest(*(call(START, seconds=rng.uniform(0.001, 100)) for _ in range(200)))
            tasks.fold()
        with db.transaction() as session:
            for table in ROLLUPS.values():
                data = session.scalars(select(table.latency)).one()
                assert histogram.total(data) == 2400
                assert len(data) <= 2 * service.COMPACT_BYTES

    def test_gpu_readings_fold_as_well(self):
        def delta(seconds, total):
            at = START + timedelta(seconds=seconds)
            return GpuDelta(bucket=at, gpu_id=7, metric="power", samples=1, total=total, least=total, most=total)

        for amount in (300.0, 100.0):
            with db.transaction() as session:
                session.add_all([delta(0, amount), delta(10, amount)])
            tasks.fold_gpu()
        with db.transaction() as session:
            rows = session.scalars(select(GpuRollup).order_by(GpuRollup.grain_s, GpuRollup.bucket)).all()
            found = [(r.grain_s, r.samples, r.total, r.least, r.most) for r in rows]
        assert found == [
            (10, 2, 400.0, 100.0, 300.0),
            (10, 2, 400.0, 100.0, 300.0),
            (60, 4, 800.0, 100.0, 300.0),
            (3600, 4, 800.0, 100.0, 300.0),
        ]
