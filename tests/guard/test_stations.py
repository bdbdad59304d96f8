"""What runs where, on real rows: from gauges and requests to the loads that a forecast starts from."""

import pytest
from sqlalchemy import select
from tests.support.governed import START, at, register, short_card, traffic
from tests.support.signal_rows import signal

from trivet import db
from trivet.card import service as cards
from trivet.fleet.models import Backend, Pool, PoolTerm
from trivet.guard import service as guards
from trivet.guard import stations
from trivet.guard.headroom import Flow
from trivet.guard.models import LadderState
from trivet_collectors import semconv as sc

RUNNING, WAITING = sc.TRIVET_REQUESTS_RUNNING, sc.TRIVET_REQUESTS_WAITING


@pytest.fixture
def chat(database):
    """`chat` at level 1, a fifth of its calls back at level 0, on backend gw-1."""
    ladder = [level | {"probe": {"shares": [0.2], "step_s": 10}} for level in short_card()["ladder"]]
    scenario_id = register("chat", ladder=ladder)
    with db.transaction() as session:
        session.add(Backend(name="gw-1", registered_at=START))
        session.add(LadderState(
            scenario_id=scenario_id, level=1, since=START, reason="", failed=0, yields=0, direction=1,
            probe_share=0.2, probe_since=at(1), calm_since=START,
        ))  # fmt: skip
    traffic(at(35), seconds=0.5, count=40, revision=1, level=1, backend="gw-1")
    traffic(at(35), seconds=0.75, count=10, revision=1, level=0, backend="gw-1")
    return scenario_id


def backend():
    with db.transaction() as session:
        return session.scalars(select(Backend.id)).one()


def loads(second=40):
    with db.transaction() as session:
        card = cards.active(session)[1]
        return stations.loads(session, {1: (card, session.get(LadderState, 1))}, at(second)).get(1, [])


class TestALoad:
    def test_is_what_engines_and_requests_say_of_a_backend(self, chat):
        for sender, running in (("one", 3.0), ("two", 4.0)):
            signal(at(35), RUNNING, running, sender=sender, backend_id=backend())
        signal(at(35), WAITING, 1.0, backend_id=backend())
        signal(at(35), sc.TRIVET_KV_CACHE_USAGE, 0.4, backend_id=backend())
        (load,) = loads()
        assert (load.name, load.running, load.waiting, load.kv_cache) == ("backend gw-1", 7.0, 1.0, 0.4)

    def test_takes_each_arm_as_if_all_conversations_were_in_it(self, chat):
        """Fifty calls in the last minute and ten seconds, whichever arm they were in."""
        signal(at(35), RUNNING, 1.0, backend_id=backend())
        (load,) = loads()
        assert load.here == Flow(pytest.approx(50 / 60, rel=0.2), 1.0, pytest.approx(0.5, rel=0.02))
        assert load.back == Flow(load.here.calls_per_s, 1.0, pytest.approx(0.75, rel=0.02))

    def test_is_none_where_no_engine_speaks(self, chat):
        assert loads() == []


class TestCapacity:
    def test_is_what_ran_when_others_had_to_wait(self, chat):
        signal(at(-60), RUNNING, 5.0, backend_id=backend())
        signal(at(-60), WAITING, 8.0, backend_id=backend())
        signal(at(35), RUNNING, 2.0, backend_id=backend())
        (load,) = loads()
        assert load.capacity == 5.0

    def test_of_long_ago_counts_no_more(self, chat):
        signal(at(-1000), RUNNING, 5.0, backend_id=backend())
        signal(at(-1000), WAITING, 8.0, backend_id=backend())
        signal(at(35), RUNNING, 2.0, backend_id=backend())
        assert loads()[0].capacity is None

    def test_of_a_pool_is_what_its_term_says_where_none_waited(self, chat):
        with db.transaction() as session:
            pool = db.named_ids(session, Pool, ["h100"])["h100"]
            session.add(PoolTerm(
                pool_id=pool, effective_from=START, gpu_type="H100", gpus=2, price_per_gpu_hour=1, currency="USD",
                purchase="owned", max_concurrency=64,
            ))  # fmt: skip
        signal(at(35), RUNNING, 2.0, pool_id=pool, backend_id=backend())
        with db.transaction() as session:
            found = stations.stations(session, at(40))
        assert [(station.name, station.capacity) for station in found.values()] == [("pool h100", 64.0)]


class TestOnTheWayBack:
    def test_a_share_waits_for_room_though_both_arms_are_well(self, chat):
        """Nine and a half of the nine and a half places that it was seen to fill run already."""
        for then_s in (-60, 35):
            signal(at(then_s), RUNNING, 9.5, backend_id=backend())
        signal(at(-60), WAITING, 8.0, backend_id=backend())
        signal(at(35), WAITING, 0.0, backend_id=backend())
        with db.transaction() as session:
            guards.evaluate(session, at(40))
        with db.transaction() as session:
            row = session.get(LadderState, chat)
            assert row.probe_share == 0.2
            assert "no room for 100 % at level 0 yet: backend gw-1 at 100%" in row.reason
