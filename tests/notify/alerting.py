"""Channels, routes, breaches and time, for tests of alerts."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from trivet import db
from trivet.guard.models import Breach
from trivet.kit.clock import utc_now
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alert import keep as rules
from trivet.notify.alert.keep import RouteTerms
from trivet.notify.channel import keep
from trivet.notify.channel.address import Given
from trivet.settings import get_settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def channel(name, kind="webhook", **given):
    with db.transaction() as session:
        made = keep.create(
            session, name=name, kind=kind, given=Given(**given), settings=get_settings(), actor="ann", now=utc_now()
        )
        return made.secret


def route(name, *channels, matchers=(), steps=(), group_by=("scenario",), wait_s=0.0, interval_s=300.0, repeat_s=14_400.0,
          goes_on=False, position=100):  # fmt: skip
    terms = RouteTerms(matchers, channels, group_by, wait_s, interval_s, repeat_s, steps, goes_on, position)
    with db.transaction() as session:
        return rules.put_route(session, name, terms, actor="ann", now=utc_now()).id


def breach(scenario_id, guard="p95", **changes):
    """An open breach; its id."""
    values = {
        "scenario_id": scenario_id, "guard": guard, "revision": 1, "value": 2100.0, "worst_value": 2100.0,
        "threshold": 1000.0, "sample": 40, "reason": "P95 latency 2.1 s over 1 s", "opened_at": utc_now(),
    }  # fmt: skip
    with db.transaction() as session:
        row = Breach(**values | changes)
        session.add(row)
        session.flush()
        return row.id


def close(breach_id, reason="P95 latency 0.7 s, back within 0.8 s"):
    with db.transaction() as session:
        values = {"closed_at": utc_now(), "closed_reason": reason}
        session.execute(update(Breach).where(Breach.id == breach_id).values(values))


def fire(severity="page", why="P95 latency 2.1 s over 1 s", **labels):
    given = {"alertname": "TrivetGuard", "kind": "guard", "scenario": "chat", "guard": "p95"} | labels
    with db.transaction() as session:
        return alerts.fire(session, alerts.Alert(given, severity, why), utc_now())


def every(model):
    with db.transaction() as session:
        return list(session.scalars(select(model).order_by(*model.__mapper__.primary_key)))


def notices():
    """Decisions and their reasons, by route's name, in the alerts' order."""
    with db.transaction() as session:
        query = select(rows.Route.name, rows.Notice.decision, rows.Notice.reason)
        query = query.join(rows.Notice, rows.Notice.route_id == rows.Route.id).order_by(
            rows.Notice.alert_id, rows.Route.id
        )
        return [tuple(row) for row in session.execute(query)]


def turn_back(model, *columns, seconds):
    """As if what the columns say had been so much earlier."""
    with db.transaction() as session:
        values = {name: getattr(model, name) - timedelta(seconds=seconds) for name in columns}
        session.execute(update(model).values(values))


def due(model=rows.Delivery):
    """Whatever waits is due."""
    with db.transaction() as session:
        session.execute(update(model).values(next_try_at=utc_now() - timedelta(seconds=1)))


def when(text) -> datetime:
    return datetime.fromisoformat(text)
