"""A realistic overview, made by hand: what templates are rendered with where no database is needed."""
# ruff: noqa: PLR0917  # rows of a table written as calls

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from trivet.console import sentence, steer_views, views
from trivet.console.address import Times, settle
from trivet.console.triangle import draw

NOW = datetime(2026, 11, 21, 14, 6, 40, tzinfo=UTC)
ZONE = ZoneInfo("UTC")


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def reader(role: str = "sre") -> views.Reader:
    return views.Reader("Robin Sato", "robin@example.com", role, "token", ZONE, NOW, "http://127.0.0.1:8170")


def verdict(guard: str, state: str, reason: str, since_s: float = 400) -> views.Verdict:
    return views.Verdict(guard, state, reason, ago(since_s))


def measure(key, label, leg, value, now, target, verdict=None) -> views.Measure:
    return views.Measure(key, label, leg, str(value), now, target, verdict)


SUPPORT = (
    measure(
        "quality", "Quality", "quality", 0.93, "0.93", "≥ 0.92", verdict("quality", "ok", "0.93 over 10 min, 41 scores")
    ),
    measure(
        "p95",
        "P95 latency",
        "latency",
        1620,
        "1.62 s",
        "≤ 1.5 s",
        verdict("p95", "breach", "1.62 s over 60 s, limit 1.5 s, 214 requests", 260),
    ),
    measure(
        "ttft_p95",
        "P95 to first token",
        "latency",
        382,
        "382 ms",
        "≤ 400 ms",
        verdict("ttft", "ok", "382 ms over 60 s, 214 requests"),
    ),
    measure(
        "cost_per_request",
        "Cost a request",
        "cost",
        "0.003184",
        "$0.003184",
        "≤ $0.005",
        verdict("cost", "ok", "$0.003184 over 10 min"),
    ),
    measure("error_rate", "Errors", "", 0.0082, "0.82 %", "≤ 2 %", verdict("errors", "ok", "0.82 % of 214 requests")),
    measure(
        "timeout_rate", "Timeouts", "", 0.0047, "0.47 %", "≤ 1 %", verdict("timeouts", "ok", "0.47 % of 214 requests")
    ),
    measure("refusal_rate", "Refusals", "", 0, "0 %", "≤ 5 %", verdict("refusals", "ok", "0 % of 214 requests")),
)
CODE = (
    measure(
        "quality",
        "Quality",
        "quality",
        0.897,
        "0.897",
        "≥ 0.85",
        verdict("quality", "ok", "0.897 over 10 min, 23 scores"),
    ),
    measure(
        "p95",
        "P95 latency",
        "latency",
        402,
        "402 ms",
        "≤ 500 ms",
        verdict("p95", "ok", "402 ms over 60 s, 88 requests"),
    ),
    measure(
        "ttft_p95",
        "P95 to first token",
        "latency",
        131,
        "131 ms",
        "≤ 200 ms",
        verdict("ttft", "ok", "131 ms over 60 s, 88 requests"),
    ),
    measure(
        "cost_per_request",
        "Cost a request",
        "cost",
        "0.0101",
        "$0.01012",
        "≤ $0.02",
        verdict("cost", "ok", "$0.01012 over 10 min"),
    ),
    measure("error_rate", "Errors", "", 0, "0 %", "≤ 2 %", verdict("errors", "ok", "0 % of 88 requests")),
    measure(
        "timeout_rate",
        "Timeouts",
        "",
        0,
        "0 %",
        "≤ 1 %",
        verdict("timeouts", "stall", "12 in flight and none finished for 45 s", 45),
    ),
    measure("refusal_rate", "Refusals", "", 0, "0 %", "≤ 5 %", verdict("refusals", "ok", "0 % of 88 requests")),
)
BATCH = (
    measure("quality", "Quality", "quality", "", "–", "≥ 0.8", verdict("quality", "no_data", "no score in 10 min")),
    measure(
        "p95", "P95 latency", "latency", 8200, "8.20 s", "≤ 30 s", verdict("p95", "no_data", "4 of 20 requests needed")
    ),
    measure("ttft_p95", "P95 to first token", "latency", "", "–", "", None),
    measure(
        "cost_per_request",
        "Cost a request",
        "cost",
        "0.02",
        "$0.02140",
        "≤ $0.015",
        verdict("cost", "breach", "$0.02140 over 10 min, limit $0.015"),
    ),
    measure("error_rate", "Errors", "", 0, "0 %", "≤ 5 %", verdict("errors", "no_data", "4 of 20 requests needed")),
)


