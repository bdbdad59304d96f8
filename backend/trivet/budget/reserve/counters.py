"""Prometheus counters of reservations. Label values come from fixed lists; tasks count in `denial` instead."""

from collections.abc import Iterable

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.ingest.models import Denial

granted = Counter("trivet_reservations_granted", "Holds granted, blocks as one.")
refused = Counter(
    "trivet_reservations_refused", "Holds refused, by the layer that they did not fit and why.", ["layer", "reason"]
)
unbounded = Counter("trivet_reservations_unbounded", "Holds granted at nothing: their cost has no bound.")
ended = Counter("trivet_reservations_ended", "Reservations ended by their owner: posted, void.", ["state"])
excess = Counter("trivet_reservations_excess", "Posts beyond what was granted.")
groups = Histogram(
    "trivet_reservations_group", "Operations committed together.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
retried = Counter("trivet_reservations_retried", "Operations tried one by one because their group had failed.")


class Ended(Collector):
    """Reservations that nobody ended in time. A worker ends them, so they are read where it counts: in the database."""

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[CounterMetricFamily]:
        query = select(Denial.reason, func.sum(Denial.items)).where(Denial.reason.in_(TOLD)).group_by(Denial.reason)
        try:
            with db.transaction() as session:
                found: dict[str, int] = dict(session.execute(query).all())
        except SQLAlchemyError:
            return []  # the other metrics are worth having when the database is away
        return [
            CounterMetricFamily(name, says, value=int(found.get(reason, 0))) for reason, (name, says) in TOLD.items()
        ]


TOLD = {
    "reservation_expired": ("trivet_reservations_expired", "Reservations that nobody posted or voided in time."),
    "reservation_unmeasured": (
        "trivet_reservations_unmeasured", "Reservations let go because no span told of their calls within the grace.",
    ),
}  # fmt: skip
REGISTRY.register(Ended())
