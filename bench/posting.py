"""One hour's posting: 1,000 tenants by 20 models, ten of them metered and ten on a pool; and how it grows with tenants.

The rows lie in the database as ingest and the fold leave them: requests of the pool, hourly rollups of both. Measured is the
whole transaction, from the first question to the commit: a first posting, one that changes every line, and one of nothing.

    python -m bench.posting
"""

import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bench import say
from bench.stack import database
from sqlalchemy import text

HOUR = datetime(2026, 11, 20, 7, tzinfo=UTC)
TENANTS, MODELS = 1_000, 20
GOAL_S, GROWS_AT_MOST = 2.0, 2.4  # twice the tenants cost at most so much more: nothing is worse than in proportion
SPLITS = 1_000_000
_ROLLUP = text("""
    INSERT INTO rollup_1h (bucket, tenant_id, scenario_id, model_id, backend_id, pool_id, version_id, region_id, revision,
        level, context_class, streamed, currency, requests, errors, timeouts, refusals, rejections, unpriced_requests,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost, scores, score_total,
        latency, ttft, inter_token)
    SELECT :hour, t, 1, m, 1, :pool, 0, 0, 0, 0, 0, 0, 'USD', 1, 0, 0, 0, 0, 0, 1000 + t, 100 + m, 0, 0, 0,
        (1000 + t + 7 * m) * 0.000000123457, 0, 0, '', '', ''
    FROM generate_series(1, :tenants) t, generate_series(CAST(:first AS int), CAST(:last AS int)) m
""")
_REQUESTS = text("""
    INSERT INTO request (started_at, ended_at, span_id, trace_id, tenant_id, scenario_id, model_id, backend_id, pool_id,
        key_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, policy_revision,
        policy_generation, outcome, degrade_level, streamed, ttft_us)
    SELECT at, at + interval '20 seconds', t * 100 + m, gen_random_uuid(), t, 1, m, 1, :pool, 0, 1000 + t, 100 + m, 0, 0, 0,
        0, 0, 0, 0, true, 2000000
    FROM generate_series(1, :tenants) t, generate_series(CAST(:first AS int), CAST(:last AS int)) m,
        LATERAL (SELECT CAST(:hour AS timestamptz) + (t * 37 + m) % 3500 * interval '1 second' AS at) AS began
""")


def main() -> int:
    whole, twice = _hour(TENANTS), _hour(2 * TENANTS)
    met = [
        say.verdict(
            f"{TENANTS:,} tenants x {MODELS} models", f"{whole[0]:.2f} s", f"< {GOAL_S:g} s", met=whole[0] < GOAL_S
        )
    ]
    say.note(f"each line changed: {whole[1]:.2f} s; nothing changed: {whole[2]:.2f} s; {whole[3]:,} entries")
    ratio = twice[0] / whole[0]
    met.append(
        say.verdict("twice the tenants", f"{ratio:.2f} times", f"< {GROWS_AT_MOST:g} times", met=ratio < GROWS_AT_MOST)
    )
    met.append(_splits())
    return 0 if all(met) else 1


def _hour(tenants: int) -> tuple[float, float, float, int]:
    """Seconds of a first posting, of one that changes each line, of one that changes none; and entries of the first."""
    with tempfile.TemporaryDirectory(prefix="trivet-bench-") as folder, database(Path(folder)) as postgres:
        os.environ["TRIVET_DATABASE_URL"] = postgres.url()
        from trivet import db
        from trivet.settings import get_settings

        get_settings.cache_clear()
        db.forget()
        pool = _filled(tenants)
        first, entries = _post()
        with db.transaction() as session:
            session.execute(text("UPDATE rollup_1h SET cost = cost + 0.000000000001"))
            session.execute(
                text("UPDATE request SET output_tokens = output_tokens + tenant_id % 7 WHERE pool_id = :p"), {"p": pool}
            )
        changed, _ = _post()
        same, none = _post()
        assert none == 0
        db.forget()
    return first, changed, same, entries


def _filled(tenants: int) -> int:
    """Rows of one hour; the pool's id."""
    from trivet import db
    from trivet.fleet import service as fleet
    from trivet.ingest.store import partitions
    from trivet.kit.clock import utc_now

    partitions.ensure("request", {HOUR.replace(hour=0)})
    with db.transaction() as session:
        term = fleet.add_pool_term(
            session, name="h100", gpu_type="H100", gpus=800, price_per_gpu_hour=Decimal("2.50"), currency="USD",
            purchase="on_demand", effective_from=HOUR - timedelta(days=1), actor="bench", now=utc_now(),
        )  # fmt: skip
        pool = int(term.pool_id)
        metered = {"hour": HOUR, "tenants": tenants, "pool": 0, "first": 1, "last": MODELS // 2}
        on_pool = metered | {"pool": pool, "first": MODELS // 2 + 1, "last": MODELS}
        session.execute(_ROLLUP, metered)
        session.execute(_ROLLUP, on_pool)
        session.execute(_REQUESTS, on_pool)
    with db.engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))
    return pool


def _post() -> tuple[float, int]:
    """Seconds, and entries posted."""
    from trivet import db
    from trivet.ledger import service

    start = time.perf_counter()
    with db.transaction() as session:
        made = service.post_hour(session, HOUR)
    took = time.perf_counter() - start
    with db.transaction() as session:
        count = session.scalar(text("SELECT count(*) FROM entry WHERE posting_id = ANY(:made)"), {"made": made})
    return took, int(count or 0)


def _splits() -> bool:
    """A million random splits, each adding up to its whole."""
    from trivet.kit.money import split

    rng, wrong = random.Random(20261120), 0
    start = time.perf_counter()
    for _ in range(SPLITS):
        amount = Decimal(rng.randrange(-(10**15), 10**15)).scaleb(-2)
        parts = split(
            amount, {n: rng.randrange(1, 1000) for n in range(rng.randrange(1, 6))}, places=rng.choice((2, 12))
        )
        wrong += sum(parts.values(), Decimal(0)) != amount
    took = time.perf_counter() - start
    return say.verdict(f"{SPLITS:,} random splits", f"{wrong} do not add up; {took:.0f} s", "0", met=not wrong)


if __name__ == "__main__":
    sys.exit(main())
