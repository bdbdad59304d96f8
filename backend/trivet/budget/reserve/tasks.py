"""What beat asks of reservations: end those that nobody ended. Each batch is a transaction of its own."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from celery import shared_task
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget.reserve import endings
from trivet.ingest.store.persist import deny
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

SCHEDULE = {
    "budget.expire_reservations": (1.0, "control"),
    "budget.forget_reservations": (600.0, "work"),
}
BATCHES_MAX = 20  # of one run; the next run goes on
EXPIRED, UNMEASURED = "reservation_expired", "reservation_unmeasured"  # reasons in `denial`


@shared_task(name="budget.expire_reservations")
def expire() -> int:
    """Expire what is over its time, and let go of what was never measured within the grace; how many."""
    now = utc_now()
    grace_s = get_settings().reservation_grace_s
    expired = _batches(partial(endings.expire, now=now), EXPIRED)
    return expired + _batches(partial(endings.give_up, now=now, grace_s=grace_s), UNMEASURED)


@shared_task(name="budget.forget_reservations")
def forget() -> int:
    """Delete reservations that have held nothing for long; how many."""
    return _batches(partial(endings.forget, now=utc_now(), kept_hours=get_settings().reservation_kept_hours))


def _batches(end: Callable[[Session], int], reason: str = "") -> int:
    total = 0
    for _ in range(BATCHES_MAX):
        with db.transaction() as session:
            count = end(session)
            if reason and count:
                deny(session, Counter({reason: count}), 0, utc_now())
        total += count
        if count < endings.BATCH:
            break
    return total
