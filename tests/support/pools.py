"""The pool h100 of `books`, what engines and cards say of it between seven and eight, and how that hour was split."""

from datetime import timedelta

from sqlalchemy import func, insert, select
from tests.support import books
from tests.support.signal_rows import signal

from trivet import db
from trivet.fleet import service as fleet
from trivet.fleet.models import Gpu, GpuDelta, Pool, SignalSample, SignalSeries
from trivet.fleet.terms import Told
from trivet.ledger.models import Entry, Posting
from trivet.ledger.pool_models import PoolHourSplit
from trivet_collectors import semconv as sc


def pool_id(name="h100"):
    with db.transaction() as session:
        return db.named_ids(session, Pool, [name])[name]


def term(*, gpus=2, per_hour=None, purchase="owned", start=books.SEVEN, name="h100", **told):
    with db.transaction() as session:
        fleet.add_pool_term(
            session, name=name, gpu_type="H100", gpus=gpus, price_per_gpu_hour=per_hour, currency="USD",
            purchase=purchase, effective_from=start, actor="finance", now=books.NINE, told=Told(**told),
        )  # fmt: skip


def prices():
    books.price("openai", "gpt-4o", input="2.50", output="10")
    books.price("house", "small", "h100", input="1", output="4", cache_read="0.1")


def engine(metric, first, last, value):
    """An engine's word every ten seconds from one minute of the hour to another."""
    signal(books.SEVEN + timedelta(minutes=first), metric, value, pool_id=pool_id())
    with db.transaction() as session:
        series = session.scalar(select(SignalSeries.id).where(SignalSeries.metric == metric.name))
        said = {"series_id": series, "samples": 1, "total": value, "least": value, "most": value, "histogram": b""}
        more = range(first * 60 + 10, last * 60, 10)
        session.execute(
            insert(SignalSample), [said | {"sampled_at": books.SEVEN + timedelta(seconds=second)} for second in more]
        )


def cards(*joules, parent=""):
    """Cards of the pool, each with what it used between seven and eight."""
    with db.transaction() as session:
        pool = db.named_ids(session, Pool, ["h100"])["h100"]
        for n, used in enumerate(joules):
            row = Gpu(uuid=f"GPU-{parent}{n}", pool_id=pool, parent=parent)
            session.add(row)
            session.flush()
            session.add(
                GpuDelta(
                    bucket=books.clock("07:30"),
                    gpu_id=row.id,
                    metric=sc.HW_ENERGY.name,
                    samples=1,
                    total=used,
                    least=used,
                    most=used,
                )
            )


def split():
    with db.transaction() as session:
        row = session.scalars(select(PoolHourSplit).where(PoolHourSplit.hour == books.SEVEN)).one()
        session.expunge(row)
        return row


def parts(row):
    return {name: getattr(row, name) for name in ("used", "headroom", "idle", "down")}


def balances():
    """{line: amount} of all that is posted."""
    with db.transaction() as session:
        names = ("account", "cost_centre_id", "tenant_id", "scenario_id", "model_id", "pool_id", "currency", "purchase")
        by = [Posting.hour, *(getattr(Entry, name) for name in names)]
        rows = session.execute(select(*by, func.sum(Entry.amount)).join(Posting).group_by(*by)).all()
        return {tuple(row[:-1]): row[-1] for row in rows if row[-1]}
