"""A day of requests that is old enough to go, and what became of it."""

from datetime import date, timedelta

import duckdb
from sqlalchemy import select, text
from tests.support.books import DAY, EIGHT, SEVEN, a_morning, company, post

from trivet import db
from trivet.archive import service
from trivet.archive.models import ArchivedDay
from trivet.ingest.store import partitions
from trivet.kit.interval import Interval
from trivet.rollup.read import usage
from trivet.settings import Settings
from trivet.tenant.models import Tenant

NOVEMBER_20 = date(2026, 11, 20)
LATER = DAY + timedelta(days=100)
WHOLE_DAY = Interval(DAY, DAY + timedelta(days=1))
MORNING = Interval(SEVEN, EIGHT)


def settings(tmp_path=None, **given):
    url = {"archive_url": str(tmp_path / "archive")} if tmp_path else {}
    return Settings(**url, **given)


def a_settled_day():
    company()
    a_morning()
    post()


def retain(given, now=LATER):
    return [(step.table.name, step.day) for step in service.retain(now, given)]


def recorded(table="request"):
    with db.transaction() as session:
        return session.get(ArchivedDay, (table, NOVEMBER_20))


def stands(table="request"):
    with db.transaction() as session:
        return partitions.state(session, table, NOVEMBER_20)


def waits(given, now=LATER):
    """Why days stay, by table."""
    with db.transaction() as session:
        steps = service.plan(session, now, given, 1_000)
        return {step.table.name: step.waits for step in steps if step.day == NOVEMBER_20}


def requests_there():
    with db.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM request"))


def read(tmp_path, query="SELECT count(*), sum(cost_picos)"):
    """What DuckDB reads of the requests."""
    files = f"{tmp_path}/archive/request/*/*.parquet"
    return duckdb.sql(f"{query} FROM read_parquet('{files}', hive_partitioning = true)").fetchall()


def costs_by_tenant():
    with db.transaction() as session:
        names = dict(session.execute(select(Tenant.id, Tenant.name)).all())
        found = usage(session, WHOLE_DAY, ["tenant_id", "currency"], grain_s=3600)
    return {(names[tenant], currency): each.cost for (tenant, currency), each in found.items()}