def row(
    name, title, criticality, level, measures, shares, rps, revision=3, generation=7, back=2, policy=None
) -> views.ScenarioRow:
    glyph = draw(shares, centre=(10, 12), radius=8.5)
    return views.ScenarioRow(
        name=name,
        title=title,
        criticality=criticality,
        level=level,
        top_level=3,
        policy=policy or views.Policy(revision, generation),
        triangle=draw(shares, centre=(102, 101), radius=72),
        glyph=glyph,
        measures=measures,
        from_before=False,
        requests_per_s=rps,
        series_url=f"/scenarios/{name}/series.json?range=15m",
        can_roll_back_to=back,
        brief=brief(name, title, criticality, level, glyph, rps),
        close_url="",
    )


def brief(name, title, criticality, level, glyph, rps, burning=(), budget=None) -> views.Brief:
    changed = views.Event(ago(58), "effective", "", "The ladder asked to degrade to level 1: P95 1.62 s over 1.5 s.", 1)
    return views.Brief(
        sum(map(ord, name)), name, title, criticality, level, glyph, tuple(burning), rps, (views.Money(Decimal("12.4512"), "USD"),),
        budget, changed, bool(burning), f"/?open={name}#brief-{sum(map(ord, name))}",
    )  # fmt: skip


BUDGETS = (
    views.BudgetShare("support day", "scenario", "support-chat", Decimal("411.20"), Decimal(400), "USD", "day", "/budgets?name=support+day"),
    views.BudgetShare("engineering", "cost_centre", "CC-210 Engineering", Decimal("1204.5"), Decimal(9000), "USD", "month", "/budgets?name=engineering"),
)  # fmt: skip


def spend(caption: str, rows: tuple[views.SpendRow, ...]) -> views.Spend:
    total = sum((r.total for r in rows), Decimal(0))
    provisional = sum((r.provisional for r in rows), Decimal(0))
    return views.Spend(
        caption.lower().replace(" ", "-"),
        caption,
        "USD",
        rows,
        total,
        provisional,
        4,
        max((r.total for r in rows), default=Decimal(0)),
    )


def payer(name, posted, provisional, kind="payer", note="") -> views.SpendRow:
    return views.SpendRow(name, kind, Decimal(posted), Decimal(provisional), note)


STANDINGS = (
    sentence.Standing("support-chat", 1, ago(258), "P95 passed 1.5 s", 2, -0.12, 0.93, 0.92, requests=True),
    sentence.Standing(
        "code-assistant",
        breaches=(sentence.Breach("12 in flight and none finished for 45 s", "", "", stalled=True),),
        requests=True,
    ),
    sentence.Standing("nightly-digest", 3, ago(3600), "the batch window moved to tonight", 3, 0.43, requests=True),
)


