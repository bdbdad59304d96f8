"""Signals as they lie in the database, for tests of whatever reads them."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from trivet import db
from trivet.fleet.models import SignalDelta, SignalSample, SignalSeries
from trivet.ingest.decode.point import digest_of
from trivet.ingest.store import partitions
from trivet.kit.clock import floor

DAY_S = 86_400


def signal(at, metric, value, *, detail="", samples=1, sender="", **ids):
    """One point of `metric` at an instant; `ids` such as `backend_id`, 0 where not given. `sender` says which process's."""
    named = dict.fromkeys(("tenant_id", "scenario_id", "model_id", "backend_id", "pool_id"), 0) | ids
    named |= {"metric": metric.name, "detail": detail}
    bucket = at - timedelta(seconds=at.timestamp() % 10)
    said = {"samples": samples, "total": value, "least": value, "most": value, "histogram": b""}
    partitions.ensure("signal_sample", {floor(at, DAY_S)})
    with db.transaction() as session:
        session.add(SignalDelta(bucket=bucket, last=value, last_at=at, **said, **named))
        identity = digest_of(sender, named)
        series = {"identity": identity, "key_id": 0, "seen_on": floor(at, DAY_S), **named}
        session.execute(insert(SignalSeries).values(series).on_conflict_do_nothing())
        series_id = session.scalar(select(SignalSeries.id).where(SignalSeries.identity == identity))
        session.execute(
            insert(SignalSample).values(series_id=series_id, sampled_at=at, **said).on_conflict_do_nothing()
        )
