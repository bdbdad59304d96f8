"""Register serving backends and pools, and read what GPUs last said."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from trivet import db, outbox, wake
from trivet.fleet.models import Backend, Gpu, GpuRollup, Pool, PoolTerm
from trivet.fleet.plan import Plan, plans
from trivet.fleet.terms import Told, body, columns, terms
from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid
from trivet.tenant.models import Scenario

__all__ = [
    "Plan",
    "Told",
    "add_pool_term",
    "gpu_counts",
    "newest_readings",
    "plans",
    "register_backend",
    "term_at",
    "terms",
]

PAST_LIMIT = timedelta(days=366)  # a term further back would post more hours than anyone means
NEWEST_WITHIN = timedelta(minutes=5)  # an older reading is no reading
PLAIN = Told()


def register_backend(session: Session, *, name: str, scenarios: list[str], actor: str, now: datetime) -> Backend:
    """Register a backend, met before or not, with the scenarios it serves; named again, the list is replaced."""
    ids = db.named_ids(session, Scenario, scenarios)
    row_id = db.named_ids(session, Backend, [name])[name]
    row = session.scalars(select(Backend).where(Backend.id == row_id).with_for_update()).one()
    before = {"scenario_ids": row.scenario_ids} if row.registered_at else None
    row.scenario_ids = sorted(ids.values())
    row.registered_at = row.registered_at or now
    session.flush()
    wake.tell(session, wake.POLICY, f"backend:{name}")
    audit.record(
        session, actor=actor, action="backend.register", subject=f"backend:{name}",
        before=before, after={"scenario_ids": row.scenario_ids},
    )  # fmt: skip
    return row


def add_pool_term(
    session: Session,
    *,
    name: str,
    gpu_type: str,
    gpus: int,
    price_per_gpu_hour: Decimal | None,
    currency: str,
    purchase: str,
    effective_from: datetime,
    actor: str,
    now: datetime,
    told: Told = PLAIN,
) -> PoolTerm:
    """Size and cost of a pool from an instant on. Terms are never edited: the next one supersedes.

    Without a price the price book's holds, by GPU type and kind of purchase, unless `told` names a purchase, a commitment
    or units.
    """
    more = columns(told, purchase=purchase, gpus=gpus, price=price_per_gpu_hour, effective_from=effective_from)
    if effective_from < now - PAST_LIMIT:
        raise Invalid(f"A term starts at most {PAST_LIMIT.days} days ago.", field="effective_from")
    pool_id = db.named_ids(session, Pool, [name])[name]
    pool = session.scalars(select(Pool).where(Pool.id == pool_id).with_for_update()).one()
    pool.registered_at = pool.registered_at or now
    before = _said(term_at(session, pool_id, effective_from))
    values = {
        "pool_id": pool_id, "effective_from": effective_from, "gpu_type": gpu_type, "gpus": gpus,
        "currency": currency, "purchase": purchase,
    } | more  # fmt: skip
    made: PoolTerm | None = session.scalar(insert(PoolTerm).values(values).on_conflict_do_nothing().returning(PoolTerm))
    if made is None:
        raise Conflict(
            f"Pool {name} has a term from {rfc3339(effective_from)} already. Terms are never edited: "
            "add one with a later effective_from.",
            field="effective_from",
        )
    outbox.send(session, "ledger.pool_changed", pool_id, rfc3339(effective_from))
    audit.record(session, actor=actor, action="pool.term", subject=f"pool:{name}", before=before, after=_said(made))
    return made


def term_at(session: Session, pool_id: int, at: datetime) -> PoolTerm | None:
    """The term that holds at `at`."""
    return session.scalar(
        select(PoolTerm)
        .where(PoolTerm.pool_id == pool_id, PoolTerm.effective_from <= at)
        .order_by(PoolTerm.effective_from.desc())
        .limit(1)
    )


def newest_readings(session: Session, gpu_ids: list[int], now: datetime) -> dict[int, dict[str, dict[str, Any]]]:
    """{gpu id: {metric: {"value", "at"}}}: the mean of each metric's newest 10 s, where there is a recent one."""
    newest = (
        select(GpuRollup)
        .where(GpuRollup.grain_s == 10, GpuRollup.gpu_id.in_(gpu_ids), GpuRollup.bucket > now - NEWEST_WITHIN)
        .ext(distinct_on(GpuRollup.gpu_id, GpuRollup.metric))
        .order_by(GpuRollup.gpu_id, GpuRollup.metric, GpuRollup.bucket.desc())
    )
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for row in session.scalars(newest):
        reading = {"value": row.total / row.samples, "at": rfc3339(row.bucket)}
        found.setdefault(row.gpu_id, {})[row.metric] = reading
    return found


def gpu_counts(session: Session) -> dict[int, int]:
    """How many GPUs were seen in each pool."""
    counted = session.execute(select(Gpu.pool_id, func.count()).where(Gpu.pool_id.is_not(None)).group_by(Gpu.pool_id))
    return {pool_id: int(count) for pool_id, count in counted if pool_id is not None}


def _said(term: PoolTerm | None) -> dict[str, Any] | None:
    return body(term) if term else None
