"""Guards watching themselves, as Prometheus metrics. Read when Prometheus asks: a worker judges, the API serves /metrics."""

from collections.abc import Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.guard.models import GuardRun
from trivet.kit.clock import utc_now

AGE = "trivet_guard_evaluated_age_seconds", "Time since guards were last judged; absent where they never were."
FAILURES = "trivet_guard_failures", "Scenarios that could not be judged, one for each evaluation."


class Runs(Collector):
    """The age of the last evaluation, and its failures."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        try:
            with db.transaction() as session:
                run = session.scalar(select(GuardRun))
        except SQLAlchemyError:
            return []  # the other metrics are worth having when the database is away
        if run is None:
            return []
        age = max(0.0, (utc_now() - run.evaluated_at).total_seconds())
        return [GaugeMetricFamily(*AGE, value=age), CounterMetricFamily(*FAILURES, value=run.failures)]


REGISTRY.register(Runs())
