"""Cards watching themselves, as Prometheus metrics: reviews that are owed. Read when Prometheus asks."""

from collections.abc import Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.card import glass
from trivet.kit.clock import utc_now

OWED = "trivet_card_reviews_owed", "Revisions activated by break-glass that nobody else has reviewed yet."
AGE = "trivet_card_review_owed_age_seconds", "For how long the oldest review has been owed; 0 where none is."


class Owed(Collector):
    """How many reviews are owed, and for how long the oldest has been."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        try:
            with db.transaction() as session:
                count, oldest = glass.waiting(session)
        except SQLAlchemyError:
            return []  # the other metrics are worth having when the database is away
        age_s = max(0.0, (utc_now() - oldest).total_seconds()) if oldest else 0.0
        return [GaugeMetricFamily(*OWED, value=count), GaugeMetricFamily(*AGE, value=age_s)]


REGISTRY.register(Owed())
