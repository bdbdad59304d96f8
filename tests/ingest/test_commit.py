"""Exports that wait are committed together, and each hears of its own."""

import asyncio
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import event, text
from tests.support.calls import call

from trivet import db
from trivet.ingest.line import gate
from trivet.ingest.store import commit, persist
from trivet.ingest.store.persist import Batch

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def batch(*facts, key_id=1, refusals=(), **more):
    return Batch(facts, refusals=Counter(refusals), key_id=key_id, **more)


def rows(query):
    with db.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


@pytest.fixture
def held(monkeypatch):
    """Groups wait at this gate before they are written; it is opened again at the end."""
    gate_ = threading.Event()
    groups = []
    real = persist.store_all

    def store_all(batches, now):
        gate_.wait(20)
        groups.append(len(batches))
        return real(batches, now)

    monkeypatch.setattr(commit, "store_all", store_all)
    yield gate_, groups
    gate_.set()


async def all_of(*batches, gate_=None):
    """What came of exports sent at once, exceptions as values; the gate opens when all of them wait."""
    sent = [asyncio.ensure_future(commit.submit(each)) for each in batches]
    await asyncio.sleep(0)
    if gate_ is not None:
        gate_.set()
    return await asyncio.gather(*sent, return_exceptions=True)


async def until_taken():
    """Wait until the writers have all that waits."""
    while commit._queue.waiting:  # noqa: ASYNC110  # threads take it, which set no event of ours
        await asyncio.sleep(0.005)


class TestAGroup:
    def test_is_one_transaction_of_what_waited(self, held):
        gate_, groups = held
        came = asyncio.run(all_of(*(batch(call(NOW)) for _ in range(20)), gate_=gate_))
        assert [each.inserted for each in came] == [1] * 20
        assert sum(groups) == 20
        assert len(groups) <= 1 + commit.WRITERS_MAX
        assert len(rows("SELECT DISTINCT xmin FROM request")) == len(groups)

    def test_tells_each_export_its_own_and_counts_what_they_share_once(self, held):
        gate_, _ = held
        shared = call(NOW)
        with db.transaction() as session:
            from trivet.tenant.models import Tenant

            bound = db.named_ids(session, Tenant, ["bound"])["bound"]
        first, second, third = asyncio.run(all_of(
            batch(shared, call(NOW), key_id=1, refusals=["bad_id"]), batch(shared, key_id=2, refusals=["too_old"] * 2),
            batch(shared, key_id=3, tenant_id=bound), gate_=gate_,
        ))  # fmt: skip
        assert first.inserted + second.inserted == 2
        assert first.duplicates + second.duplicates == 1
        assert (third.inserted, third.duplicates) == (1, 0), "another tenant's is another request"
        assert rows("SELECT key_id, reason, items FROM denial ORDER BY 1") == [(1, "bad_id", 1), (2, "too_old", 2)]
        assert rows("SELECT sum(requests)::int FROM usage_delta") == [(3,)]
        assert rows("SELECT key_id, tenant_id FROM request WHERE key_id = 3") == [(3, bound)]

    def test_counts_refusals_of_a_key_at_once_in_one_order(self):
        """Else two groups of one key, with the same reasons in other exports, wait for each other in a circle."""
        said = []

        def listen(_, __, statement, given, *___):
            if "INTO denial" in statement:
                said.append([value for name, value in given.items() if name.startswith("reason")])

        event.listen(db.engine(), "before_cursor_execute", listen)
        try:
            exports = [batch(refusals=[reason]) for reason in ("too_old", "bad_id", "too_long")]
            persist.store_all([*exports, batch(refusals=["bad_id"], key_id=2)], NOW)
        finally:
            event.remove(db.engine(), "before_cursor_execute", listen)
        assert said == [["bad_id", "too_long", "too_old"], ["bad_id"]]
        assert rows("SELECT key_id, sum(items)::int FROM denial GROUP BY 1 ORDER BY 1") == [(1, 3), (2, 1)]

    def test_in_which_one_is_bad_loses_only_that_one(self, held):
        gate_, _ = held
        bad = call(NOW, input_tokens=2**31)  # more than the column holds
        came = asyncio.run(all_of(batch(call(NOW)), batch(bad), batch(call(NOW)), gate_=gate_))
        assert [getattr(each, "inserted", "failed") for each in came] == [1, "failed", 1]
        assert rows("SELECT count(*) FROM request") == [(2,)]

    def test_hears_all_of_it_that_the_database_is_away(self, monkeypatch):
        tries = []

        def away(batches, now):
            tries.append(len(batches))
            raise psycopg.OperationalError("the connection is lost")

        monkeypatch.setattr(commit, "store_all", away)
        came = asyncio.run(all_of(*(batch(call(NOW)) for _ in range(5))))
        assert all(isinstance(each, psycopg.OperationalError) for each in came)
        assert sum(tries) == 5, "no export was tried alone"

    def test_is_no_larger_than_its_limit(self, held, monkeypatch):
        gate_, groups = held
        monkeypatch.setattr(commit, "GROUP_ROWS", 4)
        asyncio.run(all_of(*(batch(call(NOW), call(NOW)) for _ in range(6)), batch(*(call(NOW) for _ in range(9))), gate_=gate_))  # fmt: skip
        assert max(groups) <= 2
        assert rows("SELECT count(*) FROM request") == [(21,)]


