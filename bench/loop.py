"""From the commit of rows over the line to a backend that holds the new generation, in seconds.

Everything real: durable PostgreSQL 18 and Redis from their wheels, the API, the workers and beat as `trivet up` runs them,
and two policy clients, one that listens and one that polls once a second. 200 scenarios with five guards each are served
2,000 healthy calls a second meanwhile. Each round sends forty slow calls of a scenario of its own, at a moment of chance, and
waits until both clients hold the level. The clock starts with the answer to the export, which follows the commit.

    python -m bench.loop [rounds]
"""

import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import say
from bench.stack import KEY, free_port, wait
from bench.traffic import TENANTS
from sqlalchemy import select

ROUNDS = 20
SCENARIOS, PER_S = 200, 2_000
WARM_S = 40  # longer than the window of the guards
ROUND_S = 4.0  # at most, of the traffic beside
CALLS = 40
SLOW_S = 2.5  # over the 1.5 s of the preset's card
GIVE_UP_S = 15.0
# How a client hears of it: p50 and p95 in seconds, None where no goal is set.
GOALS: dict[str, tuple[float, float | None]] = {"listening": (0.5, 1.0), "polling each second": (1.2, None)}


def main(rounds: int = ROUNDS) -> bool:
    """Print p50, p95 and the slowest of both clients; true where the goals are met."""
    from trivet_collectors.policy.client import PolicyClient

    with tempfile.TemporaryDirectory(prefix="trivet-loop-") as folder, running(Path(folder)) as port:
        base = f"http://127.0.0.1:{port}"
        register(SCENARIOS)
        clients = {
            how: PolicyClient(base, KEY, f"bench-{how[:6]}", None, poll_interval_s=1.0, events=how == "listening")
            for how in GOALS
        }
        for client in clients.values():
            client.start(wait_s=10)
        with traffic(port, WARM_S + rounds * ROUND_S):
            time.sleep(WARM_S)
            took = [one_round(base, clients, number) for number in range(rounds)]
        for client in clients.values():
            client.stop()
    return all(_said(how, sorted(each[how] for each in took)) for how in GOALS)


GUARDS = ("p95-latency", "p95-latency-high", "error-rate", "timeout-rate", "cost-per-request")


def register(scenarios: int) -> None:
    """Scenarios whose active card is a preset with five of its guards. Written in this process, as the API would."""
    from trivet import db
    from trivet.card.models import CardRevision
    from trivet.card.service import register as with_preset
    from trivet.kit.clock import utc_now

    for number in range(scenarios):
        with db.transaction() as session:
            name, now = f"loop-{number}", utc_now()
            id_ = with_preset(
                session, name=name, preset_name="real-time-chat", criticality="core", actor="bench", now=now
            )
            revision = session.scalars(select(CardRevision).where(CardRevision.scenario_id == id_)).one()
            kept = [guard for guard in revision.body["guards"] if guard["name"] in GUARDS]
            cost = {**revision.body["cost"], "stop_loss": []}
            rollback = {**revision.body["rollback"], "automatic": False}
            revision.body = {**revision.body, "guards": kept, "cost": cost, "rollback": rollback}


def _said(how: str, took_s: list[float]) -> bool:
    p50, p95 = took_s[len(took_s) // 2], took_s[min(len(took_s) - 1, int(len(took_s) * 0.95))]
    goal_p50, goal_p95 = GOALS[how]
    met = p50 < goal_p50 and (goal_p95 is None or p95 < goal_p95)
    goal = f"p50 < {goal_p50:g} s" + (f", p95 < {goal_p95:g} s" if goal_p95 else "")
    case = f"commit to backend, {how}"
    return say.verdict(case, f"{p50:.2f} s p50, {p95:.2f} s p95, {took_s[-1]:.2f} s slowest", goal, met=met)


def one_round(base: str, clients: dict[str, Any], number: int) -> dict[str, float]:
    """Seconds until each client holds level 1 or more of the round's scenario."""
    time.sleep(random.uniform(0.2, 1.2))  # any phase of beat and of a client's poll
    post(base, "/v1/traces", slow_calls(f"loop-{number}"))
    began = time.monotonic()
    took: dict[str, float] = {}
    while len(took) < len(clients):
        for how, client in clients.items():
            if how not in took and client.policy(scenario=f"loop-{number}")["degrade.level"] >= 1:
                took[how] = time.monotonic() - began
        if time.monotonic() - began > GIVE_UP_S:
            raise RuntimeError(f"round {number}: no new generation after {GIVE_UP_S:g} s")
        time.sleep(0.002)
    return took


@contextmanager
def traffic(port: int, seconds: float) -> Iterator[None]:
    """Healthy calls beside, until the block ends."""
    told = [str(port), str(SCENARIOS), str(PER_S), str(int(seconds))]
    process = subprocess.Popen([sys.executable, "-m", "bench.traffic", *told], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def slow_calls(scenario: str) -> dict[str, Any]:
    """An OTLP/JSON export of calls that end now and took too long."""
    end_ns = time.time_ns()
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "trivet.scenario": scenario,
        "trivet.backend": "bench-gw",
    }
    attributes: list[dict[str, Any]] = [{"key": k, "value": {"stringValue": v}} for k, v in said.items()]
    attributes.append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": "100"}})
    spans = [
        {
            "traceId": secrets.token_hex(16),
            "spanId": secrets.token_hex(8),
            "name": "chat",
            "kind": 3,
            "startTimeUnixNano": str(end_ns - int(SLOW_S * 1e9)),
            "endTimeUnixNano": str(end_ns),
            # Of many tenants: what one of them does alone is weighed as the bunch that it is.
            "attributes": [
                *attributes,
                {"key": "trivet.tenant", "value": {"stringValue": f"tenant-{number % TENANTS}"}},
            ],
        }
        for number in range(CALLS)
    ]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}


def post(base: str, path: str, body: dict[str, Any]) -> None:
    """POST JSON with the bench's key; raises for anything but success."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


@contextmanager
def running(folder: Path) -> Iterator[int]:
    """PostgreSQL, Redis, API, both workers and beat; the API's port."""
    from trivet import schema
    from trivet.embed.postgres import EmbeddedPostgres
    from trivet.embed.redis import EmbeddedRedis

    with ExitStack() as stack:
        postgres = stack.enter_context(EmbeddedPostgres(folder))
        redis = stack.enter_context(EmbeddedRedis(folder))
        postgres.ensure_database()
        schema.upgrade(postgres.url())
        port = free_port()
        os.environ["TRIVET_DATABASE_URL"] = postgres.url()
        environment = os.environ | {
            "TRIVET_DATABASE_URL": postgres.url(),
            "TRIVET_BROKER_URL": redis.url(),
            "TRIVET_BOOTSTRAP_KEY": KEY,
            "TRIVET_SECRET_KEY": "bench",
            "TRIVET_DATA_DIR": str(folder),
            "TRIVET_PORT": str(port),
            "TRIVET_OTLP_GRPC_PORT": "0",
            "TRIVET_LOG_LEVEL": "WARNING",
        }
        api = stack.enter_context(program(environment, folder, "api"))
        stack.enter_context(program(environment, folder, "worker", "--queue", "control"))
        stack.enter_context(program(environment, folder, "worker", "--queue", "work"))
        stack.enter_context(program(environment, folder, "beat"))
        wait(port, api)
        yield port


@contextmanager
def program(environment: dict[str, str], folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One `trivet` command, ended with the block."""
    command = [sys.executable, "-m", "trivet.cli", *arguments]
    with (folder / f"bench-{arguments[0]}-{arguments[-1]}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:2])) else 1)
