"""How it holds up: nothing acknowledged is lost, nothing is counted twice, memory stays under its bound.

python -m bench.hold [bombs away thrice killed names] --away-s 60
"""

import argparse
import os
import signal
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from bench import copy, say
from bench.names import at_once, distinct
from bench.spans import export
from bench.stack import KEY, Api, children, dsn_of, rss_mb, running
from bench.stubborn import Stubborn, post

BOMBS, BOMB_BYTES = 20, 1 << 30
RISE_MB = 300
NAMES = 1_000_000
MODELS_AT_ONCE = 12_000


def bombs(_: argparse.Namespace) -> bool:
    """Twenty gzip bodies of 1 GiB of zeros at once, of one sender and then of twenty, over HTTP and gRPC."""
    bomb = _bomb()
    met = []
    with running() as (_postgres, api):
        post(api.port, export(10, batch=1))
        keys = [_tenant_key(api.port, f"tenant-{number}") for number in range(BOMBS)]
        for who, sending in (("one sender", [KEY] * BOMBS), ("20 tenants", keys)):
            for way, throw in (("HTTP", _throw_http), ("gRPC", _throw_grpc)):
                before, watch = rss_mb(api.process.pid), Peak(api.process.pid)
                answers = Counter(_at_once([partial(throw, api, bomb, key) for key in sending]))
                rise = watch.stop() - before
                good = post(api.port, export(10, batch=2)) == "200"
                fine = set(answers) <= {"413", "503", "RESOURCE_EXHAUSTED", "UNAVAILABLE"} and good and rise < RISE_MB
                measured = f"{rise:+.0f} MB; {dict(answers)}"
                met.append(say.verdict(f"20 bombs, {who}, {way}", measured, f"< {RISE_MB} MB, refused", met=fine))
    return all(met)


def away(given: argparse.Namespace) -> bool:
    """PostgreSQL stops under load and comes back."""
    with running() as (postgres, api):
        senders = Stubborn(api.port)
        time.sleep(4)
        postgres.stop()
        time.sleep(given.away_s)
        memory = rss_mb(api.process.pid)
        postgres.start()
        time.sleep(4)
        senders.stop()
        return _exact(f"PostgreSQL away {given.away_s:g} s", postgres, senders, f"{memory:.0f} MB while it was away")


def thrice(_: argparse.Namespace) -> bool:
    """Every batch is sent three times at once."""
    with running() as (postgres, api):
        senders = Stubborn(api.port, senders=2, copies=3)
        time.sleep(6)
        senders.stop()
        return _exact("each batch three times at once", postgres, senders, "two batches at a time")


def killed(_: argparse.Namespace) -> bool:
    """The API is killed in the middle, twice; another process of its own is there, and it comes back."""
    with running(processes=2) as (postgres, api):
        senders = Stubborn(api.port)
        for _turn in range(2):
            time.sleep(3)
            os.kill(children(api.process.pid)[0], signal.SIGKILL)
        time.sleep(4)
        senders.stop()
        return _exact("API killed twice under load", postgres, senders, "two processes")


def names(_: argparse.Namespace) -> bool:
    """A million distinct tenants, scenarios and models by one key, and twelve thousand models in one export."""
    with running() as (postgres, api):
        post(api.port, export(10, batch=1))
        watch = Peak(api.process.pid)
        sent, refused = distinct(api.port, NAMES)
        peak = watch.stop()
        status = at_once(api.port, MODELS_AT_ONCE)
        with psycopg.connect(dsn_of(postgres)) as connection:
            kept = {
                t: _one(connection, f"SELECT count(*) FROM {t}") for t in ("tenant", "scenario", "model")
            }  # names of ours
            counted = _one(connection, "SELECT sum(requests) FROM usage_delta")
        before = 10 + MODELS_AT_ONCE
        fine = status == 200 and counted == sent + before and peak < RISE_MB and not refused
        measured = (
            f"{peak:.0f} MB at most; {counted - before:,} of {sent:,}; {MODELS_AT_ONCE:,} models at once: {status}"
        )
        met = say.verdict("a million distinct names", measured, f"< {RISE_MB} MB, all counted", met=fine)
        say.note(f"rows kept: {kept}; answers other than 200: {dict(refused)}")
    return met


def _exact(case: str, postgres: Any, senders: Stubborn, beside: str) -> bool:
    """Acknowledged is stored, and stored is counted, to the span."""
    stored = copy.stored(dsn_of(postgres))
    with psycopg.connect(dsn_of(postgres)) as connection:
        counted = _one(connection, "SELECT coalesce(sum(requests), 0) FROM usage_delta")
    measured = f"{senders.spans:,} sent, {stored:,} stored, {counted:,} counted"
    met = say.verdict(case, measured, "all three the same", met=senders.spans == stored == counted)
    say.note(f"answers: {dict(senders.answers)}; longest way to a 200: {senders.longest_wait_s:.1f} s; {beside}")
    return met


def _one(connection: "psycopg.Connection[Any]", query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


class Peak:
    """The largest resident memory of a process, looked at 50 times a second, in MB."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._stopping = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._stopping.wait(0.02):
            self._most = max(self._most, rss_mb(self._pid))

    def stop(self) -> float:
        self._stopping.set()
        self._thread.join()
        return self._most


def _bomb() -> bytes:
    packer, piece = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(BOMB_BYTES >> 20)) + packer.flush()


def _throw_http(api: Api, bomb: bytes, key: str) -> str:
    return post(api.port, bomb, key, **{"Content-Encoding": "gzip"})


def _throw_grpc(api: Api, bomb: bytes, key: str) -> str:
    import grpc
    from bench.load import GRPC_PATH

    with grpc.insecure_channel(f"127.0.0.1:{api.grpc_port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            channel.unary_unary(GRPC_PATH)(bomb, metadata=(("authorization", f"Bearer {key}"),), timeout=60)
        except grpc.RpcError as refused:
            return str(refused.code().name)
    return "OK"


def _tenant_key(port: int, tenant: str) -> str:
    import json
    import urllib.request

    body = json.dumps({"name": tenant, "scopes": ["ingest"], "tenant": tenant}).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/keys", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["key"])


def _at_once(calls: list[Callable[[], str]]) -> list[str]:
    found: list[str] = []
    threads = [threading.Thread(target=lambda call=call: found.append(call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


CASES = {"bombs": bombs, "away": away, "thrice": thrice, "killed": killed, "names": names}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"some of {', '.join(CASES)}")
    parser.add_argument("--away-s", type=float, default=60.0)
    arguments = parser.parse_args()
    sys.exit(0 if all([CASES[name](arguments) for name in arguments.cases]) else 1)  # noqa: C419  # every case is run
