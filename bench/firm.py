"""A firm to look at: a month of 10 million requests by 1,000 tenants in 200 scenarios, and what came of them.

Sizes of everything else are what such a firm would have: 50 backends, 200 cards, 256 GPUs, 300 budgets, thousands of
breaches, commands and alerts. Money is in the ledger by day, the last hour is open.
"""

from typing import Any

from bench.filled import fill

TENANTS, SCENARIOS, MODELS, CENTRES, BACKENDS, POOLS, GPUS = 1_000, 200, 20, 50, 50, 8, 256
REQUESTS, DAYS = 10_000_000, 30
BUSY = 4
EVENTS = 5_000  # breaches, commands, alerts, moves of ladders
NOW = "date_trunc('hour', now())"
TENANT, SCENARIO = f"1 + n % {TENANTS}", f"1 + (n + n / {TENANTS}) % {SCENARIOS}"
MODEL, BACKEND, POOL = f"1 + (n + n / {TENANTS}) % {MODELS}", f"1 + n % {BACKENDS}", f"n % {POOLS + 1}"
Connection = Any  # psycopg.Connection; a measurement needs it only when it runs


def names(connection: Connection) -> None:
    """Who and what there is. Scenarios get their cards from the product itself (`cards`)."""
    fill(connection, "tenant", f"generate_series(1, {TENANTS}) n", name="'tenant-' || n", registered_at="now()")
    fill(connection, "cost_centre", f"generate_series(1, {CENTRES}) n", name="'CC-' || n")
    fill(connection, "model", f"generate_series(1, {MODELS}) n", provider="'house'", name="'model-' || n")
    fill(connection, "backend", f"generate_series(1, {BACKENDS}) n", name="'gateway-' || n", registered_at="now()")
    fill(connection, "pool", f"generate_series(1, {POOLS}) n", name="'pool-' || n", registered_at="now()")
    fill(
        connection, "tenant_cost_centre", f"generate_series(1, {TENANTS}) n", tenant_id="n",
        cost_centre_id=f"1 + n % {CENTRES}", effective_from="'1970-01-01Z'",
    )  # fmt: skip
    fill(
        connection, "price", f"generate_series(1, {MODELS}) n, generate_series(1, 20) month", provider="'house'",
        model="'model-' || n", currency="'USD'", effective_from=f"{NOW} - month * interval '30 days'",
        rates="""'{"input": [[0, "2.5"]], "output": [[0, "10"]]}'""", source="'bench'", author="'bench'",
    )  # fmt: skip


def requests(connection: Connection, partitioned: Any) -> None:
    """The rows themselves, a day at a time, spread over tenants, scenarios and models."""
    each = REQUESTS // DAYS
    for day in range(DAYS):
        partitioned(day)
        at = f"{NOW} - ({day} * interval '1 day') - n * interval '{86_400 / each:.6f} s'"
        fill(
            connection, "request", f"generate_series(1, {each}) n", started_at=f"{at} - interval '1 s'", ended_at=at,
            received_at=at, span_id=f"n + {day * each}",
            trace_id=f"lpad(to_hex(n / 3 + {day * each}), 32, '0')::uuid", ttft_us="200000", cost_picos="1230000000",
            tenant_id=TENANT, scenario_id=SCENARIO, model_id=MODEL, backend_id=BACKEND, pool_id=POOL, key_id="1",
            input_tokens="900", output_tokens="250", policy_revision="1", outcome="(n % 50 = 0)::int",
            conversation_id="CASE WHEN n % 4 = 0 THEN 'conversation-' || n / 12 END",
        )  # fmt: skip


def rollups(connection: Connection, latency: bytes) -> None:
    """Hours of a month, minutes of six hours, tens of seconds of ten minutes: two scenarios a tenant.

    An hour has them all; in a minute and in ten seconds are as many rows as that time has requests, at four times the
    month's mean: people look when it is busy.
    """
    histogram = f"'\\x{latency.hex()}'::bytea"
    pairs = 2 * TENANTS
    for table, step_s, back, each in (
        ("rollup_1h", 3_600, f"{DAYS} days", 7), ("rollup_1m", 60, "6 hours", 1), ("rollup_10s", 10, "10 minutes", 1),
    ):  # fmt: skip
        now = "date_bin('10 s', now(), '2000-01-01Z')" if table == "rollup_10s" else NOW
        rows = pairs if table == "rollup_1h" else round(BUSY * REQUESTS * step_s / (DAYS * 86_400))
        fill(
            connection, table,
            f"generate_series({now} - interval '{back}', {now}, interval '{step_s} s') bucket, generate_series(1, {pairs}) n "
            f"WHERE (n * 13 + extract(epoch FROM bucket)::bigint / {step_s}) % {pairs} < {rows}",
            bucket="bucket", tenant_id=TENANT, scenario_id=SCENARIO, model_id=MODEL, backend_id=BACKEND, pool_id=POOL,
            revision="1", context_class="2", currency="'USD'", requests=str(each), errors="(n % 50 = 0)::int",
            input_tokens=f"{each * 900}", output_tokens=f"{each * 250}", cost=f"{each} * 0.00123", scores="1",
            score_total="0.93", latency=histogram, ttft=histogram, inter_token=histogram,
        )  # fmt: skip


