"""The whole loop on the real thing: `trivet up`, OTLP in, a guard broken, a degrade that a policy client obeys and proves.

No fixture of ours stands between: PostgreSQL, Redis, API, beat and both workers are the ones a user starts.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.otlp import PROTOBUF, body, span

from trivet_collectors.policy.client import PolicyClient

KEY = "tvt_the-loop-admin-key-0123456789"
START_LIMIT_S, LOOP_LIMIT_S, STOP_LIMIT_S = 60.0, 40.0, 40.0
SLOW, SLOW_SPANS = 20.0, 60  # seconds a call takes, and how many are sent


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    """A running Trivet and an admin's client for it."""
    # Not pytest's folder, which is closed to the account that the database runs under when we are root.
    folder = Path(tempfile.mkdtemp(prefix="trivet-test-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRIVET_")} | {"TRIVET_BOOTSTRAP_KEY": KEY}
    command = [sys.executable, "-m", "trivet.cli", "up", "--data-dir", str(folder), "--port", str(port)]
    command += ["--otlp-grpc-port", "0"]
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as made:
        try:
            until(lambda: process.poll() is not None or _answers(made), START_LIMIT_S)
            assert process.poll() is None, (folder / "console.log").read_text()
            yield made
        finally:
            process.terminate()
            process.wait(STOP_LIMIT_S)
            shutil.rmtree(folder)


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/healthz").is_success
    except httpx.TransportError:
        return False


def until(true: Callable[[], Any], limit_s: float = LOOP_LIMIT_S) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(0.05)
    return found


def made(api: httpx.Client, path: str, **content: Any) -> dict[str, Any]:
    answer = api.post(f"/api/v1/{path}", json=content)
    assert answer.status_code == 201, answer.text
    return answer.json()


def send(api: httpx.Client, scenario: str, count: int, seconds: float, **attributes: Any) -> None:
    named = {"trivet.scenario": scenario, "trivet.backend": f"{scenario}-1"} | attributes
    answer = api.post(
        "/v1/traces", content=body(*(span(named, seconds=seconds) for _ in range(count))), headers=PROTOBUF
    )
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.fixture
def policy(api: httpx.Client, tmp_path: Path) -> Iterator[Callable[[str], PolicyClient]]:
    clients = []

    def follow(backend: str) -> PolicyClient:
        client = PolicyClient(
            str(api.base_url), KEY, backend=backend, state_path=tmp_path / backend, poll_interval_s=0.5
        )
        clients.append(client)
        client.start()
        return client

    yield follow
    for client in clients:
        client.stop()


def newest(api: httpx.Client, scenario: str) -> dict[str, Any] | None:
    items = api.get("/api/v1/commands", params={"scenario": scenario}).json()["items"]
    return items[0] if items else None


class TestTheLoop:
    def test_a_broken_guard_degrades_and_the_backend_proves_it(
        self, api: httpx.Client, policy: Callable[[str], PolicyClient]
    ) -> None:
        made(api, "scenarios", name="chat", preset="real-time-chat")
        made(api, "backends", name="chat-1", scenarios=["chat"])
        client = policy("chat-1")
        assert client.policy(tenant="acme", scenario="chat")["degrade.level"] == 0

        send(api, "chat", SLOW_SPANS, SLOW)

        until(lambda: client.policy(tenant="acme", scenario="chat")["degrade.level"] > 0)
        breaches = api.get("/api/v1/breaches", params={"state": "open"}).json()["items"]
        assert any(breach["scenario"] == "chat" and breach["value"] > breach["threshold"] for breach in breaches)
        command = until(lambda: (c := newest(api, "chat")) and c["status"] in {"observed", "effective"} and c)
        assert (command["kind"], command["actor"]) == ("degrade", "ladder")
        first = api.get("/api/v1/commands", params={"scenario": "chat"}).json()["items"][-1]
        assert (first["level"], first["generation"]) == (1, 1)
        assert "P95 20 s over 3 s" in first["reason"] and first["breach_id"] is not None

        send(api, "chat", 1, 0.1, **client.span_attributes(tenant="acme", scenario="chat"))
        proven = until(lambda: (c := api.get(f"/api/v1/commands/{command['id']}").json())["effective_at"] and c)
        assert proven["outcome"] == "Telemetry of chat-1 runs under it."

    def test_a_person_degrades_restores_and_rolls_back_with_a_reason(
        self, api: httpx.Client, policy: Callable[[str], PolicyClient]
    ) -> None:
        made(api, "scenarios", name="search", preset="rag")
        made(api, "backends", name="search-1", scenarios=["search"])
        client = policy("search-1")
        refused = api.post(
            "/api/v1/commands", json={"kind": "degrade", "scenario": "search", "level": 2, "reason": " "}
        )
        assert refused.status_code == 422

        degrade = made(api, "commands", kind="degrade", scenario="search", level=2, reason="a drill")
        assert (degrade["status"], set(degrade)) >= ("pending", {"id", "status", "generation"})
        until(lambda: client.policy(tenant="acme", scenario="search")["degrade.level"] == 2)
        until(lambda: api.get(f"/api/v1/commands/{degrade['id']}").json()["status"] == "observed")

        restore = made(api, "commands", kind="restore", scenario="search", reason="the drill is over")
        assert restore["generation"] == degrade["generation"] + 1
        until(lambda: client.policy(tenant="acme", scenario="search")["degrade.level"] == 0)
        until(lambda: api.get(f"/api/v1/commands/{degrade['id']}").json()["status"] == "superseded")
        who = api.get("/api/v1/audit", params={"subject": "scenario:search"}).json()
        assert api.get("/api/v1/audit/verification").json()["intact"], who

    def test_what_was_sent_is_what_usage_and_costs_say(self, api: httpx.Client) -> None:
        made(api, "tenants", name="globex", cost_centre="CC-7")
        before = datetime.now(UTC) - timedelta(minutes=5)
        send(api, "billing", 40, 0.5, **{"trivet.tenant": "globex"})
        send(api, "billing", 2, 0.5, **{"trivet.tenant": "nobody-mapped"})
        interval = {"from": before.replace(second=0, microsecond=0).isoformat(), "to": _next_minute().isoformat()}

        usage = api.get("/api/v1/usage", params=interval | {"group_by": "tenant", "scenario": "billing"}).json()[
            "items"
        ]
        by_tenant = {item["tenant"]: item for item in usage}
        assert by_tenant["globex"]["requests"] == 40
        assert by_tenant["globex"]["tokens"]["input"] == 40 * 33
        # gpt-4o-mini: $0.15 and $0.60 for a million tokens.
        each = Decimal("0.15") * 33 / 10**6 + Decimal("0.60") * 15 / 10**6
        assert Decimal(by_tenant["globex"]["cost"]["amount"]) == 40 * each

        hour = {"from": before.replace(minute=0, second=0, microsecond=0).isoformat(), "to": _next_hour().isoformat()}
        costs = api.get("/api/v1/costs", params=hour | {"group_by": "cost_centre,tenant", "basis": "allocation"}).json()
        mine = {(item["cost_centre"], item["tenant"]): item["amount"] for item in costs["items"]}
        assert Decimal(mine["CC-7", "globex"]) == 40 * each
        assert Decimal(costs["unattributed"]["amount"]) >= 2 * each


def _next_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)


def _next_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