def overview(role: str = "sre") -> views.OverviewPage:
    return views.OverviewPage(
        reader=reader(role),
        sentence=sentence.overview(STANDINGS, Decimal("27.1521"), "USD", NOW, ZONE),
        address=settle("/", Times(), NOW, ZONE, "15m"),
        asked="", criticality="", trouble=False, filters=(),
        events=(
            views.Event(ago(4), "pending", "support-chat", "Robin Sato asked to degrade to level 2: the queue is still growing. Not yet held by every backend.", 2),
            views.Event(ago(58), "effective", "support-chat", "The ladder asked to degrade to level 1: P95 1.62 s over 1.5 s. Held by every backend present after 1.0 s, proven by telemetry after 3.1 s.", 1),
            views.Event(ago(60), "breach", "support-chat", "P95 latency broke: P95 1.62 s over 1.5 s."),
            views.Event(ago(3600), "observed", "nightly-digest", "Mika Lind asked to degrade to level 3: batch window moved to tonight. Held by every backend present after 9.8 s, not yet proven.", 3),
            views.Event(ago(4000), "clear", "support-chat", "P95 latency is whole again: P95 980 ms, back within 1.2 s."),
            views.Event(ago(7200), "superseded", "support-chat", "The ladder asked to roll back to revision 2: quality 0.88 under 0.92. Another took over before any backend held it."),
            views.Event(ago(7200), "afresh", "support-chat", "Quality floor is judged afresh: another revision governs now."),
            views.Event(ago(9200), "expired", "support-chat", "Mika Lind asked to cut off for umbrella: runaway agent loop. It ended and no backend had asked for it."),
        ),
        scenarios=(
            row("support-chat", "Support chat", "core", views.Level(1, 2, ago(258)), SUPPORT, (0.92 / 0.93, 1.08, 0.6368), 12.4,
                policy=views.Policy(3, 7, 2, 6, settled=False)),
            row("code-assistant", "Code assistant", "auxiliary", views.Level(0, 0, None), CODE, (0.85 / 0.897, 0.804, 0.506), 1.46, 1, 1, None),
            row("nightly-digest", "Nightly digest", "experimental", views.Level(3, 3, ago(3600), "Mika Lind until 16:00"), BATCH,
                (None, 0.27, 1.4267), 0.07, 5, 12, 4),
        ),
        briefs=(
            brief("faq", "Faq", "core", views.Level(0, 0, None), draw((0.9, 0.4, 0.3), centre=(10, 12), radius=8.5), 31.2, budget=BUDGETS[0]),
            brief("digest-eu", "Digest eu", "auxiliary", views.Level(1, 1, ago(900)), draw((0.9, 1.2, None), centre=(10, 12), radius=8.5), 0.2, ("P95 latency",)),
        ),
        briefs_left_out=31, all_url="/?all=1", found=5, every=5, budgets=BUDGETS, backends_left_out=0,
        spends=(spend("Tenant", (
            payer("acme", "12.4512", "1.2034"), payer("globex", "8.1200", "0.6021"), payer("initech", "0.9120", "0.0310"),
            payer("umbrella", "0", "0.1184", note="no cost centre"), payer("idle", "3.2040", "0.5100", "idle", "capacity nobody used"),
        )),
        spend("Cost centre", (
            payer("CC-100 Support", "12.4512", "1.2034"), payer("CC-210 Engineering", "9.0320", "0.6331"),
            payer("unattributed", "0", "0.1184", "unattributed", "tenants without a cost centre"),
            payer("idle", "3.2040", "0.5100", "idle", "capacity nobody used"),
        ))),
        unpriced_requests=37,
        unpriced_models=("acme-ft-7b", "qwen3-next"),
        backends=(
            views.BackendRow("gateway-1", True, ago(1.4), (
                views.Holding("support-chat", 7, 7, "effective", 2), views.Holding("code-assistant", 1, 1, "effective", 0))),
            views.BackendRow("gateway-2", True, ago(0.6), (
                views.Holding("support-chat", 7, 7, "observed", 1), views.Holding("nightly-digest", None, 12, "missing", None))),
            views.BackendRow("edge-fra-1", False, ago(187), (views.Holding("support-chat", 5, 7, "missing", 0),)),
        ),
        engines=(
            views.EngineRow("gateway-1", "8 of 8", "3", "", "", "4, waited 12.4 s", "over its cap 2", True),
            views.EngineRow("vllm-h200-a", "41", "0", "83 %", "62 %", "", "", False),
        ),
        gpus=views.Gpus(
            (
                views.GpuRow("GPU-8f1c22ab-0001", "GPU-8f1c22ab…", "NVIDIA H200 · node-a", "h200", "", "91 %", "118 of 141 GiB", "612 W", "power cap", "", ago(4), False),
                views.GpuRow("GPU-91d00c7e-0002", "GPU-91d00c7e…", "NVIDIA H200 · node-a", "h200", "", "–", "–", "–", "", "XID 79, ECC uncorrected 2", ago(5400), True),
                views.GpuRow("MIG-4c1b7f70-0003", "MIG-4c1b7f70…", "NVIDIA H200 · node-b", "", "GPU-5a5a5a5a…", "–", "9 of 18 GiB", "–", "nothing: idle", "", ago(9), False),
            ),
            12,
        ),
        caches=(
            views.CacheRow("Prompt", 18_204, 0.71, ""),
            views.CacheRow("Retrieval", 940, 0.38, "expired 310, not found 201, too different 72"),
        ),
        overflows=(views.Overflow("gateway", "tenants", 1204, 50_000, "TRIVET_TENANTS_PER_KEY_LIMIT"),),
        breaches=(
            views.BreachRow(7, "support-chat", "P95 latency", "P95 1.62 s over 1.5 s", "1.71 s", "1.5 s", ago(60), None, "", "Degrade to level 1"),
            views.BreachRow(6, "nightly-digest", "Cost per request", "cost per request 0.0214 over 0.015", "$0.02140", "$0.015", ago(310), None, "", None),
            views.BreachRow(5, "support-chat", "Quality floor", "quality 0.88 under 0.92", "0.88", "0.92", ago(7300), ago(7200), "is judged afresh: another revision governs now", "Roll back to revision 2"),
        ),
        commands=(
            command(9, 4, "Degrade to level 2", "support-chat", 7, "Robin Sato", False, "The queue is still growing.", "pending", None, "1 of 2 backends have asked"),
            command(8, 58, "Degrade to level 1", "support-chat", 6, "ladder", True, "P95 1.62 s over 60 s, limit 1.5 s, 214 requests", "effective", 52, ""),
            command(7, 3600, "Degrade to level 3", "nightly-digest", 12, "Mika Lind", False, "Batch window moved to tonight.", "observed", 3590, ""),
            command(6, 7200, "Roll back to revision 2", "support-chat", 5, "guard", True, "Quality 0.88 fell below its floor 0.92", "superseded", 7100, "by generation 6"),
            command(5, 9200, "Cut off tenant", "support-chat", 4, "Mika Lind", False, "Runaway agent loop.", "expired", 9000, "no backend asked in time", "umbrella"),
        ),
        demo=True,
        scenarios_left_out=0,
        live_url="/live?range=15m",
    )  # fmt: skip


