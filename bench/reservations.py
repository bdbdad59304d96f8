"""How many reservations a second one process grants, all of them against the same global budget.

A durable PostgreSQL of its own and the API as a process, as in `bench.ingest`. First the heart of it, without HTTP: callers
that wait are committed together, and beside it the same with a transaction for each, which is what the ratio compares in
one run. Then over HTTP: one reservation a call, many callers at once, and batches, as the policy client sends them.
"""

import asyncio
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.say import note, verdict
from bench.stack import KEY, api, database

GOAL_PER_S, GOAL_RATIO = 1_000, 3  # the ratio travels to other machines
CALLERS = 64  # at once
ROUNDS, SECONDS = 3, 2.0  # the best round counts: other programs slow one down and never speed it up
BATCH = 100
Measured = tuple[int, list[float], float]
HOLD = {"tenant": "acme", "scenario": "chat", "amount": "0.001", "currency": "USD", "tokens": 1_000, "ttl_s": 60}


def main() -> bool:
    """Print reservations a second, p50 and p99 of each way; true where one process reaches the goal."""
    with tempfile.TemporaryDirectory(prefix="trivet-reservations-") as folder, database(Path(folder)) as postgres:
        os.environ |= {"TRIVET_DATABASE_URL": postgres.url(), "TRIVET_SECRET_KEY": "bench", "TRIVET_DATA_DIR": folder}
        add_budgets()
        together = best("committed together, no HTTP", lambda: asyncio.run(callers(operations_together)))
        alone = best("a transaction each, no HTTP", lambda: asyncio.run(callers(operations_alone)))
        with api(postgres.url(), Path(folder)) as serving:
            single = say("over HTTP, one a call", over_http(serving.port, "/api/v1/reservations", HOLD, 1))
            many = {"hold": [HOLD] * BATCH}
            batched = say(
                f"over HTTP, {BATCH} a call", over_http(serving.port, "/api/v1/reservations/batch", many, BATCH)
            )
    note(f"a batch is {batched / single:.1f} × one a call")
    met = verdict(
        "one process, over HTTP", f"{single:,.0f} reservations/s", f"{GOAL_PER_S:,}", met=single >= GOAL_PER_S
    )
    ratio = together / alone
    return verdict("together / each alone", f"{ratio:.1f}", f"{GOAL_RATIO}", met=ratio >= GOAL_RATIO) and met


def best(case: str, measure: Callable[[], Measured]) -> float:
    """Measure some rounds and print the best; its reservations a second."""
    return say(case, max((measure() for _ in range(ROUNDS)), key=lambda each: each[0] / each[2]))


def add_budgets() -> None:
    """A global budget, and one for each tenant, in money and in requests: four layers for every call."""
    from trivet import db
    from trivet.budget.models import Budget, BudgetTerms
    from trivet.kit.body import EARLIEST

    with db.transaction() as session:
        for scope, measure in (
            ("global", "money"),
            ("global", "requests"),
            ("tenant", "money"),
            ("tenant", "requests"),
        ):
            row = Budget(
                name=f"{scope} {measure}", scope=scope, measure=measure, currency="USD" if measure == "money" else "",
                window="month", zone="UTC", created_by="bench",
            )  # fmt: skip
            session.add(row)
            session.flush()
            terms = BudgetTerms(
                budget_id=row.id, effective_from=EARLIEST, limit=10**9, lines=[], hard=True, action="refuse",
                way_back="next_window", owners=[], unknown_price="closed", unreachable="closed", ended=False,
                author="bench", reason="",
            )  # fmt: skip
            session.add(terms)


def operation() -> Any:
    from decimal import Decimal

    from trivet.budget.reserve.ask import Caller, Costs, Hold

    return Hold(Caller("key:bench", 1), Costs(amount=Decimal("0.001"), currency="USD", tokens=1_000), "acme", "chat")


async def operations_together() -> None:
    from trivet.budget.reserve import commit

    await commit.submit([operation()])


async def operations_alone() -> None:
    from trivet.budget.reserve import commit

    await asyncio.to_thread(commit.run, [[operation()]])


async def callers(call: Any) -> Measured:
    """(reservations, seconds of each call, seconds in all) of many callers, each asking again once it has its answer."""
    await call()
    took_s: list[float] = []
    began = time.monotonic()

    async def ask() -> None:
        while time.monotonic() - began < SECONDS:
            start = time.monotonic()
            await call()
            took_s.append(time.monotonic() - start)

    await asyncio.gather(*(ask() for _ in range(CALLERS)))
    return len(took_s), took_s, time.monotonic() - began


def over_http(port: int, path: str, body: dict[str, Any], each: int) -> Measured:
    """The same over kept-alive connections of this machine."""
    callers_n = CALLERS if each == 1 else 4
    took_s: list[float] = []
    payload = json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    began = time.monotonic()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() - began < SECONDS:
            start = time.monotonic()
            connection.request("POST", path, payload, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (200, 201):
                raise RuntimeError(f"{answer.status}")
            took_s.append(time.monotonic() - start)

    threads = [threading.Thread(target=ask) for _ in range(callers_n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took_s) * each, took_s, time.monotonic() - began


def say(case: str, measured: Measured) -> float:
    """Print one line; reservations a second."""
    count, took_s, seconds = measured
    ordered = sorted(took_s)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
    rate = count / seconds
    note(f"{case:<32} {rate:>8,.0f}/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms")
    return rate


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
