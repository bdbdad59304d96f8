"""The numbers give the story: the shipped trace, cards and phases, with the real engine, guards and ladder, on a played clock."""

import asyncio
import socket
import time
from datetime import UTC, datetime
from functools import cache

import httpx
import pytest
from tests.demo import simulation
from tests.demo.simulation import Simulation

from trivet import db
from trivet.card.content import parse
from trivet.demo import cards, scorer, seed, story
from trivet.demo.backend import BackendOptions
from trivet.demo.story import AFTER, CALM, MIX, PEAK, PHASES, Phase
from trivet.identity import service as identity
from trivet.kit.clock import utc_now

CARDS = {scenario: parse(cards.body(scenario)) for scenario in cards.SCENARIOS}
BAD = parse(cards.bad_body())
CHAT = cards.SUPPORT_CHAT
PEAK_FROM, PEAK_TO = 35, 90
BAD_AT = 190


def speed(at_s):
    return PEAK if PEAK_FROM <= at_s < PEAK_TO else CALM


# Guards look at buckets of ten seconds, so the story must hold wherever in a bucket it begins.
@pytest.fixture(scope="module", params=[0, 3, 7])
def told(request):
    return _told(request.param, ladder=True)


@pytest.fixture(scope="module")
def untold():
    """The same load with nobody climbing a ladder."""
    return _told(0, ladder=False)


@cache
def _told(second, *, ladder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "T0", datetime(2026, 11, 21, 12, 0, second, tzinfo=UTC))
        played = Simulation(CARDS, MIX, speed, scored_every=scorer.SCORED_EVERY, ladder=ladder)
        for one in played.watched.values():
            one.changed_at = simulation.T0
        return played.run(270, {BAD_AT: lambda s: s.activate(BAD_AT, CHAT, BAD)} if ladder else {})


def steps(played):
    return [(level, at_s) for at_s, level, _ in played.watched[CHAT].history]


class TestTheStory:
    def test_the_peak_is_five_times_the_calm(self):
        assert PEAK == 5 * CALM

    def test_calm_is_within_the_card(self, told):
        assert told.p95(CHAT, 0, PEAK_FROM) < CARDS[CHAT].latency.p95_ms / 1000
        assert told.quality(CHAT, 0, PEAK_FROM) > CARDS[CHAT].quality.floor
        assert not [at_s for at_s, _, _ in told.watched[CHAT].breaches if at_s < PEAK_FROM]

    def test_the_peak_breaks_the_p95_within_twenty_seconds(self, told):
        at_s, guard, _ = told.watched[CHAT].breaches[0]
        assert guard == "p95-latency"
        assert PEAK_FROM < at_s < PEAK_FROM + 20

    def test_level_one_comes_then_two_then_back_step_by_step_then_the_rollback(self, told):
        assert [what for what, _ in steps(told)] == [1, 2, 1, 0, "rolled back"]

    def test_level_two_comes_while_the_peak_lasts_and_early_enough_to_be_seen(self, told):
        at_s = steps(told)[1][1]
        assert PEAK_FROM < at_s < PEAK_TO - 20

    def test_under_level_two_the_queue_drains_though_the_peak_goes_on(self, told, untold):
        reached = int(steps(told)[1][1])
        assert max(told.queue[s] for s in range(PEAK_FROM, reached + 4) if s in told.queue) > 40
        assert told.queue[PEAK_TO - 8] == 0
        assert untold.queue[PEAK_TO - 8] > 150

    def test_level_one_alone_does_not_end_it(self, told):
        reached_one, reached_two = int(steps(told)[0][1]), int(steps(told)[1][1])
        assert told.p95(CHAT, reached_one + 3, reached_two) > CARDS[CHAT].latency.p95_ms / 1000

    def test_without_the_ladder_calls_would_run_into_their_time_limit(self, told, untold):
        assert sum(ended.outcome == "timeout" for ended in untold.ended) > 50
        assert not [ended for ended in told.ended if ended.outcome == "timeout"]

    def test_recovery_is_stable(self, told):
        normal_at = steps(told)[3][1]
        assert normal_at < BAD_AT - 10
        assert [
            at_s for at_s, guard, _ in told.watched[CHAT].breaches if at_s > PEAK_TO and guard != "quality-floor"
        ] == []

    def test_degraded_answers_stay_above_the_floor(self, told):
        reached, left = steps(told)[1][1], steps(told)[2][1]
        assert CARDS[CHAT].quality.floor < told.quality(CHAT, reached + 5, left) < told.quality(CHAT, 0, PEAK_FROM)

    def test_the_bad_revision_falls_below_the_floor_and_is_rolled_back_within_half_a_minute(self, told):
        what, at_s = steps(told)[-1]
        assert what == "rolled back"
        assert BAD_AT < at_s <= BAD_AT + 30
        assert told.quality(CHAT, BAD_AT + 4, at_s) < CARDS[CHAT].quality.floor - 0.03
        assert told.quality(CHAT, at_s + 5, 270) > 0.9

    def test_the_other_scenarios_pass_below_their_limits(self, told):
        for scenario in set(CARDS) - {CHAT}:
            assert told.watched[scenario].breaches == []

    def test_it_comes_back_by_probe_with_a_share_of_the_conversations_first(self, told):
        assert [(level, share) for _, level, share in told.watched[CHAT].probes] == [(2, 0.5), (1, 0.3)]

    def test_it_takes_less_than_five_minutes_even_when_each_wait_is_long(self):
        likely = {"recovery": 75, "bad": 25, "peak:": 25}
        seconds = [next((s for word, s in likely.items() if word in p.words), p.at_least_s) for p in PHASES]
        assert story.AUDIENCE_AT_MOST_S + sum(seconds) < 300

    def test_the_peak_comes_no_earlier_than_it_is_played_here(self):
        assert story.AUDIENCE_AT_LEAST_S + PHASES[0].at_least_s >= PEAK_FROM


