"""Retention on the clock, on queue `work`. A run is bounded; writing one large day may take longer than other tasks."""

import logging

from celery import shared_task

from trivet.archive import prune as pruning
from trivet.archive import service
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

SCHEDULE = {"archive.retain": (3600.0, "work"), "archive.prune": (600.0, "work")}
log = logging.getLogger(__name__)


@shared_task(name="archive.retain", soft_time_limit=3300, time_limit=3600)
def retain() -> int:
    """Write and drop days that are older than their retention; how many went."""
    return len(service.retain(utc_now(), get_settings()))


@shared_task(name="archive.prune")
def prune() -> int:
    """Remove rollups that are older than their limit; how many rows."""
    gone = pruning.prune(utc_now(), get_settings())
    if gone:
        log.info("retention: %d rows of rollups older than their limit are gone", gone)
    return gone
