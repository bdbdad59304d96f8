"""The ladder in closed loop against a queue, for an hour or so: the small twin of `bench.closed_loop`."""

import random

import pytest
from bench.closed_loop import Incident, Loop, told
from tests.support.seeded import seeded

NOON_S = 12 * 3600
KINDS = {"overload": (6.0, 8.0), "dead GPU": (11.0, 13.0), "slow model": (4.0, 6.0), "error burst": (0.4, 0.6)}
# An hour's ways back, after an incident of a quarter of an hour: the longest wait between two probes, and the probes.
BACK_S = 2700


def play(*incidents, seed=1):
    first = incidents[0].start_s - 120 if incidents else NOON_S
    last = incidents[-1].start_s + incidents[-1].seconds + BACK_S if incidents else NOON_S + 1800
    return Loop(incidents, random.Random(seed)).run(last - first, first)


class TestAnHourOfTheLadder:
    @pytest.mark.parametrize("kind", KINDS)
    def test_with_an_incident_goes_up_once_and_comes_back_once(self, kind):
        drawn = seeded()
        incident = Incident(kind, NOON_S, 300, drawn.uniform(*KINDS[kind]))
        before, after = told(play(incident, seed=drawn.random()).moves, [incident])
        assert (before.top, before.level_after) == (0, 0)
        assert after.raised_after_s is not None and after.raised_after_s < incident.seconds
        assert (after.turns, after.level_after) == (1, 0)

    def test_without_one_stands_still(self):
        assert play(seed=seeded().random()).moves == []