class TestTheCalmAfterwards:
    def test_nothing_breaks_for_ten_minutes_of_the_trace(self):
        calm = Simulation(CARDS, MIX, lambda _: AFTER).run(600)
        assert {name: one.breaches for name, one in calm.watched.items()} == {name: [] for name in CARDS}


class TestTheBadRevision:
    def test_it_is_the_same_card_but_for_level_zero_which_no_level_above_loosens(self):
        assert BAD.flags == cards.BAD_FLAGS
        assert [step.flags | cards.BAD_FLAGS for step in CARDS[CHAT].ladder] == [step.flags for step in BAD.ladder]
        assert BAD.model_copy(update={"flags": {}, "ladder": CARDS[CHAT].ladder}) == CARDS[CHAT]


class Trivet:
    """Says how support-chat stands: `levels` one after the other, the last for good."""

    def __init__(self, *levels, revision=2):
        self.levels, self.revision = list(levels), revision

    def __call__(self, request):
        if self.levels[0] is None:
            self.levels.pop(0)
            return httpx.Response(503)
        if request.url.path == f"/api/v1/cards/{CHAT}":
            return httpx.Response(200, json={"revision": self.revision})
        level = self.levels.pop(0) if len(self.levels) > 1 else self.levels[0]
        return httpx.Response(200, json={"items": [{"scenario": CHAT, "level": level}]})


class TestAPhase:
    @pytest.fixture
    def play(self, monkeypatch, tmp_path):
        monkeypatch.setattr(story, "WATCH_S", 0.01)

        def play(phase, trivet):
            said = []
            keys = seed.Keys("", "", "")
            stage = story.Stage("http://t", tmp_path, BackendOptions("", "", tmp_path), keys, said.append)

            async def run():
                client = httpx.AsyncClient(base_url="http://t", transport=httpx.MockTransport(trivet))
                began = time.monotonic()
                await story._phase(stage, phase, client, began)
                return time.monotonic() - began

            return asyncio.run(run()), stage, [line.partition("] ")[2].strip() for line in said]

        return play

    def test_it_sets_the_load_and_ends_with_what_it_waits_for(self, play):
        phase = Phase("up it goes", 6.0, 0, 30, lambda now, _: now.level >= 2)
        took, stage, said = play(phase, Trivet(0, 0, 1, 2))
        assert took < 5
        assert stage.speed == 6.0
        assert said == ["up it goes", "level 1, revision 2", "level 2, revision 2"]

    def test_it_lasts_at_least_its_time(self, play):
        took, _, _ = play(Phase("calm", 1.0, 0.2, 30), Trivet(0))
        assert took >= 0.2

    def test_what_does_not_come_does_not_hold_it_up(self, play):
        took, _, said = play(Phase("wait", 1.0, 0, 0.2, lambda now, _: now.level == 3), Trivet(0))
        assert took < 5
        assert said[-1].startswith("not seen within")

    def test_a_moment_without_trivet_is_no_end(self, play):
        _, _, said = play(Phase("wait", 1.0, 0, 30, lambda now, _: now.level == 1), Trivet(None, None, 0, None, 1))
        assert said[-1] == "level 1, revision 2"


class TestTheAudience:
    @pytest.fixture
    def wait(self, database, monkeypatch, tmp_path):
        monkeypatch.setattr(story, "WATCH_S", 0.01)

        def wait(at_least_s, at_most_s):
            monkeypatch.setattr(story, "AUDIENCE_AT_LEAST_S", at_least_s)
            monkeypatch.setattr(story, "AUDIENCE_AT_MOST_S", at_most_s)
            stage = story.Stage(
                "http://t", tmp_path, BackendOptions("", "", tmp_path), seed.Keys("", "", ""), [].append
            )
            began = time.monotonic()
            asyncio.run(story._wait_for_audience(stage, began))
            assert stage.speed == CALM
            return time.monotonic() - began

        return wait

    def signs_in(self, hours):
        with db.transaction() as session:
            if identity.find_user(session, "ana@x.org") is None:
                identity.create_user(
                    session, email="ana@x.org", name="Ana", role="viewer", password="three legs", actor="test"
                )
            identity.sign_in(session, email="ana@x.org", password="three legs", now=utc_now(), hours=hours)

    def test_one_who_has_signed_in_is_told_the_story(self, wait):
        self.signs_in(hours=1)
        assert wait(0, 30) < 5

    def test_but_not_before_there_was_calm(self, wait):
        self.signs_in(hours=1)
        assert wait(0.3, 30) >= 0.3

    def test_without_one_it_begins_at_the_limit(self, wait):
        assert wait(0, 0.3) >= 0.3

    def test_a_sign_in_that_has_ended_watches_nothing(self, wait):
        self.signs_in(hours=-1)
        assert wait(0, 0.3) >= 0.3


class TestThePort:
    def test_one_that_is_taken_gives_way_to_a_free_one(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            wanted = taken.getsockname()[1]
            assert story._port(wanted) not in {0, wanted}
        assert story._port(wanted) == wanted
