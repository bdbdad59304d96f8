"""Who gives way where a pool or the budget is short, and who comes back first: by hand, then on real rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from tests.support.governed import START, at, register, short_card, traffic
from tests.support.seeded import seeded
from tests.support.signal_rows import signal

from trivet import db
from trivet.fleet.models import Backend
from trivet.guard import service as guards
from trivet.guard import shortages
from trivet.guard.giving_way import CALM_S, EFFECT_S, Place, Short, Turn, Wait, next_turn, order, others_first
from trivet.guard.models import LadderState, Shortage
from trivet_collectors import semconv as sc

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
POOL = "pool h100 is short"
PLACES = [
    Place(1, "chat", "core", 0, 3),
    Place(2, "search", "auxiliary", 0, 2),
    Place(3, "lab", "experimental", 0, 2),
    Place(4, "toys", "experimental", 0, 1),
]


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def moved(places, turn):
    return [replace(p, yields=turn.to, level=turn.to) if p.scenario_id == turn.scenario_id else p for p in places]


class TestTheOrder:
    def test_is_experimental_then_auxiliary_then_core_and_evenly_among_equals(self):
        assert [(turn.name, turn.to) for turn in order(PLACES, POOL)] == [
            ("lab", 1), ("toys", 1), ("lab", 2), ("search", 1), ("search", 2), ("chat", 1), ("chat", 2), ("chat", 3),
        ]  # fmt: skip

    def test_says_why(self):
        assert order(PLACES, POOL)[0].reason == (
            "gives way to level 1: pool h100 is short, and it is experimental; before what is core or auxiliary"
        )

    def test_passes_over_one_that_a_person_holds(self):
        held = [Place(3, "lab", "experimental", 0, 2, held=True), *PLACES[:2]]
        assert order(held, POOL)[0].name == "search"

    def test_begins_where_each_stands(self):
        assert order([Place(3, "lab", "experimental", 2, 2), PLACES[1]], POOL)[0].name == "search"


class TestATurn:
    def test_waits_until_the_last_one_took_effect(self):
        found = next_turn(Short(POOL, stepped_at=ago(EFFECT_S - 10)), PLACES, NOW)
        assert found == Wait("the last step takes effect for 10 s more")
        assert isinstance(next_turn(Short(POOL, stepped_at=ago(EFFECT_S)), PLACES, NOW), Turn)

    def test_is_nobodys_where_all_gave_what_they_can(self):
        found = next_turn(Short(POOL), [Place(4, "toys", "experimental", 1, 1, yields=1)], NOW)
        assert found == Wait("pool h100 is short, and nobody is left to give way")

    def test_to_come_back_waits_for_calm(self):
        given = [Place(4, "toys", "experimental", 1, 1, yields=1)]
        found = next_turn(Short(POOL, calm_since=ago(CALM_S - 5)), given, NOW)
        assert isinstance(found, Wait) and "comes back in 5 s" in found.reason and not found.over

    def test_is_over_when_nobody_gives_way_any_more(self):
        assert next_turn(Short(POOL, calm_since=NOW), PLACES, NOW).over

    def test_back_comes_in_reverse_order_whatever_the_places(self):
        random = seeded()
        for _ in range(30):
            kinds = [random.choice(("core", "auxiliary", "experimental")) for _ in range(random.randint(1, 6))]
            places = [Place(n, f"s{n}", kind, 0, random.randint(1, 3)) for n, kind in enumerate(kinds)]
            forth, back = [], []
            while isinstance(turn := next_turn(Short(POOL), places, NOW), Turn):
                forth.append((turn.name, turn.level_from, turn.to))
                places = moved(places, turn)
            while isinstance(turn := next_turn(Short(POOL, calm_since=ago(CALM_S)), places, NOW), Turn):
                back.append((turn.name, turn.to, turn.level_from))
                places = moved(places, turn)
            assert back == forth[::-1] and forth
            assert all(place.yields == 0 for place in places)


class TestOthersFirst:
    def test_names_the_one_that_gives_before_a_more_critical_one(self):
        assert others_first(PLACES[0], PLACES, POOL) == "lab gives way first, as pool h100 is short"

    def test_is_nobody_for_the_least_critical_and_when_all_have_given(self):
        assert others_first(PLACES[2], PLACES, POOL) == ""
        given = [Place(3, "lab", "experimental", 2, 2, yields=2), PLACES[0]]
        assert others_first(PLACES[0], given, POOL) == ""


@pytest.fixture
def shared(database):
    """`chat` (core) and `lab` (experimental) run on backend gw-1, where thirty calls wait and ten run."""
    ladder = [level | {"probe": {"shares": []}} for level in short_card()["ladder"]]
    ids = {name: register(name, criticality=kind, ladder=ladder) for name, kind in
           (("chat", "core"), ("lab", "experimental"))}  # fmt: skip
    with db.transaction() as session:
        session.add(Backend(name="gw-1", registered_at=START))
    for name in ids:
        traffic(at(1), seconds=0.3, scenario=name, backend="gw-1")
    look(1)
    return ids


def queue(second, waiting, running=10.0):
    with db.transaction() as session:
        backend = session.scalars(select(Backend.id)).one()
    signal(at(second), sc.TRIVET_REQUESTS_WAITING, waiting, backend_id=backend)
    signal(at(second), sc.TRIVET_REQUESTS_RUNNING, running, backend_id=backend)


def look(second):
    with db.transaction() as session:
        guards.evaluate(session, at(second))


def give(second):
    with db.transaction() as session:
        return shortages.give_way(session, at(second))


def levels(column="level"):
    with db.transaction() as session:
        rows = session.scalars(select(LadderState).order_by(LadderState.scenario_id)).all()
        return [getattr(row, column) for row in rows]


class TestASharedBackendThatIsShort:
    def test_makes_the_experimental_scenario_give_way_and_come_back(self, shared):
        queue(2, 30.0)
        assert give(3) == 0  # not at once: a queue of a moment is no shortage
        queue(13, 30.0)
        assert give(14) == 1 and levels("yields") == [0, 1]
        assert give(19) == 0  # the step takes effect first
        look(20)
        assert levels() == [0, 1]
        with db.transaction() as session:
            lab = session.get(LadderState, shared["lab"])
            assert lab.reason == "gives way to level 1: backend gw-1 is short: 30 calls wait and 10 run"
        queue(50, 0.0)
        assert give(51) == 0
        assert give(51 + CALM_S) == 1 and levels("yields") == [0, 0]
        assert give(51 + CALM_S + EFFECT_S) == 0
        with db.transaction() as session:
            assert session.scalars(select(Shortage)).one().ended_at == at(51 + CALM_S + EFFECT_S)

    def test_holds_a_core_scenarios_own_step_back_while_another_can_give(self, shared):
        queue(2, 30.0)
        give(3)
        traffic(at(12), seconds=1.5, count=40, scenario="chat", backend="gw-1")
        look(13)
        with db.transaction() as session:
            chat = session.get(LadderState, shared["chat"])
            assert chat.level == 0 and "lab gives way first" in chat.reason and chat.deferred_since == at(13)

    def test_told_twice_is_one(self, shared):
        for _ in range(2):
            with db.transaction() as session:
                shortages.tell(
                    session, "budget", "all", short=True, scenario_ids=shared.values(), reason="spent", now=at(2)
                )
        with db.transaction() as session:
            assert session.scalars(select(Shortage)).one().scenario_ids == sorted(shared.values())


class TestTheOrderOverTheApi:
    def test_is_told_and_moves_nothing(self, shared, client, admin):
        found = client.get("/api/v1/ladder/order", headers=admin).json()
        assert [(turn["scenario"], turn["level_to"]) for turn in found["items"]] == [
            ("lab", 1), ("lab", 2), ("lab", 3), ("chat", 1), ("chat", 2), ("chat", 3),
        ]  # fmt: skip
        assert (found["short"], found["effect_s"]) == ("the global budget is short", EFFECT_S)
        assert levels() == [0, 0]

    def test_of_a_pool_that_nobody_knows_is_not_found(self, shared, client, admin):
        assert client.get("/api/v1/ladder/order?pool=h200", headers=admin).status_code == 404
