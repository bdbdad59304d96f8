"""Tasks of ingest: partitions ahead of their day, and prices for requests that had none."""

from celery import shared_task

from trivet import db
from trivet.ingest import partitions, reprice, running
from trivet.kit.clock import utc_now

SCHEDULE = {
    "ingest.partitions": (3600.0, "work"),
    "ingest.price_unpriced": (60.0, "work"),
    "ingest.forget_running": (10.0, "work"),
}
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


@shared_task(name="ingest.forget_running")
def forget_running() -> int:
    """Take away running calls that nobody tells any more; how many."""
    with db.transaction() as session:
        return running.forget(session, utc_now())
