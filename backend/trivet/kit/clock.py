"""The one place that asks what time it is. Pure code takes `now` as an argument."""

import math
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Aware UTC now."""
    return datetime.now(UTC)


def floor(at: datetime, seconds: int) -> datetime:
    """Start of the `seconds`-wide bucket that holds `at` (buckets are aligned to the epoch)."""
    epoch_s = math.floor(at.timestamp())
    return datetime.fromtimestamp(epoch_s - epoch_s % seconds, UTC)


def rfc3339(at: datetime) -> str:
    """`2026-11-21T07:00:00Z`; fractions only where there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def when(at: datetime | None) -> str | None:
    """The same of an instant that may not have come."""
    return rfc3339(at) if at else None
