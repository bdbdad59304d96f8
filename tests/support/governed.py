"""A scenario with a short, strict card, and traffic over or under its line, for tests of guards and commands."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from tests.support.calls import call, ingest

from trivet import db
from trivet.card.content import parse
from trivet.card.models import Activation, CardRevision
from trivet.card.presets import preset
from trivet.tenant.models import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def short_card(**changes):
    """P95 over 1 s raises to 1, over 2 s to 2; a stay of 20 s, a calm of 30 s, all back at once; quality floor 0.8."""
    body = preset("real-time-chat").model_dump(mode="json")
    latency = {"metric": "p95_latency_ms", "window_s": 20, "minimum_sample": 5}
    body["guards"] = [
        {**latency, "name": "p95", "enter": 1000, "leave": 800, "raises_to": 1},
        {**latency, "name": "p95-high", "enter": 2000, "leave": 1600, "raises_to": 2},
        {"name": "floor", "metric": "quality", "enter": 0.8, "leave": 0.85, "window_s": 60, "minimum_sample": 5},
    ]
    body["cost"]["stop_loss"] = []
    for level in body["ladder"]:
        level |= {"min_stay_s": 20, "recover_after_s": 30, "probe": {"shares": []}}
    return body | changes


def register(name, **changes):
    with db.transaction() as session:
        id_ = db.named_ids(session, Scenario, [name])[name]
        revise(session, id_, 1, START, **changes)
        return id_


def revise(session, scenario_id, number, now, **changes):
    """A revision governs from `now` on."""
    body = parse(short_card(**changes)).model_dump(mode="json")
    revision = CardRevision(
        scenario_id=scenario_id, number=number, status="active", body=body, author="test", created_at=now
    )
    session.execute(update(CardRevision).where(CardRevision.scenario_id == scenario_id).values(status="retired"))
    session.add(revision)
    session.flush()
    session.add(
        Activation(
            scenario_id=scenario_id, revision_id=revision.id, number=number, active_from=now, actor="t", reason="t"
        )
    )


def traffic(now, *, seconds, count=10, **more):
    """`count` requests that ended at `now` after `seconds` each."""
    ingest(*(call(now, seconds=seconds, **more) for _ in range(count)), now=now)


def only(session, model):
    return session.scalars(select(model)).one()
