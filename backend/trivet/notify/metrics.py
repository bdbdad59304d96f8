"""Alerts and their ways out, as Prometheus metrics. Read when Prometheus asks: a worker sends, the API serves /metrics."""

from collections.abc import Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.notify.alert_models import Alert, Channel, Delivery
from trivet.notify.rules.decide import SEVERITIES

OPEN = "trivet_alerts_open", "Alerts that fire now."
FAILURES = "trivet_channel_failing", "Tries of a channel that failed since its last success."
WAITING = "trivet_deliveries_waiting", "Messages to channels that have not gone yet."


class Alerts(Collector):
    """What fires, what waits, what fails."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        firing = select(Alert.severity, func.count()).where(Alert.ended_at.is_(None)).group_by(Alert.severity)
        waiting = select(func.count()).select_from(Delivery).where(Delivery.state.in_(("queued", "handed")))
        try:
            with db.transaction() as session:
                counts = dict(session.execute(firing).all())
                failing = session.execute(select(Channel.name, Channel.failures)).all()
                waits = session.scalar(waiting) or 0
        except SQLAlchemyError:
            return []  # the other metrics are worth having when the database is away
        open_, broken = GaugeMetricFamily(*OPEN, labels=["severity"]), GaugeMetricFamily(*FAILURES, labels=["channel"])
        for severity in SEVERITIES:
            open_.add_metric([severity], counts.get(severity, 0))
        for name, failures in failing:
            broken.add_metric([name], failures)
        return [open_, broken, GaugeMetricFamily(*WAITING, value=waits)]


REGISTRY.register(Alerts())
