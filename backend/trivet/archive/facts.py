"""What is not there any more, for whoever would read it or make something again out of it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.archive.models import ArchivedDay, KeptSince
from trivet.db import once
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid
from trivet.kit.interval import Interval

COUNTED = ("request", "score")  # what rollups are made of
HOUR_S = 3600


class RowsDropped(Conflict):
    """Rollups and postings of this time cannot be made again: they stand as they are."""


class NotKept(Invalid):
    """Rollups so fine are not kept so long."""


def rows_gone(session: Session, interval: Interval) -> bool:
    """Whether requests or scores that count for an interval have left the database, or are about to."""
    gone = select(ArchivedDay.day).where(
        ArchivedDay.table_name.in_(COUNTED),
        ArchivedDay.closed_at.is_not(None),
        ArchivedDay.day < interval.end,
        ArchivedDay.until >= interval.start,
    )
    return session.scalar(gone.limit(1)) is not None


def must_have_rows(session: Session, interval: Interval) -> None:
    """`RowsDropped` where `rows_gone`."""
    if rows_gone(session, interval):
        raise RowsDropped(
            f"Some requests or scores between {rfc3339(interval.start)} and {rfc3339(interval.end)} were dropped by "
            "retention, so the rollups of that time stay as they are. Choose a later interval.",
            field="from",
        )


@once
def since(session: Session) -> dict[int, datetime]:
    """By grain in seconds, from when on its rollups are whole; a grain that was never pruned is not there."""
    return dict(session.execute(select(KeptSince.grain_s, KeptSince.since)).all())


def must_be_kept(session: Session, segments: Iterable[tuple[int, Interval]]) -> None:
    """`NotKept` where a (grain_s, interval) reaches back to rollups that are not kept: a sum would be too small."""
    kept = since(session)
    for grain_s, interval in segments:
        if grain_s in kept and interval.start < kept[grain_s]:
            raise NotKept(
                f"Usage by {grain_s} s is kept since {rfc3339(kept[grain_s])}; before, ask from and to whole "
                f"{_coarser(grain_s)}.",
                field="from",
            )


def hour_kept(session: Session, hour: datetime) -> bool:
    """Whether the hourly rollups of an hour are whole."""
    first = since(session).get(HOUR_S)
    return first is None or hour >= first


def _coarser(grain_s: int) -> str:
    return {10: "minutes or hours", 60: "hours"}.get(grain_s, "hours that are kept")
