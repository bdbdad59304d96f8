"""The demo's story, told without hands: it makes load and activates one bad revision. What follows is Trivet's doing.

calm, until somebody has signed in → a peak of five times the load → breach → level 1, then 2 → the load falls, recovery step by step → a bad revision →
its quality falls below the floor → rolled back by the guard → calm, for as long as the demo runs, and one drill in it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import httpx

from trivet.demo import audience, drilled, seed, trace
from trivet.demo import cards as demo_cards
from trivet.demo.backend import BackendOptions
from trivet.demo.model import LARGE, SMALL
from trivet.demo.replay import Driver, client_for
from trivet.demo.scorer import Scorer
from trivet.demo.trace import Mix, Share
from trivet.embed.child import spawn, stop
from trivet.kit.clock import utc_now
from trivet.settings import Settings, get_settings

CALM = 1.1  # times the recorded rate: about 6 calls a second
PEAK = 5 * CALM
AFTER = 1.0
WATCH_S = 0.5
AUDIENCE_AT_LEAST_S, AUDIENCE_AT_MOST_S = 20.0, 75.0  # how long the first calm waits for somebody to sign in
REPORT_S = 30.0
FINISH_S = 2.0  # for calls under way, at the end
STOP_S = 3.0  # for the backend to send what it holds
PAUSE_S, PAUSE_MAX_S, HEALTHY_S = 0.5, 30.0, 10.0
READY_LIMIT_S = 120.0
PORT_ABOVE = 100  # the backend listens this far above the API

MIX = Mix(
    tenants=(Share("acme", 50), Share("globex", 31), Share("initech", 15), Share(seed.UNMAPPED, 4)),
    scenarios=(
        Share(demo_cards.SUPPORT_CHAT, 60, model=LARGE.name),
        Share("code-assistant", 25, model=LARGE.name, reasoning_effort="low"),
        Share("doc-search", 15, model=SMALL.name, stream=False),
    ),
)


@dataclass(frozen=True)
class Seen:
    """How support-chat stands: its ladder's level, and the revision that governs."""

    level: int
    revision: int


@dataclass(frozen=True)
class Phase:
    """A part of the story: lasts until what it waits for has come, between two limits in seconds."""

    words: str
    speed: float
    at_least_s: float
    at_most_s: float
    until: Callable[[Seen, Seen], bool] = lambda _now, _first: True  # (as it stands, as it stood when the phase began)
    enacts_bad_card: bool = False


PHASES = (
    Phase("calm; a peak comes in a quarter of a minute", CALM, 15, 45, lambda now, _: now.level == 0),
    Phase("peak: five times the load", PEAK, 20, 60, lambda now, _: now.level >= 2),
    Phase("the peak goes on under level 2, and the queue drains", PEAK, 22, 22),
    Phase(
        "the load falls; recovery is step by step, a share of conversations first",
        CALM,
        5,
        120,
        lambda now, _: now.level == 0,
    ),
    Phase("calm again", CALM, 12, 12),
    Phase(
        "a bad revision is activated: the small model, one turn, one sentence, for everyone",
        CALM,
        5,
        75,
        lambda now, first: now.revision != first.revision,
        enacts_bad_card=True,
    ),
    Phase("rolled back; calm", CALM, 12, 12),
)


@dataclass
class Stage:
    """What the story plays on."""

    endpoint: str
    data_dir: Path
    options: BackendOptions
    keys: seed.Keys
    say: Callable[[str], None]
    speed: float = CALM

    @property
    def backend_url(self) -> str:
        return f"http://127.0.0.1:{self.options.port}"


def main() -> None:
    """`trivet demo`: against a running API, until SIGTERM."""
    asyncio.run(_until_told(_play(get_settings(), _to_stdout)))