def ledger(connection: Connection) -> None:
    """Balances of a month by tenant, scenario, model and day; an hour's postings with their entries."""
    month = "to_char(day, 'YYYY-MM')"
    fill(
        connection, "balance_day", f"generate_series({NOW} - interval '{DAYS} days', {NOW}, interval '1 day') d(day), generate_series(1, {2 * TENANTS}) n",
        day="date_trunc('day', day)", period=month, account="'cost_centre'", cost_centre_id=f"1 + n % {CENTRES}",
        tenant_id=TENANT, scenario_id=SCENARIO, model_id=MODEL, currency="'USD'", amount="0.2067",
    )  # fmt: skip
    connection.execute("""
        INSERT INTO balance_day (day, period, account, cost_centre_id, tenant_id, scenario_id, model_id, pool_id, purchase,
            currency, amount)
        SELECT day, period, 'supply.metered', 0, 0, 0, model_id, 0, '', 'USD', -sum(amount) FROM balance_day
        GROUP BY day, period, model_id;
        INSERT INTO balance_centre
        SELECT day, period, account, cost_centre_id, tenant_id = 0 AND cost_centre_id = 0, pool_id, purchase, currency,
            sum(amount)
        FROM balance_day GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
        INSERT INTO balance_period SELECT period, '', account, '', currency, sum(amount) FROM balance_centre
        GROUP BY period, account, currency
    """)
    fill(connection, "posted_hour", "(VALUES (1)) v(n)", id="1", posted_until=NOW)


def control(connection: Connection) -> None:
    """Breaches, commands, moves and alerts of a month; what every backend holds of every scenario."""
    at = f"{NOW} - n * interval '{DAYS * 86_400 / EVENTS:.1f} s'"
    events = f"generate_series(1, {EVENTS}) n"
    opened = f"CASE WHEN n % 500 = 0 THEN NULL ELSE {at} + interval '5 minutes' END"
    fill(
        connection, "breach", events, scenario_id=SCENARIO, guard="'latency-p95'", revision="1", value="1.9",
        worst_value="2.4", threshold="1.5", sample="214", reason="'1.9 s over 60 s, limit 1.5 s'", opened_at=at, closed_at=opened,
    )  # fmt: skip
    fill(
        connection, "command", events, kind="(ARRAY['degrade', 'restore'])[1 + n % 2]", scenario_id=SCENARIO,
        level="1 - n % 2", revision="1", generation="n", status="'effective'", actor="'ladder'", reason="'P95 passed 1.5 s'",
        breach_id="n", created_at=at, observed_at=f"{at} + interval '1 s'", effective_at=f"{at} + interval '3 s'",
        ended_at=f"{at} + interval '10 minutes'", outcome="'every backend proved it'",
    )  # fmt: skip
    fill(
        connection, "ladder_move", events, scenario_id=SCENARIO, at=at, level_from="n % 2", level_to="1 - n % 2",
        direction="1 - 2 * (n % 2)", actor="'ladder'", reason="'P95 passed 1.5 s'", breach_id="n",
    )  # fmt: skip
    fill(
        connection, "alert", events, key="'alert-' || n", labels="""'{"alertname": "latency-p95"}'""", severity="'page'",
        severity_since=at, annotations="""'{"summary": "P95 is over its limit"}'""", started_at=at, ends_at=opened,
        ended_at=opened, changed_at=at, breach_id="n", settled="true",
    )  # fmt: skip
    fill(connection, "backend_poll", f"generate_series(1, {BACKENDS}) n", backend_id="n", polled_at="now()", etag="'x'")
    fill(
        connection, "backend_holding", f"generate_series(1, {BACKENDS}) n, generate_series(1, {SCENARIOS}) s",
        backend_id="n", scenario_id="s", observed_generation=str(EVENTS), observed_at="now()",
        effective_generation=str(EVENTS), effective_at="now()", level="0", revision="1",
    )  # fmt: skip
    fill(
        connection, "score", "generate_series(1, 100000) n", external_id="'score-' || n", scenario_id=SCENARIO,
        tenant_id=TENANT, metric="'quality'", value="0.9", revision="1",
        scored_at=f"{NOW} - n * interval '25 s'", source="'key:bench'",
    )  # fmt: skip


def fleet(connection: Connection) -> None:
    """Cards of the pools, and their minutes of a day."""
    fill(
        connection, "gpu", f"generate_series(1, {GPUS}) n", uuid="'GPU-' || n", model="'NVIDIA H200'",
        host="'node-' || n / 8", pool_id=f"1 + n % {POOLS}", first_seen_at=f"{NOW} - interval '30 days'", seen_at="now()",
    )  # fmt: skip
    for metric in ("hw.gpu.utilization", "hw.power"):
        fill(
            connection, "gpu_rollup",
            f"generate_series({NOW} - interval '1 day', now(), interval '1 minute') at, generate_series(1, {GPUS}) n",
            grain_s="60", gpu_id="n", metric=f"'{metric}'", bucket="at", samples="6", total="4.2", least="0.6", most="0.8",
        )  # fmt: skip


def budgets(connection: Connection) -> None:
    """A month's budget of 300 tenants, half spent."""
    some = "generate_series(1, 300) n"
    fill(
        connection, "budget", some, name="'budget-' || n", scope="'tenant'", subject_id="n", measure="'money'",
        currency="'USD'", window="'month'", zone="'UTC'", created_by="'bench'",
    )  # fmt: skip
    fill(
        connection, "budget_terms", some, budget_id="n", effective_from="'2026-01-01Z'", limit="10", lines="'{50,80,100}'",
        way_back="'next_window'", unknown_price="'open'", unreachable="'open'", author="'bench'",
    )  # fmt: skip
    fill(
        connection, "budget_window", some, budget_id="n", subject_id="n", starts_at="date_trunc('month', now())",
        ends_at="date_trunc('month', now()) + interval '1 month'", limit="10", spent="5.1", requests="9000",
        opened_at="date_trunc('month', now())",
    )  # fmt: skip
