"""Spans per second, durable, beside a raw COPY of the same rows into the same database in the same run.

Spans have some 20 attributes; a batch is 512 of them, protobuf. Senders, API and PostgreSQL share this machine's cores:
what the senders use counts against us, and is said.

    python -m bench.ingest [one two small grpc]        python -m bench.ingest --seconds 20 one
"""

import argparse
import os
import sys
from dataclasses import dataclass

from bench import copy, say
from bench.load import Result, load
from bench.stack import cpu_s, dsn_of, machine_cpu_s, postgres_pids, running

SECONDS = 8.0
OTHERS_MAX = 0.15  # cores that others may use before it is said


@dataclass(frozen=True)
class Case:
    """How it is sent, and what is wanted: spans/s, and a share of COPY's rows/s where one is named."""

    title: str
    processes: int
    connections: int
    spans: int
    per_s: int
    of_copy: float = 0.0
    grpc: bool = False


CASES = {
    "one": Case("512-span batches, one process", 1, 4, 512, 20_000, 0.15),
    "two": Case("512-span batches, two processes", 2, 16, 512, 35_000, 0.25),
    "small": Case("10-span exports, 64 clients", 1, 64, 10, 5_000),
    "grpc": Case("gRPC, 512-span batches", 1, 4, 512, 15_000, grpc=True),
}


def measure(case: Case, seconds: float) -> bool:
    """One case on a fresh database; whether its goals are met."""
    with running(case.processes) as (postgres, api):
        options = {"connections": case.connections, "spans": case.spans, "grpc": case.grpc}
        options["port"] = api.grpc_port if case.grpc else api.port
        warm = load(**options, seconds=1.0, seed=1)  # names, prices, partitions and caches are made
        before = cpu_s(*api.pids()), cpu_s(*postgres_pids(postgres))
        of_all = machine_cpu_s()
        result = load(**options, seconds=seconds, seed=2)
        used = cpu_s(*api.pids()) - before[0], cpu_s(*postgres_pids(postgres)) - before[1]
        others = machine_cpu_s() - of_all - sum(used) - result.cpu_s
        found = copy.stored(dsn_of(postgres))
        copied = copy.rows_per_s(dsn_of(postgres))
        bare = copy.rows_per_s(dsn_of(postgres), bare=True)
    if found != result.spans + warm.spans:
        raise AssertionError(f"{found} rows for {result.spans + warm.spans} acknowledged spans")
    ratio = result.per_s / copied
    met = result.per_s >= case.per_s and ratio >= case.of_copy and set(result.statuses) <= {"200", "OK"}
    goal = f"{case.per_s:,} spans/s" + (f", {case.of_copy:g} of COPY" if case.of_copy else "")
    say.verdict(case.title, f"{result.per_s:,.0f} spans/s, {ratio:.2f} of COPY", goal, met=met)
    _beside(result, used, copied, bare)
    if others / result.seconds > OTHERS_MAX:
        say.note(f"BUSY MACHINE: other programs used {others / result.seconds:.1f} of {os.cpu_count()} cores meanwhile")
    return met


def _beside(result: Result, used: tuple[float, float], copied: float, bare: float) -> None:
    exports = sum(result.statuses.values()) / result.seconds
    answers = f"{exports:,.0f} exports/s, answers p50 {result.at(0.5):.0f} ms, p95 {result.at(0.95):.0f} ms"
    say.note(
        f"raw COPY, {copy.BATCH} a commit: {copied:,.0f} rows/s into a table like `request`, {bare:,.0f} into a bare one "
        f"({result.per_s / bare:.2f} of that)"
    )
    say.note(f"{answers}; {result.statuses}")
    cores = (*used, result.cpu_s)
    per_span = (f"{name} {seconds / result.spans * 1e6:.0f}" for name, seconds in zip(_WHO, cores, strict=True))
    say.note(
        f"µs of CPU a span: {', '.join(per_span)}; {sum(cores) / result.seconds:.1f} of {os.cpu_count()} cores used"
    )


_WHO = ("API", "PostgreSQL", "senders")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"some of {', '.join(CASES)}")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    met = [measure(CASES[name], given.seconds) for name in given.cases]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
