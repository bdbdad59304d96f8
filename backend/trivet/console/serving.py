"""What serves, as the page shows it: engines, caches, and the keys that name more than they may."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.tongue import N_, _
from trivet.console.views import CacheRow, EngineRow, Overflow
from trivet.identity.models import ApiKey
from trivet.ingest.models import Denial
from trivet.kit.clock import floor
from trivet.report.engines import Cache, Engine
from trivet.settings import get_settings

DAY_S = 86_400
OVERFLOWS_MAX = 5
OVERFLOW = "overflow_"
KIND_WORDS = {
    "tenant": N_("tenants"), "scenario": N_("scenarios"), "model": N_("models"), "backend": N_("backends"),
    "pool": N_("pools"), "version": N_("model versions"), "model_version": N_("model versions"), "region": N_("regions"),
}  # fmt: skip
CACHE_WORDS = {"prompt": N_("Prompt"), "kv": "KV", "retrieval": N_("Retrieval"), "response": N_("Response")}
EVENT_WORDS = {
    "out_of_memory": N_("out of memory"), "model_load": N_("model not loaded"), "rate_limit": N_("rate limited"),
    "concurrency_limit": N_("over its cap"), "xid": "XID", "ecc": "ECC", "gpu_lost": N_("GPU lost"),
}  # fmt: skip


def engine_rows(engines: Sequence[Engine]) -> tuple[EngineRow, ...]:
    """One row a backend."""
    return tuple(map(_engine, engines))


def _engine(engine: Engine) -> EngineRow:
    cap = engine.concurrency_limit
    return EngineRow(
        name=engine.backend,
        running=_running(engine),
        waiting="" if engine.waiting is None else f"{engine.waiting:.0f}",
        kv="" if engine.kv_cache_usage is None else say.share(engine.kv_cache_usage),
        prefix="" if engine.prefix_hit_rate is None else say.share(engine.prefix_hit_rate),
        cold_starts=_cold_starts(engine),
        events=_(", ").join(f"{_(EVENT_WORDS.get(k, k))} {n:.0f}" for k, n in sorted(engine.health.items()) if n > 0),
        full=cap is not None and engine.running is not None and engine.running >= cap,
    )


def _running(engine: Engine) -> str:
    """`8 of 8`."""
    if engine.running is None:
        return ""
    if engine.concurrency_limit is None:
        return f"{engine.running:.0f}"
    return _("{part} of {whole}", part=f"{engine.running:.0f}", whole=f"{engine.concurrency_limit:.0f}")


def _cold_starts(engine: Engine) -> str:
    """`3, waited 12.4 s`."""
    if not engine.cold_starts:
        return ""
    waited = engine.cold_start_wait_s
    if not waited:
        return f"{engine.cold_starts:.0f}"
    return _("{n}, waited {time}", n=f"{engine.cold_starts:.0f}", time=say.duration(waited * 1000))


def cache_rows(caches: Sequence[Cache]) -> tuple[CacheRow, ...]:
    """One row a kind."""
    return tuple(
        CacheRow(
            kind=_(CACHE_WORDS[cache.kind]) if cache.kind in CACHE_WORDS else say.title(cache.kind),
            lookups=round(cache.lookups),
            hit_rate=cache.hit_rate,
            reasons=_(", ").join(
                f"{reason.replace('_', ' ')} {say.count(count)}" for reason, count in cache.top_reasons
            ),
        )
        for cache in caches
    )


def overflows(session: Session, now: datetime) -> tuple[Overflow, ...]:
    """Keys whose names went to `overflow` since yesterday, the worst first."""
    items = func.sum(Denial.items)
    since = floor(now - timedelta(days=1), DAY_S)
    query = (
        select(func.coalesce(ApiKey.name, ""), Denial.reason, items)
        .outerjoin(ApiKey, ApiKey.id == Denial.key_id)
        .where(Denial.day >= since, Denial.reason.startswith(OVERFLOW, autoescape=True))
        .group_by(Denial.key_id, ApiKey.name, Denial.reason)
        .order_by(items.desc())
        .limit(OVERFLOWS_MAX)
    )
    return tuple(_overflow(key, reason, int(count)) for key, reason, count in session.execute(query))


def _overflow(key: str, reason: str, items: int) -> Overflow:
    kind = reason.removeprefix(OVERFLOW)
    setting = f"{kind}s_per_key_limit"
    if setting not in type(get_settings()).model_fields:
        setting = "names_per_key_limit"
    return Overflow(
        key=key or _("a key that is gone"),
        kind=KIND_WORDS.get(kind, f"{kind}s"),
        items=items,
        limit=getattr(get_settings(), setting),
        setting=f"TRIVET_{setting.upper()}",
    )
