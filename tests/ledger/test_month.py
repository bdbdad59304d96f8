"""A month of an invented company, every figure worked out by hand: October 2026, whose calls lie on its last two days.

Tenants: acme on CC-7, bolt and crow on CC-9. Hosted model gpt-4o: 2.50 in and 10 out a million, from the 31st 2.00 and 8.
Own model small on pool h100: standard rate 1 in and 4 out; work units 1 in, 4 out; 2 GPUs at 3.00, 6.00 an hour, on the 30th
from 07:00 to 09:00 and on the 31st from 07:00 to 08:00.

30 October, 07:00 to 08:00
    gpt-4o   acme  1,000,000 in  200,000 out   2.50 + 2.00 = 4.50
             bolt    600,000 in                              1.50
    small    acme  07:00-07:30  2,000,000 in   standard 2.00   work 2,000,000
             crow  07:15-07:45  500,000 out    standard 2.00   work 2,000,000
        Busy 45 of 60 minutes: used 4.50, idle 1.50. Halves of 4.50: 2.25 each, so variance +0.25 and +0.25.
    and one that comes late, when this hour is posted already:
             bolt  07:40-07:55  1,000,000 in   standard 1.00   work 1,000,000
        Busy 55 of 60 minutes: used 5.50, idle 0.50. Work 2 : 1 : 2, shares 2.20, 1.10, 2.20; variance +0.20, +0.10, +0.20.
30 October, 08:00 to 09:00: nobody. Idle 6.00.
31 October, 07:00 to 08:00
    gpt-4o   acme  1,000,000 in  200,000 out   2.00 + 1.60 = 3.60      the new price
             crow               400,000 out                  3.20
    small    bolt  07:00-07:20  3,000,000 in   standard 3.00   busy 20 of 60 minutes: used 2.00, idle 4.00, variance -1.00

October                 metered   standard on the pool   variance   allocation   usage
    acme    CC-7           8.10                   2.00       0.20        10.30   10.10
    bolt    CC-9           1.50           1.00 +  3.00      -0.90         4.60    5.50
    crow    CC-9           3.20                   2.00       0.20         5.40    5.20
    idle                                                                 10.50
    supply: metered 12.80 + capacity 18.00 = 30.80                       30.80

October is closed on 1 November by two people. Then
    a correction: crow is of CC-3 from the 31st on, so 3.20 goes from CC-9 to CC-3;
    a call that comes still later, bolt, 31 October 07:30, gpt-4o 500,000 in at 2.00: 1.00.
Both are booked in November and name October. As of its close October stays 30.80; as it stands now it is 31.80.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text
from tests.support.calls import call, ingest
from tests.support.seeded import seeded

from trivet import db
from trivet.fleet import service as fleet
from trivet.kit.interval import Interval
from trivet.ledger import period_close, tasks
from trivet.ledger import service as ledger
from trivet.ledger.models import Posting
from trivet.pricing import service as pricing
from trivet.pricing.rate import canonical
from trivet.report.costs import costs
from trivet.rollup import tasks as rollup
from trivet.rollup.models import ROLLUPS
from trivet.tenant import service as tenant
from trivet.tenant.models import Tenant

pytestmark = pytest.mark.usefixtures("database")
FIRST, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER = Interval(FIRST, END)
AFTER = END + timedelta(hours=2)
GRACE_S = 60
LINE = ("account", "cost_centre_id", "tenant_id", "scenario_id", "model_id", "pool_id", "purchase", "currency")


def at(day, clock):
    hours, minutes = clock.split(":")
    return datetime(2026, 10, day, int(hours), int(minutes), tzinfo=UTC)


def price(provider, model, pool="", start=FIRST, **per_million):
    with db.transaction() as session:
        pricing.add_price(
            session, provider=provider, model=model, pool=pool, effective_from=start, currency="USD",
            rates=canonical(per_million), actor="finance",
        )  # fmt: skip


def charged(name, cost_centre, start=FIRST):
    with db.transaction() as session:
        tenant.register(
            session, name=name, cost_centre=cost_centre, effective_from=start, actor="finance", now=AFTER
        )  # fmt: skip


def pool(gpus, start):
    with db.transaction() as session:
        fleet.add_pool_term(
            session, name="h100", gpu_type="H100", gpus=gpus, price_per_gpu_hour=Decimal(3), currency="USD",
            purchase="on_demand", effective_from=start, actor="finance", now=AFTER,
        )  # fmt: skip


def hosted(who, when, **tokens):
    return call(when, tenant=who, provider="openai", model="gpt-4o", **tokens)


def own(who, start, end, **tokens):
    seconds = (end - start).total_seconds()
    return call(end, seconds=seconds, tenant=who, provider="house", model="small", pool="h100", **tokens)


def company():
    price("openai", "gpt-4o", input="2.50", output="10")
    price("openai", "gpt-4o", start=at(31, "00:00"), input="2.00", output="8")
    price("house", "small", "h100", input="1", output="4")
    for name, cost_centre in (("acme", "CC-7"), ("bolt", "CC-9"), ("crow", "CC-9")):
        charged(name, cost_centre)
    for gpus, start in ((2, at(30, "07:00")), (0, at(30, "09:00")), (2, at(31, "07:00")), (0, at(31, "08:00"))):
        pool(gpus, start)


def in_time():
    return [
        hosted("acme", at(30, "07:05"), input_tokens=1_000_000, output_tokens=200_000),
        hosted("bolt", at(30, "07:10"), input_tokens=600_000),
        own("acme", at(30, "07:00"), at(30, "07:30"), input_tokens=2_000_000),
        own("crow", at(30, "07:15"), at(30, "07:45"), output_tokens=500_000),
        hosted("acme", at(31, "07:05"), input_tokens=1_000_000, output_tokens=200_000),
        hosted("crow", at(31, "07:50"), output_tokens=400_000),
        own("bolt", at(31, "07:00"), at(31, "07:20"), input_tokens=3_000_000),
    ]


def late():
    return own("bolt", at(30, "07:40"), at(30, "07:55"), input_tokens=1_000_000)


def later_still():
    return hosted("bolt", at(31, "07:30"), input_tokens=500_000)


def take(*calls):
    ingest(*calls)
    rollup.fold()


def post(now=AFTER):
    """All that is due."""
    done = 1
    while done:
        with db.transaction() as session:
            done = ledger.post_due(session, now, GRACE_S)


def close():
    for step, who in ((period_close.request, "ann@example.com"), (period_close.close, "bob@example.com")):
        reason = {"reason": "All calls are in."} if step is period_close.request else {}
        with db.transaction() as session:
            step(session, month="2026-10", actor=who, now=AFTER, grace_s=GRACE_S, **reason)


def october(group_by, basis="allocation", as_of=None):
    """({key: amount}, what is apart, total) of October."""
    with db.transaction() as session:
        found = costs(session, OCTOBER, [group_by], {}, basis=basis, as_of=as_of)
    apart = sum((row.amount for row in found.apart), Decimal(0))
    rows = {row.key[0]: row.amount for row in found.rows if row.key[0] not in {"none", None}}
    return {key: amount for key, amount in rows.items() if amount}, apart, found.totals["USD"].total


def standing():
    """{(hour, line): amount} of all that is posted."""
    lines = ", ".join(LINE)
    with db.transaction() as session:
        rows = session.execute(
            text(
                f"SELECT hour, {lines}, sum(amount) FROM entry JOIN posting ON posting.id = posting_id "  # columns
                f"GROUP BY hour, {lines} HAVING sum(amount) <> 0"
            )
        )
        return {tuple(row[:-1]): row[-1] for row in rows}


def worked():
    """October with its late call, all posted."""
    company()
    take(*in_time())
    post()
    take(late())
    post()


def forget(*tables):
    """Empty tables past the rules that protect them."""
    with db.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for table in tables:
            session.execute(text(f"DELETE FROM {table}"))


def test_every_tenant_cost_centre_model_and_purchase_has_its_figure_and_idle_is_apart():
    company()
    take(*in_time())
    post()
    # before the late call: acme 8.10 + 2.25, bolt 1.50 + 2.00, crow 3.20 + 2.25; idle 1.50 + 6.00 + 4.00
    assert october("tenant") == (
        {"acme": Decimal("10.35"), "bolt": Decimal("3.50"), "crow": Decimal("5.45")},
        Decimal("11.50"),
        Decimal("30.80"),
    )
    take(late())
    post()
    idle, whole = Decimal("10.50"), Decimal("30.80")
    assert october("tenant") == (
        {"acme": Decimal("10.30"), "bolt": Decimal("4.60"), "crow": Decimal("5.40")},
        idle,
        whole,
    )
    assert october("cost_centre") == ({"CC-7": Decimal("10.30"), "CC-9": Decimal("10.00")}, idle, whole)
    # small: used 5.50 + 2.00
    assert october("model") == ({"gpt-4o": Decimal("12.80"), "small": Decimal("7.50")}, idle, whole)
    assert october("purchase") == ({"metered": Decimal("12.80"), "on_demand": Decimal("7.50")}, idle, whole)
    assert october("tenant", basis="usage") == (
        {"acme": Decimal("10.10"), "bolt": Decimal("5.50"), "crow": Decimal("5.20")},
        Decimal(0),
        Decimal("20.80"),
    )


def test_what_comes_after_its_close_is_booked_in_november_and_changes_nothing_as_of_the_close():
    worked()
    close()
    charged("crow", "CC-3", at(31, "00:00"))
    with db.transaction() as session:
        crow = session.scalar(select(Tenant.id).where(Tenant.name == "crow"))
    assert tasks.tenant_changed(crow, "2026-10-31T00:00:00Z") == 1
    take(later_still())
    post()
    with db.transaction() as session:
        found = session.execute(
            select(Posting.hour, Posting.kind, Posting.period, Posting.adjusts).where(Posting.period > "2026-10")
        ).all()
    assert [tuple(row) for row in found] == [(at(31, "07:00"), "metered", "2026-11", "2026-10")]
    idle = Decimal("10.50")
    then = {"CC-7": Decimal("10.30"), "CC-9": Decimal("10.00")}
    assert october("cost_centre", as_of="2026-10") == (then, idle, Decimal("30.80"))
    # CC-9: 10.00 - 3.20 + 1.00
    now = {"CC-3": Decimal("3.20"), "CC-7": Decimal("10.30"), "CC-9": Decimal("7.80")}
    assert october("cost_centre") == (now, idle, Decimal("31.80"))


def test_rebuilt_from_the_rows_and_from_the_calls_in_any_order_it_is_the_same_to_the_pico():
    worked()
    before = standing()
    derived = ("entry", "posting", "balance_day", "balance_centre", "balance_period", "pool_hour_split", "posted_hour")
    forget(*derived)
    with db.transaction() as session:
        for day, clock in ((31, "07:00"), (30, "08:00"), (30, "07:00")):
            ledger.post_hour(session, at(day, clock))
    assert standing() == before
    forget(*derived, "request", "usage_delta", "hour_due", *(table.__tablename__ for table in ROLLUPS.values()))
    rng, kept = seeded(), [*in_time(), late()]
    for each in rng.sample(kept, len(kept)):
        take(each)
        if rng.random() < 0.4:
            post()
    post()
    assert standing() == before
