"""The simulated serving backend: OpenAI-compatible, watched by OpenTelemetry, and obedient to Trivet's policy.

A process of its own: `python -m trivet.demo.backend`, set up by environment (`BackendOptions.from_environment`). It says in
every answer that no model runs. Restart-safe: the policy it holds lies in `state_path` and is taken up again.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from opentelemetry.trace import Span, Tracer

from trivet.demo import telemetry, wire
from trivet.demo.engine import Engine, Served
from trivet.demo.gate import Gate
from trivet.demo.obey import plan
from trivet.demo.telemetry import Caller
from trivet_collectors import semconv
from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.evaluate import FlagValue
from trivet_collectors.running import RunningCalls, tell

NAME = "demo-1"
PORT = 8100
TIMEOUT_S = 30.0  # of a scenario that names none
CHUNK_S = 0.12  # how often a stream writes
POLL_S = 0.5
CALLER_HEADERS = ("x-trivet-tenant", "x-trivet-scenario", "x-trivet-conversation")
NAME_LENGTH_MAX = 200
STALL_MAX_S = 600.0
# What an answer ran under and how good it is: there is nobody here to judge it, so the model says it itself.
LEVEL_HEADER = "x-trivet-degrade-level"
REVISION_HEADER = "x-trivet-policy-revision"
QUALITY_HEADER = "x-trivet-simulated-quality"


@dataclass(frozen=True)
class BackendOptions:
    """How the process is set up: all of it comes by environment, `TRIVET_DEMO_*`."""

    endpoint: str  # of Trivet
    api_key: str  # scopes ingest and policy
    state_path: Path
    name: str = NAME
    port: int = PORT
    timeouts_s: Mapping[str, float] = field(default_factory=dict)

    def to_environment(self) -> dict[str, str]:
        return {
            "TRIVET_DEMO_ENDPOINT": self.endpoint,
            "TRIVET_DEMO_KEY": self.api_key,
            "TRIVET_DEMO_STATE": str(self.state_path),
            "TRIVET_DEMO_BACKEND": self.name,
            "TRIVET_DEMO_PORT": str(self.port),
            "TRIVET_DEMO_TIMEOUTS": json.dumps(dict(self.timeouts_s)),
        }

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "BackendOptions":
        return cls(
            endpoint=env["TRIVET_DEMO_ENDPOINT"],
            api_key=env["TRIVET_DEMO_KEY"],
            state_path=Path(env["TRIVET_DEMO_STATE"]),
            name=env.get("TRIVET_DEMO_BACKEND", NAME),
            port=int(env.get("TRIVET_DEMO_PORT", PORT)),
            timeouts_s=json.loads(env.get("TRIVET_DEMO_TIMEOUTS", "{}")),
        )


class Policies(Protocol):
    """What the backend needs of the policy client."""

    def policy(
        self, tenant: str | None = None, scenario: str = "", session: str | None = None
    ) -> Mapping[str, FlagValue]: ...


@dataclass
class Serving:
    """All that a call needs. `clock` gives seconds that only go forward."""

    policies: Policies
    tracer: Tracer
    name: str = NAME
    timeouts_s: Mapping[str, float] = field(default_factory=dict)
    engine: Engine = field(default_factory=Engine)
    gate: Gate = field(default_factory=Gate)
    clock: Callable[[], float] = time.monotonic
    running: RunningCalls | None = None  # told of what becomes of a call before it ends


def create_app(serving: Serving) -> FastAPI:
    app = FastAPI(title="Trivet demo backend (simulated)", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse(wire.problem(f"{where}: {first['msg']}", "invalid_value"), 400, headers=wire.HEADERS)

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        return {"status": "ok", "simulated": wire.SAYS_SO, "waiting": serving.engine.waiting(serving.clock())}

    @app.get("/v1/models")
    async def models() -> JSONResponse:
        return JSONResponse(wire.model_list(), headers=wire.HEADERS)

    @app.post("/simulate/stall")
    async def stall(seconds: Annotated[float, Query(ge=0, le=STALL_MAX_S)] = 60.0) -> dict[str, Any]:
        serving.engine.stall(serving.clock() + seconds)
        return {"simulated": wire.SAYS_SO, "stalled_s": seconds}

    @app.post("/v1/chat/completions")
    async def chat(body: wire.ChatRequest, request: Request) -> Response:
        return await _chat(serving, body, caller_of(request.headers))

    return app


def caller_of(headers: Mapping[str, str]) -> Caller:
    return Caller(*(headers.get(name, "")[:NAME_LENGTH_MAX] for name in CALLER_HEADERS))


async def _chat(serving: Serving, body: wire.ChatRequest, caller: Caller) -> Response:
    flags = serving.policies.policy(
        tenant=caller.tenant or None, scenario=caller.scenario, session=caller.conversation or None
    )
    asked = body.asked()
    span = telemetry.begin(
        serving.tracer, serving.name, caller, body.model, stream=body.stream, max_tokens=asked.max_tokens, flags=flags
    )
    headers = wire.HEADERS | {
        LEVEL_HEADER: str(flags["degrade.level"]),
        REVISION_HEADER: str(flags["policy.revision"]),
    }
    refusal = serving.gate.refusal(f"{caller.tenant}\0{caller.scenario}", flags, datetime.now(UTC))
    if refusal is not None:
        telemetry.end_rejected(span, refusal.reason)
        headers |= {"retry-after": str(refusal.retry_after_s)}
        return JSONResponse(wire.refused(refusal), 429, headers=headers)
    served = serving.engine.serve(
        serving.clock(),
        plan(asked, flags),
        conversation=caller.conversation,
        timeout_s=serving.timeouts_s.get(caller.scenario, TIMEOUT_S),
    )
    answer = _Answer(serving, served, span, body)
    headers |= {QUALITY_HEADER: f"{served.quality:.4f}"}
    return await (answer.streamed(headers) if body.stream else answer.whole(headers))


class _Answer:
    """Waits out what the engine has worked out and answers meanwhile. Its span ends exactly once, whatever happens."""

    def __init__(self, serving: Serving, served: Served, span: Span, body: wire.ChatRequest) -> None:
        self._clock = serving.clock
        self._running = serving.running
        self._served = served
        self._span = span
        self._body = body
        self._id = f"chatcmpl-{span.get_span_context().span_id:016x}"
        self._created = int(time.time())

    async def whole(self, headers: dict[str, str]) -> Response:
        with self._told():
            await self._turn()
            await self._until(self._served.ends_at_s)
        if self._served.outcome == semconv.OUTCOME_TIMEOUT:
            return _timed_out(headers)
        return JSONResponse(wire.completion(self._served, self._id, self._created), headers=headers)

    async def streamed(self, headers: dict[str, str]) -> Response:
        """The status goes out with the first token: a call that gives up in the queue is told so by 504."""
        served = self._served
        with self._told(ends=served.output_tokens == 0):
            await self._turn()
            await self._until(served.first_token_at_s)
            if self._running and served.output_tokens:
                self._running.answering(self._span)
        if served.output_tokens == 0 and served.outcome == semconv.OUTCOME_TIMEOUT:
            return _timed_out(headers)
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[bytes]:
        served = self._served
        with self._told():
            yield self._chunk({"role": "assistant", "content": ""})
            sent = served.reasoning_tokens  # thought, not said
            now = self._clock()
            while now < served.ends_at_s:
                await asyncio.sleep(min(CHUNK_S, served.ends_at_s - now))
                now = self._clock()  # read once: what ends the loop has also written all
                written = served.output_at(now)
                if written > sent:
                    yield self._chunk({"content": wire.WORD * (written - sent)})
                    sent = written
            if served.outcome == semconv.OUTCOME_TIMEOUT:
                yield wire.event(wire.problem("The time limit was reached.", "timeout", "timeout"))
                return
            yield self._chunk({}, finish=served.finish_reason)
        if self._body.stream_options.include_usage:
            yield wire.usage_chunk(served, self._id, self._created)
        yield wire.DONE

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return wire.chunk(self._served, self._id, self._created, delta, finish)

    async def _turn(self) -> None:
        """Waits in the queue, where there is one, and says so."""
        if self._running is None or self._served.starts_at_s <= self._clock():
            return
        self._running.queued(self._span)
        await self._until(self._served.starts_at_s)
        self._running.begun(self._span)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._clock()))

    @contextlib.contextmanager
    def _told(self, ends: bool = True) -> Iterator[None]:
        """Ends the span with what became of the call; a caller who has gone is an error, and paid up to then."""
        try:
            yield
        except BaseException:  # cancelled, or the stream closed: both are the caller's leaving
            self._end(self._served.output_at(self._clock()), gone=True)
            raise
        if ends:
            self._end(self._served.output_tokens, gone=False)

    def _end(self, output_tokens: int, *, gone: bool) -> None:
        telemetry.end_served(self._span, self._served, self._id, output_tokens, stream=self._body.stream, gone=gone)


def _timed_out(headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(wire.problem("The time limit was reached.", "timeout", "timeout"), 504, headers=headers)


def main() -> None:
    """Serve on the loopback until SIGTERM; spans still in hand are sent before the end."""
    options = BackendOptions.from_environment(os.environ)
    provider = telemetry.tracer_provider(telemetry.otlp_exporter(options.endpoint, options.api_key), options.name)
    running = tell(options.endpoint, options.api_key, telemetry.resource_of(options.name))
    provider.add_span_processor(running)
    policies = PolicyClient(options.endpoint, options.api_key, options.name, options.state_path, poll_interval_s=POLL_S)
    policies.start()
    serving = Serving(policies, provider.get_tracer("trivet.demo"), options.name, options.timeouts_s, running=running)
    # The server raises the signal again once it has ended, and the default would end the process before the spans are sent.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        uvicorn.run(
            create_app(serving),
            host="127.0.0.1",
            port=options.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
    finally:
        policies.stop()
        provider.shutdown()


if __name__ == "__main__":
    main()
