"""Drives an OpenAI-compatible server with a recorded trace.

Token counts travel in the protocol itself and need no field of ours: a prompt of N words and `max_tokens` M. The simulated
backend counts a word as a token and fills the limit, so it serves exactly the recorded counts; a real server counts by its own
tokenizer and may stop earlier. For whom a call is goes in the headers `x-trivet-tenant`, `-scenario` and `-conversation`,
which a server that does not know them ignores.

The load is open: a call is made when its time has come, however slow the answers are, up to `concurrency` at once. Beyond
that calls wait, and the report says how late the latest one was.
"""

import asyncio
import contextlib
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from trivet.demo.trace import Call, Mix, Share, calls, read

CONCURRENCY = 512
TIMEOUT_S = 60.0
MODEL = "demo-large"
WORDS_PER_CALL_MAX = 1_000_000

MIX = Mix(
    tenants=(Share("acme", 52), Share("globex", 32), Share("initech", 16)),
    scenarios=(
        Share("support-chat", 60, model=MODEL),
        Share("code-assistant", 25, model=MODEL),
        Share("doc-search", 15, model="demo-small", stream=False),
    ),
)

Say = Callable[[str], None]


@dataclass
class Report:
    """What came of a replay. Tokens `sent` are the trace's; `used` are what the server says it counted."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    input_tokens_sent: int = 0
    output_tokens_sent: int = 0
    input_tokens_used: int = 0
    output_tokens_used: int = 0
    in_flight: int = 0
    late_s_max: float = 0.0
    elapsed_s: float = 0.0

    @property
    def failed(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome != "ok")

    def line(self) -> str:
        ends = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        rate = self.sent / self.elapsed_s if self.elapsed_s else 0.0
        return (
            f"{self.elapsed_s:6.1f} s  {self.sent} calls, {rate:.1f}/s, {self.in_flight} in flight; {ends or 'no answer yet'}; "
            f"tokens in {self.input_tokens_used} of {self.input_tokens_sent}, "
            f"out {self.output_tokens_used} of {self.output_tokens_sent}"
        )


@dataclass(frozen=True)
class Answer:
    """What a call came to: `ok`, or the named reason why not."""

    outcome: str
    input_tokens: int = 0
    output_tokens: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)


Heard = Callable[[Call, Answer], None]


@dataclass
class Driver:
    """Makes calls against one server and counts what comes of them."""

    client: httpx.AsyncClient
    report: Report = field(default_factory=Report)
    concurrency: int = CONCURRENCY
    heard: Heard = lambda _call, _answer: None

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()

    async def drive(self, due: Iterable[Call], speed: Callable[[], float]) -> None:
        """Makes each call at its time. `speed` is asked before each wait, so that it may change on the way."""
        clock = asyncio.get_running_loop().time
        began = due_at = clock()
        last_s = 0.0
        for call in due:
            due_at += (call.at_s - last_s) / speed()
            last_s = call.at_s
            await asyncio.sleep(max(0.0, due_at - clock()))
            await self._room.acquire()
            self.report.late_s_max = max(self.report.late_s_max, clock() - due_at)
            self._start(call)
            self.report.elapsed_s = clock() - began
        await self.finish()
        self.report.elapsed_s = clock() - began

    async def finish(self) -> None:
        """Waits for the answers still due."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, call: Call) -> None:
        report = self.report
        report.sent += 1
        report.in_flight += 1
        report.input_tokens_sent += call.input_tokens
        report.output_tokens_sent += call.output_tokens
        task = asyncio.create_task(self._make(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make(self, call: Call) -> None:
        try:
            answer = await self._answer(call)
        finally:
            self._room.release()
            self.report.in_flight -= 1
        self.report.outcomes[answer.outcome] += 1
        self.report.input_tokens_used += answer.input_tokens
        self.report.output_tokens_used += answer.output_tokens
        self.heard(call, answer)

    async def _answer(self, call: Call) -> Answer:
        try:
            async with self.client.stream(
                "POST", "/v1/chat/completions", json=body_of(call), headers=headers_of(call)
            ) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    return Answer(f"http {response.status_code}", headers=response.headers)
                return await _read(response)
        except httpx.HTTPError as error:
            return Answer(type(error).__name__)


async def _read(response: httpx.Response) -> Answer:
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        await response.aread()
        return _told(response.json(), response.headers)
    last, done = b"{}", False
    async for line in response.aiter_lines():
        done = done or line == "data: [DONE]"
        if line.startswith("data: {"):
            last = line.removeprefix("data: ").encode()
    if not done:
        return Answer("stream cut short", headers=response.headers)
    return _told(httpx.Response(200, content=last).json(), response.headers)


def _told(body: Any, headers: httpx.Headers) -> Answer:
    usage = (body.get("usage") if isinstance(body, dict) else None) or {}
    return Answer("ok", usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0), headers)


def body_of(call: Call) -> dict[str, Any]:
    """The call as an OpenAI request: its words spread over the turns of its conversation so far."""
    body: dict[str, Any] = {
        "model": call.model or MODEL,
        "messages": messages(call),
        "max_tokens": call.output_tokens,
    }
    if call.reasoning_effort:
        body["reasoning_effort"] = call.reasoning_effort
    if call.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def messages(call: Call) -> list[dict[str, str]]:
    """User and assistant in turn, `call.turn` questions in all where there are words enough; exactly the recorded words."""
    words = min(call.input_tokens, WORDS_PER_CALL_MAX)
    count = max(1, min(2 * call.turn - 1, words - (words + 1) % 2))
    share, rest = divmod(words, count)
    lengths = [share] * (count - 1) + [share + rest]
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": ("word " * length).rstrip()} for index, length in enumerate(lengths)]


def headers_of(call: Call) -> dict[str, str]:
    return {
        "x-trivet-tenant": call.tenant,
        "x-trivet-scenario": call.scenario,
        "x-trivet-conversation": call.conversation,
    }


def client_for(target: str, api_key: str = "", concurrency: int = CONCURRENCY) -> httpx.AsyncClient:
    """A client whose base is the server's root; a target that ends in `/v1` is taken too."""
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    base = target.rstrip("/").removesuffix("/v1")
    return httpx.AsyncClient(base_url=base, limits=limits, timeout=TIMEOUT_S, headers=headers)


def replay(
    file: Path,
    speed: float,
    target: str,
    *,
    limit: int | None = None,
    mix: Mix = MIX,
    concurrency: int = CONCURRENCY,
    api_key: str = "",
    say: Say | None = None,
) -> Report:
    """Replays a trace against `target`, `speed` times as fast as recorded, and says each second how it goes."""
    if not (math.isfinite(speed) and speed > 0):
        raise ValueError(f"speed is a positive number, not {speed}")
    arrivals = read(file, limit)
    client = client_for(target, api_key, concurrency)
    return asyncio.run(_replay(calls(arrivals, mix), speed, client, concurrency, say or _to_stderr))


async def _replay(due: Iterable[Call], speed: float, client: httpx.AsyncClient, concurrency: int, say: Say) -> Report:
    async with client:
        driver = Driver(client, concurrency=concurrency)
        telling = asyncio.create_task(_tell(driver.report, say))
        try:
            await driver.drive(due, lambda: speed)
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
    say(driver.report.line())
    if driver.report.late_s_max > 1:
        say(f"the latest call was made {driver.report.late_s_max:.1f} s late: the server or this machine was too slow")
    return driver.report


async def _tell(report: Report, say: Say) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(1)
        report.elapsed_s = time.monotonic() - began
        say(report.line())


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
