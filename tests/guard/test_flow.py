"""What is in flight, from signals of engines, gateways and backends."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet.guard.flow import ADMITTED, FINISHED, InFlight, Sign, in_flight, stuck
from trivet_collectors import semconv as sc

NOW = datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)
RUNNING, WAITING = sc.TRIVET_REQUESTS_RUNNING.name, sc.TRIVET_REQUESTS_WAITING.name
CHAT, SEARCH, ENGINE = 1, 2, 7


def sign(metric, value, *, scenario=CHAT, backend=ENGINE, ago=5, series=()):
    return Sign(scenario, backend, series, metric, NOW - timedelta(seconds=ago), value)


class TestASignalThatNamesItsScenario:
    def test_speaks_for_it_alone(self):
        found = in_flight([sign(RUNNING, 5), sign(WAITING, 2), sign(ADMITTED, 12)], {}, {}, NOW)
        assert found == {CHAT: InFlight(5, 2, 12)}
        assert found[CHAT].words == "5 run, 2 wait and 12 were let in"

    def test_counts_as_its_newest_says_and_not_as_it_once_was(self):
        assert in_flight([sign(RUNNING, 5, ago=25), sign(RUNNING, 0, ago=5)], {}, {}, NOW) == {}

    def test_adds_up_over_models_and_tenants(self):
        found = in_flight([sign(RUNNING, 5, series=(1,)), sign(RUNNING, 3, series=(2,))], {}, {}, NOW)
        assert found[CHAT].running == 8

    def test_says_nothing_where_its_own_counter_says_that_calls_finish(self):
        signs = [sign(RUNNING, 5), sign(FINISHED, 40)]
        assert in_flight(signs, {}, {}, NOW) == {}
        assert in_flight([sign(RUNNING, 5), sign(FINISHED, 40, ago=45)], {}, {}, NOW) == {CHAT: InFlight(5)}


class TestASignalThatNamesOnlyItsBackend:
    SIGNS = (sign(RUNNING, 5, scenario=0),)

    def test_speaks_for_the_scenarios_of_a_backend_that_finishes_nothing(self):
        assert in_flight(self.SIGNS, {}, {ENGINE: {CHAT, SEARCH}}, NOW) == {CHAT: InFlight(5), SEARCH: InFlight(5)}

    def test_makes_its_backend_seem_stuck_while_nothing_says_that_it_finishes(self):
        assert stuck(self.SIGNS, NOW) == {ENGINE}
        assert stuck([sign(RUNNING, 0, scenario=0)], NOW) == set()
        assert stuck([*self.SIGNS, sign(FINISHED, 9, scenario=0)], NOW) == set()
        assert stuck([sign(RUNNING, 5)], NOW) == set(), "it names its scenario"

    def test_says_nothing_of_a_backend_that_is_merely_busy(self):
        assert in_flight(self.SIGNS, {}, {}, NOW) == {}
        assert in_flight([*self.SIGNS, sign(FINISHED, 9, scenario=0)], {}, {ENGINE: {CHAT}}, NOW) == {}


class TestRunningCalls:
    @pytest.mark.parametrize(("told", "running"), [(3, 5), (9, 9)])
    def test_are_work_in_flight_and_not_added_to_the_gauge_that_counts_them_too(self, told, running):
        assert in_flight([sign(RUNNING, 5)], {CHAT: told}, {}, NOW)[CHAT].running == running

    def test_that_wait_are_not_said_to_run_as_well(self):
        found = in_flight([sign(RUNNING, 0), sign(WAITING, 53)], {CHAT: 51}, {}, NOW)
        assert found[CHAT] == InFlight(0, 53)
