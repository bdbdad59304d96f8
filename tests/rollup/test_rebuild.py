"""Rollups dropped and made again out of requests and scores are the same."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from tests.rollup.test_service import SPAN, START, some_calls
from tests.support import books
from tests.support.calls import call, ingest
from tests.support.seeded import seeded

from trivet import db
from trivet.ingest import tasks as ingest_tasks
from trivet.ingest.models import DIMENSIONS, UsageDelta
from trivet.ingest.score import scores
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.ledger.models import HourDue
from trivet.rollup import tasks
from trivet.rollup.models import GRAINS_S
from trivet.rollup.read import Usage, usage
from trivet.rollup.rebuild import rebuild

pytestmark = pytest.mark.usefixtures("database")


def everything(by=DIMENSIONS):
    with db.transaction() as session:
        return {
            (grain_s, key): Usage() + each
            for grain_s in GRAINS_S
            for key, each in usage(session, SPAN, ["bucket", *by], grain_s=grain_s).items()
        }


def score(minutes, value):
    at = START + timedelta(minutes=minutes)
    with db.transaction() as session:
        made = scores.NewScore(scenario="chat", metric="judge", value=value, scored_at=at, tenant="acme", level=1)
        scores.add(session, [made], source="t", tenant_id=None)


class TestRebuild:
    def test_gives_what_folding_gave(self):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        ingest(*some_calls(seeded(), 300))
        for minutes, value in ((3, 0.25), (3, 0.5), (100, 1.0)):
            score(minutes, value)
        tasks.fold()
        before = everything()
        assert rebuild(SPAN) == 3
        assert everything() == before

    def test_repairs_rollups_that_were_lost_or_wrong(self):
        ingest(*some_calls(seeded(), 100))
        tasks.fold()
        before = everything()
        with db.transaction() as session:
            session.execute(text("UPDATE rollup_10s SET requests = requests + 7"))
            session.execute(text("DELETE FROM rollup_1m"))
            session.execute(text("TRUNCATE rollup_1h"))
        assert everything() != before
        rebuild(SPAN)
        assert everything() == before

    def test_takes_deltas_not_folded_yet_with_it(self):
        ingest(*some_calls(seeded(), 50))
        before = everything()
        rebuild(SPAN)
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(UsageDelta)) == 0
        assert everything() == before
        tasks.fold()
        assert everything() == before

    def test_leaves_other_hours_alone(self):
        ingest(*some_calls(seeded(), 100))
        tasks.fold()
        with db.transaction() as session:
            session.execute(text("UPDATE rollup_10s SET requests = requests + 7"))
        rebuild(Interval(START, START + timedelta(hours=1)))
        with db.transaction() as session:
            wrong = usage(session, SPAN, ["bucket"], grain_s=3600)
            found = session.execute(text("SELECT min(bucket) FROM rollup_10s WHERE requests > 7")).scalar_one()
        assert len(wrong) == 3
        assert found >= START + timedelta(hours=1)

    def test_a_request_priced_late_comes_to_the_same_over_all_currencies(self):
        ingest(call(START, provider="house", model="small", input_tokens=1_000_000))
        tasks.fold()
        books.price("house", "small", input="1", output="4")
        ingest_tasks.price_unpriced()
        tasks.fold()
        by = [name for name in DIMENSIONS if name != "currency"]
        before = everything(by)
        rebuild(SPAN)
        assert everything(by) == before

    def test_makes_its_hours_due_for_posting(self):
        rebuild(Interval(START, START + timedelta(hours=2)))
        with db.transaction() as session:
            assert set(session.scalars(select(HourDue.hour))) == {START, START + timedelta(hours=1)}

    @pytest.mark.parametrize("minutes", [30, 60 * 24 * 63])
    def test_takes_only_whole_hours_and_not_too_many(self, minutes):
        with pytest.raises(Invalid):
            rebuild(Interval(START, START + timedelta(minutes=minutes)))

    def test_while_requests_come_in_and_are_folded_nothing_is_lost_or_doubled(self):
        failures = []

        def work(step, times):
            try:
                for _ in range(times):
                    step()
            except Exception as error:
                failures.append(error)

        rng = seeded()
        steps = [
            (lambda: ingest(*some_calls(rng, 10)), 20),
            (tasks.fold, 20),
            (lambda: rebuild(SPAN), 6),
        ]
        threads = [threading.Thread(target=work, args=step) for step in steps]
        [t.start() for t in threads]
        [t.join() for t in threads]
        tasks.fold()
        assert failures == []
        with db.transaction() as session:
            for grain_s in GRAINS_S:
                assert usage(session, SPAN, [], grain_s=grain_s)[()].requests == 200
        before = everything()
        rebuild(SPAN)
        assert everything() == before
