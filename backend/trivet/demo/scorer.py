"""Stands for a judge of answers: takes the quality that the simulated model says and posts it as scores."""

import hashlib
from collections import deque
from typing import Any

import httpx

from trivet.demo.backend import LEVEL_HEADER, QUALITY_HEADER, REVISION_HEADER
from trivet.demo.replay import Answer
from trivet.demo.trace import Call
from trivet.kit.clock import rfc3339, utc_now

METRIC = "answer"
SCORED_EVERY = 2  # answers are judged by sample
SPREAD = 0.05  # judges differ
WAITING_MAX = 2_000
BATCH = 500


class Scorer:
    """Judges answers as they are heard and posts the scores in batches. What cannot be kept is counted in `lost`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._waiting: deque[dict[str, Any]] = deque()
        self._heard = 0
        self.posted = 0
        self.lost = 0

    def heard(self, call: Call, answer: Answer) -> None:
        if answer.outcome != "ok" or QUALITY_HEADER not in answer.headers:
            return
        self._heard += 1
        if self._heard % SCORED_EVERY:
            return
        if len(self._waiting) == WAITING_MAX:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(judged(call, answer))

    async def post(self) -> None:
        """Posts what waits. When Trivet is away it waits on: an id makes a score sent twice one score."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        if not batch:
            return
        try:
            response = await self._client.post("/api/v1/scores", json=batch)
        except httpx.HTTPError:
            self._waiting.extendleft(reversed(batch))
            return
        if response.is_success:
            self.posted += len(batch)
        elif response.is_server_error:
            self._waiting.extendleft(reversed(batch))
        else:
            self.lost += len(batch)


def judged(call: Call, answer: Answer) -> dict[str, Any]:
    """The score of one answer."""
    who = f"{call.conversation}/{call.turn}"
    draw = hashlib.blake2b(who.encode(), digest_size=4).digest()
    noise = (int.from_bytes(draw) / 2**32 * 2 - 1) * SPREAD
    return {
        "id": f"demo/{who}",
        "scenario": call.scenario,
        "tenant": call.tenant,
        "metric": METRIC,
        "value": round(min(1.0, max(0.0, float(answer.headers[QUALITY_HEADER]) + noise)), 4),
        "revision": int(answer.headers[REVISION_HEADER]),
        "level": int(answer.headers[LEVEL_HEADER]),
        "at": rfc3339(utc_now()),
    }
