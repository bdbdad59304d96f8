"""Trivet watching itself: liveness, readiness, canary tasks, Prometheus counters."""

from datetime import datetime
from typing import Any

from celery import shared_task
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from kombu.connection import Connection as BrokerConnection
from prometheus_client import CONTENT_TYPE_LATEST, Gauge
from sqlalchemy import Text, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from trivet import db
from trivet.exposition import exposition
from trivet.guard import service as guards
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.outbox import Outbox
from trivet.settings import get_settings

CANARY_LATE_S = 60.0
BROKER_TIMEOUT_S = 1.0
SCHEDULE = {"selfwatch.canary_control": (10.0, "control"), "selfwatch.canary_work": (10.0, "work")}

_waiting = Gauge(
    "trivet_outbox_waiting", "Hand-offs that the broker has not taken yet.", multiprocess_mode="mostrecent"
)
_canary_age = Gauge(
    "trivet_canary_age_seconds",
    "Time since a task of this queue last came back.",
    ["queue"],
    multiprocess_mode="mostrecent",
)


class Canary(db.Base):
    """When a task of a queue last came back. A worker can answer pings and consume nothing; this cannot lie."""

    __tablename__ = "canary"

    queue: Mapped[str] = mapped_column(Text, primary_key=True)
    returned_at: Mapped[datetime]


def _sing(queue: str) -> None:
    now = utc_now()
    with db.transaction() as session:
        row = insert(Canary).values(queue=queue, returned_at=now)
        session.execute(row.on_conflict_do_update(index_elements=["queue"], set_={"returned_at": now}))


@shared_task(name="selfwatch.canary_control")
def canary_control() -> None:
    _sing("control")


@shared_task(name="selfwatch.canary_work")
def canary_work() -> None:
    _sing("work")


root_router = APIRouter(tags=["self"])


@root_router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@root_router.get("/readyz")
def readyz() -> JSONResponse:
    """503 only when the database is away or no canary task has ever come back; the broker's state is in the body."""
    try:
        with db.transaction() as session:
            seen = dict(session.execute(select(Canary.queue, Canary.returned_at)).all())
            waiting = session.scalar(select(func.count()).select_from(Outbox))
            judged_at = guards.last_evaluated(session)
    except SQLAlchemyError:
        return JSONResponse({"status": "away", "database": "away"}, 503, {"Retry-After": "2"})
    body = {
        "status": "ok" if seen else "waiting",
        "database": "ok",
        "broker": broker_state(),
        "outbox_waiting": waiting,
        "queues": _queues(seen),
        "guards_judged_at": when(judged_at),
    }
    return JSONResponse(body, 200 if seen else 503)


def broker_state() -> str:
    """`ok`, `away` or `not set`: asked by opening a connection, which ends at once."""
    url = get_settings().broker_url
    if not url:
        return "not set"
    try:
        with BrokerConnection(url, connect_timeout=BROKER_TIMEOUT_S) as connection:  # type: ignore[no-untyped-call]  # kombu has no types
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
    except Exception:  # each transport has its own errors; any of them means that it is away
        return "away"
    return "ok"


def _queues(seen: dict[str, datetime]) -> dict[str, Any]:
    now = utc_now()
    ages = {queue: (now - at).total_seconds() for queue, at in seen.items()}
    return {
        queue: {"canary": rfc3339(seen[queue]), "state": "ok" if age < CANARY_LATE_S else "late"}
        for queue, age in ages.items()
    }


@root_router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """Prometheus exposition of the API's processes and of what the database says about the queues."""
    try:
        with db.transaction() as session:
            _waiting.set(session.scalar(select(func.count()).select_from(Outbox)) or 0)
            for queue, at in session.execute(select(Canary.queue, Canary.returned_at)):
                _canary_age.labels(queue).set((utc_now() - at).total_seconds())
    except SQLAlchemyError:
        pass  # the process's own counters are worth having when the database is away
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
