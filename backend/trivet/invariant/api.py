"""What the live checks last found: over REST, and as Prometheus gauges at /metrics."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.invariant.models import InvariantCheck
from trivet.kit.clock import rfc3339

router = APIRouter(tags=["invariant"])


@router.get("/invariants")
def list_invariants(_: Annotated[Principal, Depends(platform("read"))]) -> dict[str, Any]:
    """Each promise with the newest finding; a promise that was never checked is not there."""
    with db.transaction() as session:
        rows = session.scalars(select(InvariantCheck).order_by(InvariantCheck.promise)).all()
    items = [
        {"promise": r.promise, "holds": r.holds, "detail": r.detail, "checked_at": rfc3339(r.checked_at)} for r in rows
    ]
    return {"items": items, "next_cursor": None}


class Findings(Collector):
    """The findings as gauges, read when Prometheus asks: checks run in a worker, /metrics is served by the API."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        holds = GaugeMetricFamily(
            "trivet_invariant_holds", "1 where the promise held when last checked.", labels=["promise"]
        )
        checked = GaugeMetricFamily(
            "trivet_invariant_checked_timestamp_seconds", "When the promise was last checked.", labels=["promise"]
        )
        try:
            with db.transaction() as session:
                for row in session.scalars(select(InvariantCheck)):
                    holds.add_metric([row.promise], float(row.holds))
                    checked.add_metric([row.promise], row.checked_at.timestamp())
        except SQLAlchemyError:
            return []  # the other metrics are worth having when the database is away
        return [holds, checked]


REGISTRY.register(Findings())