async def _until_told(playing: Coroutine[None, None, None]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(playing)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _play(settings: Settings, say: Callable[[str], None]) -> None:
    stage = await _set(settings, say)
    backend = asyncio.create_task(_keep_backend(stage))
    try:
        async with client_for(stage.backend_url) as calls, _trivet(stage.endpoint, stage.keys.scorer) as judged:
            await _ready(stage.backend_url, READY_LIMIT_S)
            scorer = Scorer(judged)
            driver = Driver(calls, heard=scorer.heard)
            mix = Mix(MIX.tenants, MIX.scenarios, run=f"{int(time.time()):x}-")
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(driver.drive(trace.endless(trace.read(trace.CUT), mix), lambda: stage.speed))
                    group.create_task(_every(1.0, scorer.post))
                    group.create_task(_report(driver, scorer, say))
                    group.create_task(_tell(stage))
            finally:
                # Calls under way get their answer: leaving them would look like errors of the last minute.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(driver.finish(), FINISH_S)
                say(driver.report.line())
    finally:
        backend.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await backend


async def _set(settings: Settings, say: Callable[[str], None]) -> Stage:
    """Waits for the API, seeds, and says where the backend will be."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104  # read, not bound
    endpoint = f"http://{host}:{settings.port}"
    await _ready(endpoint, READY_LIMIT_S)
    data_dir = settings.data_dir.absolute()
    keys = await asyncio.to_thread(seed.seed, endpoint, data_dir, settings.secret_key.get_secret_value())
    past = await asyncio.to_thread(seed.remember, endpoint, data_dir, keys)
    say(f"{past} simulated calls of the four weeks before the first start are there for the reports")
    options = BackendOptions(
        endpoint,
        keys.backend,
        data_dir / "demo" / "policy.json",
        port=_port(settings.port + PORT_ABOVE),
        timeouts_s=demo_cards.timeouts_s(),
    )
    say(f"people, keys, tenants, prices and cards are in place; backend on http://127.0.0.1:{options.port}/v1")
    return Stage(endpoint, data_dir, options, keys, say)


def _port(wanted: int) -> int:
    """`wanted` where it is free, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port on the loopback")


async def _keep_backend(stage: Stage) -> None:
    """The backend's process, started again when it dies, ever later when it dies again and again."""
    log = stage.data_dir / "logs" / "demo-backend.log"
    env = {**os.environ, **stage.options.to_environment()}
    pause_s = PAUSE_S
    while True:
        process = spawn([sys.executable, "-m", "trivet.demo.backend"], log, env=env)
        began = time.monotonic()
        try:
            await asyncio.to_thread(process.wait)
        finally:
            stop(process, [(signal.SIGTERM, STOP_S)])
        pause_s = PAUSE_S if time.monotonic() - began > HEALTHY_S else min(PAUSE_MAX_S, 2 * pause_s)
        stage.say(f"the backend died (status {process.returncode}) and starts again in {pause_s:g} s; see {log}")
        await asyncio.sleep(pause_s)


async def _tell(stage: Stage) -> None:
    """One phase after the other, then calm without end."""
    began = time.monotonic()
    await _wait_for_audience(stage, began)
    async with _trivet(stage.endpoint, stage.keys.story) as client:
        for phase in PHASES:
            await _phase(stage, phase, client, began)
    stage.speed = AFTER
    stage.say(f"[{time.monotonic() - began:5.1f} s] the story is told; calm from here on")
    await drilled.drill(stage.endpoint, stage.keys.backend, stage.say)


async def _wait_for_audience(stage: Stage, began: float) -> None:
    """Calm until somebody has signed in, so that nobody comes to a story already told; but not for long."""
    stage.speed = CALM
    limit_s = AUDIENCE_AT_MOST_S
    stage.say(f"[  0.0 s] calm, about six calls a second, until somebody has signed in ({limit_s:.0f} s at most)")
    while (lasted := time.monotonic() - began) < limit_s:
        if lasted >= AUDIENCE_AT_LEAST_S and await asyncio.to_thread(audience.is_here, utc_now()):
            return
        await asyncio.sleep(WATCH_S)


async def _phase(stage: Stage, phase: Phase, client: httpx.AsyncClient, began: float) -> None:
    stage.speed = phase.speed
    stage.say(f"[{time.monotonic() - began:5.1f} s] {phase.words}")
    if phase.enacts_bad_card:
        reason = "halve the bill of support-chat"
        number = await asyncio.to_thread(seed.enact, demo_cards.SUPPORT_CHAT, demo_cards.bad_body(), reason)
        stage.say(f"[{time.monotonic() - began:5.1f} s]   revision {number} is active, approved by two people")
    entered = time.monotonic()
    first = last = await _seen(client)
    while (lasted := time.monotonic() - entered) < phase.at_most_s:
        now = await _seen(client) or last
        if now != last and now is not None:
            stage.say(f"[{time.monotonic() - began:5.1f} s]   level {now.level}, revision {now.revision}")
            last, first = now, first or now
        if lasted >= phase.at_least_s and now is not None and first is not None and phase.until(now, first):
            return
        await asyncio.sleep(WATCH_S)
    if phase.at_most_s > phase.at_least_s:
        stage.say(f"[{time.monotonic() - began:5.1f} s]   not seen within {phase.at_most_s:.0f} s; going on")


async def _seen(client: httpx.AsyncClient) -> Seen | None:
    """None while Trivet does not answer."""
    try:
        card = (await client.get(f"/api/v1/cards/{demo_cards.SUPPORT_CHAT}")).raise_for_status().json()
        ladders = (await client.get("/api/v1/ladders")).raise_for_status().json()["items"]
    except httpx.HTTPError:
        return None
    levels = {ladder["scenario"]: ladder["level"] for ladder in ladders}
    return Seen(levels.get(demo_cards.SUPPORT_CHAT, 0), card["revision"])


async def _report(driver: Driver, scorer: Scorer, say: Callable[[str], None]) -> None:
    async def line() -> None:
        say(f"{driver.report.line()}; scores {scorer.posted}, lost {scorer.lost}")

    await _every(REPORT_S, line)


async def _every(interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        await work()


async def _ready(url: str, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    async with httpx.AsyncClient(timeout=2.0) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}/healthz")).is_success:
                    return
            await asyncio.sleep(0.2)
    raise TimeoutError(f"{url} did not answer within {limit_s:.0f} s")


def _trivet(endpoint: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=endpoint, headers={"Authorization": f"Bearer {key}"}, timeout=5.0)


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
