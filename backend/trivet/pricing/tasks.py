"""Price lists in the background, on queue `work`."""

from celery import shared_task

from trivet.job import work
from trivet.pricing.importing import later


@shared_task(name=later.TASK)
def import_prices(job_id: int) -> bool:
    """Enter a price list that somebody chose."""
    return work.perform(job_id, later.run)
