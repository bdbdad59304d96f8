"""What retention did and what it waits for: over REST, and as Prometheus gauges at /metrics."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.archive import days
from trivet.archive.models import ArchivedDay
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, Page, answers
from trivet.kit.clock import rfc3339

router = APIRouter(tags=["archive"])
DAYS_MAX = 500


class Day(Answer):
    """What became of one day of one table; `picos` is the exact sum of its costs. A time is null where it did not happen."""

    table: str
    day: date
    url: str
    files: int
    rows: int
    bytes: int
    picos: str
    written_at: str | None
    closed_at: str | None
    dropped_at: str | None
    failed_at: str | None
    failure: str


class Days(Page):
    items: list[Day]


@router.get("/archive", response_model=None, responses=answers(Days))
def list_days(
    _: Annotated[Principal, Depends(platform("read"))],
    before: Annotated[date | None, Query(description="Only days before this one.")] = None,
) -> dict[str, Any]:
    """Days that were written or dropped, newest first, at most 500; `before` goes on."""
    with db.transaction() as session:
        rows = days.recorded(session, DAYS_MAX, before)
    return {"items": [_item(row) for row in rows], "next_cursor": None}


def _item(row: ArchivedDay) -> dict[str, Any]:
    times = {
        name: rfc3339(at) if (at := getattr(row, name)) else None
        for name in ("written_at", "closed_at", "dropped_at", "failed_at")
    }
    counts = {"files": row.files, "rows": row.rows, "bytes": row.bytes, "picos": str(row.picos)}
    return {"table": row.table_name, "day": str(row.day), "url": row.url, **counts, **times, "failure": row.failure}


class Retention(Collector):
    """Read when Prometheus asks: a worker does the work, /metrics is served by the API."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        failing = GaugeMetricFamily(
            "trivet_archive_failing_days", "Days that could not be written or dropped.", labels=["table"]
        )
        written = GaugeMetricFamily("trivet_archive_rows", "Rows written as Parquet.", labels=["table"])
        size = GaugeMetricFamily("trivet_archive_bytes", "Bytes written as Parquet.", labels=["table"])
        dropped = GaugeMetricFamily("trivet_archive_dropped_days", "Days dropped.", labels=["table"])
        table, is_written = ArchivedDay.table_name, ArchivedDay.written_at.is_not(None)
        try:
            with db.transaction() as session:
                query = select(
                    table,
                    func.count(ArchivedDay.failed_at),
                    func.coalesce(func.sum(ArchivedDay.rows).filter(is_written), 0),
                    func.coalesce(func.sum(ArchivedDay.bytes).filter(is_written), 0),
                    func.count(ArchivedDay.dropped_at),
                )
                for name, *values in session.execute(query.group_by(table)):
                    for family, value in zip((failing, written, size, dropped), values, strict=True):
                        family.add_metric([name], float(value))
        except SQLAlchemyError:
            return []  # the other metrics are worth having when the database is away
        return [failing, written, size, dropped]


REGISTRY.register(Retention())