def own() -> views.OwnPage:
    """What somebody of one tenant sees."""
    rows = (
        views.OwnRow("support-chat", "Support chat", 18_204, 0.0031, "412 ms", "1.31 s", (views.Money(Decimal("12.4512"), "USD"),), "100.00"),
        views.OwnRow("rag", "Rag", 940, None, "–", "–", (), "5.16"),
    )  # fmt: skip
    address = settle("/", Times(), NOW, ZONE, "24h")
    return views.OwnPage(reader("viewer"), address, "acme sent 19,144 requests to 2 scenarios.", rows, 0, "/live")


def command(
    id_, at, what, scenario, generation, actor, automatic, reason, status, status_at, outcome, tenant=None
) -> views.CommandRow:
    return views.CommandRow(id_, ago(at), what, scenario, tenant, generation, actor, automatic, reason, status,
                            None if status_at is None else ago(status_at), outcome)  # fmt: skip


def panel(errors: dict[str, str] | None = None) -> steer_views.CommandPanel:
    return steer_views.CommandPanel(
        reader=reader(), kind="degrade", verb="Degrade to level 2", title="Degrade Support chat",
        preview="Support chat goes from level 1 to level 2 for every tenant on 2 backends: context cut to 3 turns, tools only "
        "local, at most 256 tokens out. It ends by itself at 15:06 and the ladder takes over again.",
        notes=("Of the last hour it would have touched 7,201 requests, 61 % of all; 12.40 USD, 48 % of what was spent.",),
        tenant="", tenants=("acme", "umbrella"), everyone="optional",
        levels=(
            views.Choice("1", "1 · light", "no images or charts, tools only local", False),
            views.Choice("2", "2 · medium", "context cut to 3 turns, at most 256 tokens out", True),
            views.Choice("3", "3 · heavy", "a busy page with the time to come back; VIPs keep a text entrance", False),
        ),
        limits=tuple(views.Choice(v, w, "", v == "3600") for v, w in (("900", "in 15 min"), ("3600", "in 1 h"), ("14400", "in 4 h"), ("", "when restored"))),
        reason="", errors=errors or {}, action="/scenarios/support-chat/command",
    )  # fmt: skip


def flag(at: int, kind: str, level: int | None, short: str, solid: bool = True) -> dict[str, Any]:
    return {"at": at, "kind": kind, "level": level, "solid": solid, "short": short, "words": f"{kind} {short}", "who": "Robin Sato", "why": "the queue grows"}  # fmt: skip


def series(name: str) -> dict[str, Any]:
    """Fifteen minutes at ten seconds: calm, a peak, a way back."""
    end = int(NOW.timestamp()) // 10 * 10
    t = list(range(end - 900, end, 10))
    scale = {"support-chat": 1.0, "code-assistant": 0.33, "nightly-digest": 5.2}[name]
    p95 = [scale * (900 + 900 * math.exp(-(((i - 66) / 9) ** 2)) + 60 * math.sin(i * 1.7)) for i in range(90)]
    if name == "nightly-digest":
        p95 = [None if i % 11 > 6 else v for i, v in enumerate(p95)]
    return {
        "t": t, "p95_ms": p95, "p50_ms": [None if v is None else v * 0.42 + 40 * math.sin(i) for i, v in enumerate(p95)],
        "requests_per_s": [max(0.0, (3 + 9.5 * math.exp(-(((i - 66) / 12) ** 2)) + math.sin(i * 2.1) * 0.4) * min(1, 1.2 / scale)) for i in range(90)],
        "limit_ms": {"support-chat": 1500, "code-assistant": 500, "nightly-digest": 30000}[name],
        "limit_words": {"support-chat": "card 1.5 s", "code-assistant": "card 500 ms", "nightly-digest": "card 30 s"}[name],
        "flags": [flag(end - 250, "activate", None, "r3"), flag(end - 240, "degrade", 1, "L1"), flag(end - 228, "restore", 0, "L0"),
                  flag(end - 60, "degrade", 2, "L2", solid=False)] if name == "support-chat" else [],
        "levels": [{"from": end - 236, "to": end, "level": 1}] if name == "support-chat" else [],
        "from": end - 900, "to": end, "zone": "UTC",
    }  # fmt: skip
