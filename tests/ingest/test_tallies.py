"""What ingest counts for guards: exactly, by the second in which requests ended, each once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from tests.support.calls import call, ingest
from tests.support.seeded import seeded

from trivet import db
from trivet.ingest.request.fact import ERROR, OK, REFUSED, REJECTED, TIMEOUT
from trivet.ingest.store import limits, tallies
from trivet.ingest.store.row import Row
from trivet.ingest.store.tally_model import GuardLimit, GuardTally
from trivet.tenant.models import Scenario

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
SLOW, FAILED, LATE, REFUSALS, FIRST = (
    tallies.Limit("latency", 1_000_000, 11),
    tallies.Limit("errors", 0, 12),
    tallies.Limit("timeouts", 0, 13),
    tallies.Limit("refusals", 0, 14),
    tallies.Limit("ttft", 200_000, 15),
)
EVERY = {7: tallies.watched([SLOW, FAILED, LATE, REFUSALS, FIRST])}


def row(at=NOW, *, tenant=1, scenario=7, **given):
    return Row(call(at, **given), tenant, scenario, 1, 1, 0)


def counted(rows, back=()):
    """By what was counted: (n, squares), over all keys."""
    found = {}
    for *_, what, n, squares in tallies.unpacked(tallies.packed(rows, back, EVERY, NOW_US)):
        before = found.get(what, (0, 0))
        found[what] = before[0] + n, before[1] + squares
    return found


class TestARequest:
    @pytest.mark.parametrize(
        ("given", "bad"),
        [
            ({"seconds": 0.5}, set()),
            ({"seconds": 1.0}, set()),  # on the limit is within it
            ({"seconds": 1.000001}, {SLOW.id}),
            ({"seconds": 0.5, "outcome": ERROR}, {FAILED.id}),
            ({"seconds": 0.5, "outcome": TIMEOUT}, {FAILED.id, LATE.id}),
            ({"seconds": 0.5, "outcome": REFUSED}, {REFUSALS.id}),
            ({"seconds": 0.5, "ttft_ms": 200}, set()),
            ({"seconds": 0.5, "ttft_ms": 201}, {FIRST.id}),
        ],
    )
    def test_is_bad_by_the_limits_it_is_past(self, given, bad):
        assert {what for what in counted([row(**given)]) if what > 0} == bad

    def test_that_a_limit_of_ours_rejected_is_not_served(self):
        assert counted([row(outcome=REJECTED), row(outcome=OK)]) == {tallies.SERVED: (1, 0)}

    def test_without_a_first_token_is_not_measured_by_it(self):
        assert counted([row(), row(ttft_ms=10)])[tallies.WITH_FIRST_TOKEN] == (1, 0)

    def test_of_a_scenario_without_guards_is_not_counted(self):
        assert tallies.packed([row(scenario=8)], (), EVERY, NOW_US) == b""

    def test_that_ended_long_ago_is_not_counted(self):
        assert tallies.packed([row(NOW - timedelta(hours=1))], (), EVERY, NOW_US) == b""

    def test_that_is_taken_back_counts_below_zero(self):
        both = [row(seconds=2.0)]
        assert counted(both, both) == {tallies.SERVED: (0, 0), SLOW.id: (0, 0)}


class TestASecond:
    def test_is_that_in_which_a_request_ended(self):
        rows = [row(NOW + timedelta(milliseconds=ms)) for ms in (0, 999, 1000)]
        seconds = [record[1] for record in tallies.unpacked(tallies.packed(rows, (), EVERY, NOW_US))]
        assert seconds == [NOW_US // 1_000_000, NOW_US // 1_000_000 + 1]

    def test_says_how_bad_ones_bunch_by_trace(self):
        trace = b"t" * 16
        rows = [row(seconds=2.0, trace_id=trace) for _ in range(3)] + [row(seconds=2.0) for _ in range(2)]
        assert counted(rows)[SLOW.id] == (5, 3 * 3 + 1 + 1)

    def test_adds_up_whatever_transactions_it_came_in(self):
        """Run again with the seed it prints."""
        random = seeded()
        rows = [
            row(NOW + timedelta(seconds=random.uniform(0, 3)), seconds=random.choice([0.5, 2.0]),
                tenant=random.randrange(3), outcome=random.choice([OK, ERROR, TIMEOUT, REFUSED]))
            for _ in range(200)
        ]  # fmt: skip
        cut = random.randrange(1, 199)
        one, parts = counted(rows), [counted(rows[:cut]), counted(rows[cut:])]
        assert {what: n for what, (n, _) in one.items()} == {
            what: sum(part.get(what, (0, 0))[0] for part in parts) for what in one
        }


class TestInTheDatabase:
    @pytest.fixture
    def guarded(self, database):
        ingest(call(NOW), now=NOW)  # the scenario is known from now on
        with db.transaction() as session:
            id_ = session.scalars(select(Scenario.id).where(Scenario.name == "chat")).one()
            session.add(GuardLimit(scenario_id=id_, kind="latency", over_us=1_000_000))
        limits.forget()
        return id_

    def records(self):
        with db.transaction() as session:
            return [r for each in session.scalars(select(GuardTally.records)) for r in tallies.unpacked(each)]

    def test_a_transaction_leaves_one_row_with_all_it_adds(self, guarded):
        ingest(call(NOW, seconds=2.0), call(NOW, seconds=0.5), now=NOW)
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(GuardTally)) == 1
        assert sorted((what > 0, n) for *_, what, n, _ in self.records()) == [(False, 2), (True, 1)]

    def test_a_request_that_is_sent_again_is_not_counted_again(self, guarded):
        again = call(NOW, seconds=2.0)
        for _ in range(3):
            ingest(again, now=NOW)
        assert sorted(n for *_, n, _ in self.records()) == [1, 1]

    def test_where_nothing_is_guarded_nothing_is_written(self, database):
        ingest(call(NOW), now=NOW)
        assert self.records() == []
