"""The judge of answers: scores once, in batches, and waits while Trivet is away."""

import asyncio
import json

import httpx

from trivet.demo.backend import LEVEL_HEADER, QUALITY_HEADER, REVISION_HEADER
from trivet.demo.replay import Answer
from trivet.demo.scorer import BATCH, SPREAD, WAITING_MAX, Scorer
from trivet.demo.trace import Call

SAID = httpx.Headers({QUALITY_HEADER: "0.9", LEVEL_HEADER: "2", REVISION_HEADER: "3"})


def call(number):
    return Call(0, 1, 1, "acme", "support-chat", f"run-{number}", 1, "demo-large", stream=True)


class Trivet:
    """Answers posts with `status` and keeps the bodies."""

    def __init__(self):
        self.status = 201
        self.posts = []

    def __call__(self, request):
        if self.status == 201:
            self.posts.append(json.loads(request.content))
        return httpx.Response(self.status)

    def scorer(self):
        return Scorer(httpx.AsyncClient(base_url="http://trivet", transport=httpx.MockTransport(self)))


def hear(scorer, count):
    for number in range(count):
        scorer.heard(call(number), Answer("ok", headers=SAID))


class TestScores:
    def test_every_second_answer_is_judged_under_what_it_ran(self):
        trivet = Trivet()
        scorer = trivet.scorer()
        hear(scorer, 10)
        asyncio.run(scorer.post())
        ((*_, last),) = trivet.posts
        assert len(trivet.posts[0]) == scorer.posted == 5
        assert last["id"] == "demo/run-9/1"
        assert (last["scenario"], last["tenant"], last["revision"], last["level"]) == ("support-chat", "acme", 3, 2)
        assert abs(last["value"] - 0.9) <= SPREAD

    def test_what_was_not_answered_is_not_judged(self):
        trivet = Trivet()
        scorer = trivet.scorer()
        for number in range(10):
            scorer.heard(call(number), Answer("http 429", headers=SAID))
            scorer.heard(call(number), Answer("ok"))
        asyncio.run(scorer.post())
        assert trivet.posts == []

    def test_while_trivet_is_away_scores_wait_in_their_order(self):
        trivet = Trivet()
        scorer = trivet.scorer()
        hear(scorer, 10)

        async def away_then_back():
            trivet.status = 503
            await scorer.post()
            trivet.status = 201
            await scorer.post()

        asyncio.run(away_then_back())
        assert [score["id"] for score in trivet.posts[0]] == [f"demo/run-{n}/1" for n in (1, 3, 5, 7, 9)]

    def test_a_long_absence_costs_the_oldest_and_is_counted(self):
        trivet = Trivet()
        scorer = trivet.scorer()
        hear(scorer, 2 * WAITING_MAX + 8)
        asyncio.run(scorer.post())
        assert scorer.lost == 4
        assert len(trivet.posts[0]) == BATCH
        assert trivet.posts[0][0]["id"] == "demo/run-9/1"

    def test_refused_scores_are_counted_and_not_sent_again(self):
        trivet = Trivet()
        scorer = trivet.scorer()
        hear(scorer, 4)
        trivet.status = 401
        asyncio.run(scorer.post())
        asyncio.run(scorer.post())
        assert (scorer.posted, scorer.lost, trivet.posts) == (0, 2, [])
