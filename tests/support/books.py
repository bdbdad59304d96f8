"""A small invented company, whose every figure is worked out by hand in tests/ledger/test_worked_example.py."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.support.calls import call, ingest

from trivet import db
from trivet.fleet import service as fleet
from trivet.ledger import service as ledger
from trivet.pricing import service as pricing
from trivet.pricing.rate import canonical
from trivet.rollup import tasks as rollup
from trivet.tenant import service as tenant

DAY = datetime(2026, 11, 20, tzinfo=UTC)
SEVEN = DAY + timedelta(hours=7)
EIGHT = DAY + timedelta(hours=8)
NINE = DAY + timedelta(hours=9)
GRACE_S = 60


def clock(text):
    """`clock("07:20")` on that day."""
    hours, minutes = text.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes))


def price(provider, model, pool="", **per_million):
    with db.transaction() as session:
        pricing.add_price(
            session, provider=provider, model=model, pool=pool, effective_from=DAY - timedelta(days=30),
            currency="USD", rates=canonical(per_million), actor="finance",
        )  # fmt: skip


def price_from(provider, model, start, **per_million):
    """Another price from an instant on."""
    with db.transaction() as session:
        pricing.add_price(
            session, provider=provider, model=model, pool="", effective_from=start, currency="USD",
            rates=canonical(per_million), actor="finance",
        )  # fmt: skip


def tenants(**cost_centres):
    with db.transaction() as session:
        for name, cost_centre in cost_centres.items():
            tenant.register(
                session, name=name, cost_centre=cost_centre, effective_from=DAY - timedelta(days=30),
                actor="finance", now=DAY,
            )  # fmt: skip


def pool(name="h100", gpus=2, per_hour="3", start=SEVEN, currency="USD"):
    with db.transaction() as session:
        fleet.add_pool_term(
            session, name=name, gpu_type="H100", gpus=gpus, price_per_gpu_hour=Decimal(per_hour), currency=currency,
            purchase="on_demand", effective_from=start, actor="finance", now=DAY + timedelta(days=1),
        )  # fmt: skip


def on_pool(who, start, end, **tokens):
    """A request of the pool's model that ran from `start` to `end`."""
    seconds = (clock(end) - clock(start)).total_seconds()
    return call(
        clock(end), seconds=seconds, tenant=who, provider="house", model="small", pool="h100", **tokens
    )  # fmt: skip


def metered(who, at, **tokens):
    """A request to the hosted model."""
    return call(clock(at), tenant=who, provider="openai", model="gpt-4o", **tokens)


def company():
    """Prices, two mapped tenants (crow is not), a pool of 2 GPUs at 3 USD an hour from seven o'clock on."""
    price("openai", "gpt-4o", input="2.50", output="10")
    price("house", "small", "h100", input="1", output="4", cache_read="0.1")
    tenants(acme="CC-7", bolt="CC-9")
    pool()


def a_morning():
    """What the three tenants did between seven and eight."""
    million = 1_000_000
    ingest(
        metered("acme", "07:05", input_tokens=million, output_tokens=100_000),
        metered("bolt", "07:10", input_tokens=400_000),
        metered("crow", "07:59", input_tokens=200_000, output_tokens=50_000),
        on_pool("acme", "07:10", "07:20", input_tokens=3 * million),
        on_pool("bolt", "07:15", "07:30", input_tokens=million, output_tokens=500_000),
        on_pool("crow", "07:25", "07:30", cache_read_tokens=million, output_tokens=750_000),
    )
    rollup.fold()


def a_late_request():
    """Ran before eight, came in after eight had been posted."""
    ingest(on_pool("bolt", "07:40", "07:50", input_tokens=1_000_000))
    rollup.fold()


def post(now=EIGHT + timedelta(minutes=2), **bounds):
    """Post what is due at `now`; how many hours."""
    with db.transaction() as session:
        return ledger.post_due(session, now, GRACE_S, **bounds)