class TestTheQueue:
    def test_is_bounded_by_rows_and_by_exports(self, held, monkeypatch):
        gate_, _ = held
        monkeypatch.setattr(commit, "QUEUE_ROWS", 10)

        async def fill():
            first = [asyncio.ensure_future(commit.submit(batch(call(NOW)))) for _ in range(40)]
            await asyncio.sleep(0)
            refused = [task for task in first if task.done()]
            gate_.set()
            return refused, await asyncio.gather(*first, return_exceptions=True)

        refused, came = asyncio.run(fill())
        busy = [each for each in came if isinstance(each, gate.Busy)]
        assert len(refused) == len(busy) >= 40 - 10 * (1 + commit.WRITERS_MAX)  # the queue, and what writers had taken
        assert all(each.retry_after_s for each in busy)
        assert rows("SELECT count(*) FROM request") == [(40 - len(busy),)]

    def test_asks_again_later_where_the_machine_gives_no_thread_and_keeps_nothing(self, monkeypatch):
        until = time.monotonic() + 3 * commit.IDLE_S
        while commit._queue.writers:  # those of other tests end by themselves
            assert time.monotonic() < until
            time.sleep(0.01)

        def none_left(_):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", none_left)
            refused = asyncio.run(all_of(batch(call(NOW)), batch(call(NOW))))
        assert [type(each) for each in refused] == [gate.Busy, gate.Busy]
        assert (len(commit._queue.waiting), commit._queue.rows, commit._queue.writers) == (0, 0, 0)
        (came,) = asyncio.run(all_of(batch(call(NOW))))
        assert came.inserted == 1
        assert rows("SELECT count(*) FROM request") == [(1,)]

    def test_takes_an_export_larger_than_itself_where_nothing_waits(self, monkeypatch):
        monkeypatch.setattr(commit, "QUEUE_ROWS", 3)
        (came,) = asyncio.run(all_of(batch(*(call(NOW) for _ in range(9)))))
        assert came.inserted == 9

    def test_forgets_a_client_that_went_away_before_its_turn(self, held):
        gate_, _ = held

        async def leave():
            first = [asyncio.ensure_future(commit.submit(batch(call(NOW)))) for _ in range(commit.WRITERS_MAX)]
            await until_taken()
            gone = asyncio.ensure_future(commit.submit(batch(call(NOW))))
            stays = asyncio.ensure_future(commit.submit(batch(call(NOW))))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            gate_.set()
            return await asyncio.gather(*first, gone, stays, return_exceptions=True)

        came = asyncio.run(leave())
        assert isinstance(came[-2], asyncio.CancelledError)
        assert came[-1].inserted == 1
        assert rows("SELECT count(*) FROM request") == [(commit.WRITERS_MAX + 1,)]
        assert commit._queue.rows == 0

    def test_survives_an_event_loop_that_ends_while_its_export_is_written(self, held):
        gate_, _ = held

        async def leave():
            asyncio.ensure_future(commit.submit(batch(call(NOW))))  # noqa: RUF006  # nobody waits for it
            await asyncio.sleep(0)
            await until_taken()

        asyncio.run(leave())
        gate_.set()
        (came,) = asyncio.run(all_of(batch(call(NOW))))
        assert came.inserted == 1

    def test_serves_several_event_loops_at_once(self):
        came = []
        threads = [
            threading.Thread(target=lambda: came.extend(asyncio.run(all_of(*(batch(call(NOW)) for _ in range(10))))))
            for _ in range(3)
        ]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert [each.inserted for each in came] == [1] * 30
