"""Every page of the console, as its server answers it: over 10 million requests, 1,000 tenants and 200 scenarios.

`python -m bench.pages [path part]` measures those pages alone. Times are from the question to the whole answer, over
loopback; one reader, so that a page's own work is what is measured. CPU is that of the server and of PostgreSQL together,
which a loaded machine changes less; "first" is the answer that a process gave to the first who asked it.
"""

import gzip
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
from bench import firm, say
from bench.stack import KEY, Api, api, cpu_s, database, dsn_of, postgres_pids

EMAIL, PASSWORD = "robin@example.com", "three legs stand"
OF_ONE_TENANT = "sam@example.com"
DIST = Path(__file__).parent.parent / "web" / "static" / "dist"
SCRIPTS_KB = (("main-*.js", 60), ("*.js", 240))  # what every page loads; with the charts
ROUNDS, WARM = 20, 2
GOAL_MS = 300.0
CARDS_AT_ONCE = 50


def main() -> bool:
    """Print p50 and p95 of each page; true where all are quick enough."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with (
        tempfile.TemporaryDirectory(prefix="trivet-pages-") as folder,
        database(Path(folder)) as postgres,
        psycopg.connect(dsn_of(postgres), autocommit=True) as connection,
    ):
        began = time.perf_counter()
        populate(connection, postgres.url())
        say.note(f"{counted(connection)} made in {time.perf_counter() - began:.0f} s")
        settings = {"TRIVET_ADMIN_EMAIL": EMAIL, "TRIVET_ADMIN_PASSWORD": PASSWORD}
        with api(postgres.url(), Path(folder), **settings) as serving:

            def used() -> float:
                return cpu_s(*serving.pids(), *postgres_pids(postgres))  # with the backends that there are by then

            results = [
                *scripts(),
                *of_everybody(serving, connection, used, wanted),
                *of_a_tenant(serving, used, wanted),
            ]
            return all(results)


def scripts() -> list[bool]:
    """How much script a browser is sent, packed."""
    results = []
    for pattern, most_kb in SCRIPTS_KB:
        kb = sum(len(gzip.compress(path.read_bytes(), 9)) for path in DIST.glob(pattern)) / 1024
        results.append(
            say.verdict(f"scripts {pattern}", f"{kb:.0f} kB packed", f"< {most_kb} kB", met=0 < kb < most_kb)
        )
    return results


def of_everybody(
    serving: Api, connection: "psycopg.Connection[tuple[object, ...]]", used: Callable[[], float], wanted: str
) -> list[bool]:
    """The pages as an admin reads them."""
    with signed_in(serving, EMAIL) as reader:
        return [measured(reader, path, used) for path in addresses(connection) if wanted in path]


def of_a_tenant(serving: Api, used: Callable[[], float], wanted: str) -> list[bool]:
    """The pages of somebody of one tenant, who reads under row-level security."""
    from trivet.console.places import SECTIONS

    person = {"email": OF_ONE_TENANT, "name": "Sam", "role": "viewer", "password": PASSWORD, "tenant": "tenant-7"}
    users = f"http://127.0.0.1:{serving.port}/api/v1/users"
    httpx.post(users, json=person, headers={"Authorization": f"Bearer {KEY}"}).raise_for_status()
    with signed_in(serving, OF_ONE_TENANT) as reader:
        own = [place.path for section in SECTIONS for place in section.places if place.own]
        return [measured(reader, path, used, said="tenant-7: ") for path in own if wanted in path]


@contextmanager
def signed_in(serving: Api, email: str) -> Iterator[httpx.Client]:
    """A browser of somebody."""
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}", timeout=60, follow_redirects=True) as reader:
        reader.post("/sign-in", data={"email": email, "password": PASSWORD}).raise_for_status()
        yield reader


def populate(connection: "psycopg.Connection[tuple[object, ...]]", url: str) -> None:
    """The firm of `bench.firm`, its cards registered as people register them."""
    from trivet.ingest.store import partitions
    from trivet.kit import histogram

    os.environ |= {"TRIVET_DATABASE_URL": url, "TRIVET_SECRET_KEY": "bench"}
    today = datetime.now(UTC).date()
    firm.names(connection)
    cards()
    firm.requests(
        connection, lambda day: partitions.ensure("request", [today - timedelta(days=day + back) for back in (0, 1, 2)])
    )
    firm.rollups(connection, histogram.of([300_000, 700_000, 1_200_000]))
    for part in (firm.ledger, firm.control, firm.fleet, firm.budgets):
        part(connection)
    connection.execute("VACUUM ANALYZE")


def cards() -> None:
    """Every scenario with the card of a preset."""
    from trivet import db
    from trivet.card import service
    from trivet.kit.clock import utc_now

    for first in range(0, firm.SCENARIOS, CARDS_AT_ONCE):
        with db.transaction() as session:
            for n in range(first, first + CARDS_AT_ONCE):
                service.register(
                    session, name=f"scenario-{n + 1}", preset_name="real-time-chat", criticality="core", actor="bench",
                    now=utc_now() - timedelta(days=31),
                )  # fmt: skip


def counted(connection: "psycopg.Connection[tuple[object, ...]]") -> str:
    """How much there is to look at."""
    row = connection.execute("SELECT count(*) FROM request").fetchone()
    rolled = connection.execute("SELECT count(*) FROM rollup_1h").fetchone()
    assert row and rolled
    return f"{row[0]:,} requests, {rolled[0]:,} hourly rows"


def addresses(connection: "psycopg.Connection[tuple[object, ...]]") -> list[str]:
    """Every place, its fragments that load after it, and one thing of each kind that has a page of its own."""
    from trivet.console.places import SECTIONS
    from trivet.ingest.store.ids import span_bytes

    found = connection.execute("""
        SELECT replace(trace_id::text, '-', ''), span_id, conversation_id, tenant_id FROM request
        WHERE conversation_id IS NOT NULL AND started_at > now() - interval '1 day' LIMIT 1
    """).fetchone()
    assert found
    trace, span, conversation, tenant = found
    return [place.path for section in SECTIONS for place in section.places] + [
        "/live", "/search?q=tenant-7", "/costs?group=tenant&range=30d", "/costs/postings", "/costs.csv?group=tenant",
        "/statements?cost_centre=CC-7", "/cards/scenario-7", "/cards/scenario-7/edit", "/commands/4999", "/breaches/4999",
        "/proofs/4998", "/scenarios/scenario-7/command?kind=degrade", f"/requests/trace/{trace}",
        f"/requests/{trace}-{span_bytes(span).hex()}", f"/requests?tenant=tenant-{tenant}", f"/interactions/conversation/{conversation}?tenant=tenant-{tenant}",
        "/breaches.csv", "/readiness?scenario=scenario-7", "/statements.csv?cost_centre=CC-7", "/unit-costs?group=tenant",
    ]  # fmt: skip


def measured(reader: httpx.Client, path: str, used: Callable[[], float], said: str = "") -> bool:
    """One page; an answer that is no page is missed too. Fragments that load by themselves are measured beside it.

    `used` tells the seconds of CPU that the server and PostgreSQL have used so far.
    """
    took_ms, cpu_ms, body, status = [], [], "", 0
    for _ in range(WARM + ROUNDS):
        began, cpu_began = time.perf_counter(), used()
        answer = reader.get(path)
        took_ms.append((time.perf_counter() - began) * 1000)
        cpu_ms.append((used() - cpu_began) * 1000)
        body, status = answer.text, answer.status_code
        if len(took_ms) > WARM and took_ms[-1] > 10 * GOAL_MS:
            break
    first_ms, warm_ms = took_ms[0], sorted(took_ms[WARM:])
    p50, p95 = warm_ms[len(warm_ms) // 2], warm_ms[min(int(len(warm_ms) * 0.95), len(warm_ms) - 1)]
    met = say.verdict(
        f"{said}{path}"[:34], f"{p50:.0f} ms p50, {p95:.0f} ms p95, {len(body) // 1024} kB", f"p95 < {GOAL_MS:.0f} ms",
        met=p95 < GOAL_MS and status == 200,
    )  # fmt: skip
    cpu = cpu_ms[WARM:]
    say.note(
        f"CPU {sum(cpu) / len(cpu):.0f} ms a page, first {first_ms:.0f} ms"
        + (f", answered {status}" if status != 200 else "")
    )
    parts = re.findall(r'hx-get="([^"]+)"[^>]*hx-trigger="load', body)
    results = [measured(reader, part.replace("&amp;", "&"), used, said) for part in parts if part != path]
    return all(results) and met


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
