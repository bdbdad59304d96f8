"""Retention for a person at the console: what goes, what stays and why, a line each."""

from collections.abc import Iterator
from datetime import datetime

from trivet import db
from trivet.archive import service
from trivet.archive.place import without_password
from trivet.archive.tables import DAY_TABLES
from trivet.settings import Settings

LINES_MAX = 1_000


def tell(now: datetime, settings: Settings, *, dry_run: bool) -> Iterator[str]:
    """Do it, or with `dry_run` only look."""
    kept = {table.setting: table.keep_days(settings) for table in DAY_TABLES}
    yield ", ".join(f"{setting} {days or 'for ever'}" for setting, days in kept.items())
    how = (
        f"write to {without_password(settings.archive_url)}, then drop"
        if settings.archive_url
        else "drop, written nowhere"
    )
    done = [] if dry_run else service.retain(now, settings)
    yield from (f"dropped  {step}" for step in done)
    with db.transaction() as session:
        left = service.plan(session, now, settings, LINES_MAX)
    for step in left:
        yield (
            f"stays    {step}: {step.waits}" if step.waits else f"{'would go' if dry_run else 'left    '} {step}: {how}"
        )
    if not left and not done:
        yield "nothing is older than its retention"
