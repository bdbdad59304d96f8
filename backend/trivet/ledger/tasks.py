"""Posting on the clock, and hours that a changed mapping, term or tree makes due again. On queue `work`."""

from datetime import datetime

from celery import shared_task
from sqlalchemy.exc import OperationalError

from trivet import db
from trivet.kit.clock import utc_now
from trivet.ledger import pool_due, service, units
from trivet.settings import get_settings

ROUNDS_MAX = 10
ROUND_S = 5.0  # others wait for a round to end: a close, a bill, every change
# A change is told once: where the database was away or posting took too long, the task asks again, for some two hours.
TOLD_ONCE = {"autoretry_for": (OperationalError,), "retry_backoff": 5, "retry_backoff_max": 300, "max_retries": 30}
SCHEDULE = {"ledger.post": (30.0, "work"), "ledger.settle_pools": (1_800.0, "work")}


@shared_task(name="ledger.post")
def post() -> int:
    """Post what is due, in bounded rounds of a transaction each; how many hours."""
    done = 0
    for _ in range(ROUNDS_MAX):
        with db.transaction() as session:
            count = service.post_due(session, utc_now(), get_settings().posting_grace_s, ROUND_S)
        if not count:
            break
        done += count
    return done


@shared_task(name="ledger.tenant_changed", **TOLD_ONCE)
def tenant_changed(tenant_id: int, start: str) -> int:
    """A tenant's cost centre changed from `start` (RFC 3339) on."""
    with db.transaction() as session:
        return service.tenant_changed(session, tenant_id, datetime.fromisoformat(start))


@shared_task(name="ledger.pool_changed", **TOLD_ONCE)
def pool_changed(pool_id: int, start: str) -> int:
    """A pool's terms changed from `start` (RFC 3339) on."""
    del pool_id  # whichever pool it was, an hour is posted whole
    with db.transaction() as session:
        return service.terms_changed(session, datetime.fromisoformat(start))


@shared_task(name="ledger.shared_changed", **TOLD_ONCE)
def shared_changed(start: str) -> int:
    """What a shared cost comes to, or how it is split, changed from `start` (RFC 3339) on."""
    with db.transaction() as session:
        return service.terms_changed(session, datetime.fromisoformat(start))


@shared_task(name="ledger.tree_changed", **TOLD_ONCE)
def tree_changed(start: str) -> int:
    """Cost centres were moved from `start` (RFC 3339) on."""
    with db.transaction() as session:
        return service.weights_changed(session, datetime.fromisoformat(start))


@shared_task(name="ledger.rate_added", **TOLD_ONCE)
def rate_added(start: str) -> int:
    """A rate of exchange holds from `start` (RFC 3339) on."""
    with db.transaction() as session:
        return service.weights_changed(session, datetime.fromisoformat(start))


@shared_task(name="ledger.hours_due", **TOLD_ONCE)
def hours_due(hours: list[str]) -> int:
    """Quantities of these hours (RFC 3339) were told."""
    with db.transaction() as session:
        return service.hours_due(session, [datetime.fromisoformat(hour) for hour in hours])


@shared_task(name="ledger.units_changed", **TOLD_ONCE)
def units_changed(start: str) -> int:
    """A unit has a new price from `start` (RFC 3339) on."""
    with db.transaction() as session:
        return service.hours_due(session, units.hours_used(session, datetime.fromisoformat(start)))


@shared_task(name="ledger.settle_pools")
def settle_pools() -> int:
    """Engines and cards may have told more of the latest hours of pools; how many hours are looked at again."""
    with db.transaction() as session:
        return service.hours_due(session, pool_due.unsettled(session, utc_now()))
