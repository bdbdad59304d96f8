"""Signals as they lie in the database, for tests of whatever reads them."""

from datetime import timedelta

from trivet import db
from trivet.fleet.models import SignalDelta


def signal(at, metric, value, *, detail="", samples=1, **ids):
    """One point of `metric` at an instant; `ids` such as `backend_id`, 0 where not given."""
    named = dict.fromkeys(("tenant_id", "scenario_id", "model_id", "backend_id", "pool_id"), 0) | ids
    bucket = at - timedelta(seconds=at.timestamp() % 10)
    with db.transaction() as session:
        session.add(SignalDelta(
            bucket=bucket, metric=metric.name, detail=detail, samples=samples, total=value, least=value, most=value,
            last=value, last_at=at, histogram=b"", **named,
        ))  # fmt: skip
