"""Tasks of ingest: partitions ahead of their day, prices for requests that had none, and what is to be forgotten."""

from datetime import timedelta

from celery import shared_task

from trivet import db
from trivet.ingest.signal import running, series
from trivet.ingest.store import partitions, persist, reprice
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

SCHEDULE = {
    "ingest.partitions": (3600.0, "work"),
    "ingest.price_unpriced": (60.0, "work"),
    "ingest.once": (10.0, "work"),
    "ingest.forget_running": (10.0, "work"),
    "ingest.forget_series": (3600.0, "work"),
}
SERIES_FORGOTTEN = 10_000  # in one run
BATCHES_MAX = 40  # of one run; the next run goes on


@shared_task(name="ingest.partitions")
def make_partitions() -> None:
    """Yesterday's to the day after tomorrow's."""
    partitions.ensure_ahead(utc_now().date())


@shared_task(name="ingest.price_unpriced")
def price_unpriced(price_id: int | None = None) -> int:
    """Price what had no price, in bounded batches of a transaction each. `price_id` is why it was asked for."""
    del price_id
    total = 0
    for _ in range(BATCHES_MAX):
        with db.transaction() as session:
            count = reprice.price_batch(session)
        total += count
        if count == 0:
            break
    return total


@shared_task(name="ingest.once")
def once() -> int:
    """Settle calls told twice that whoever stored them could not see, in bounded transactions; how many spans."""
    total = 0
    for _ in range(BATCHES_MAX):
        count, more = persist.settle_received()
        total += count
        if not more:
            break
    return total


@shared_task(name="ingest.forget_running")
def forget_running() -> int:
    """Take away running calls that nobody tells any more; how many."""
    with db.transaction() as session:
        return running.forget(session, utc_now())


@shared_task(name="ingest.forget_series")
def forget_series() -> int:
    """Take away series of signals whose samples have gone; how many."""
    days = get_settings().retention_days_samples
    if not days:  # samples are kept for ever
        return 0
    with db.transaction() as session:
        return series.forget(session, utc_now() - timedelta(days=days + 1), SERIES_FORGOTTEN)
