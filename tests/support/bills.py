"""A bill of three days, worked out by hand in tests/bill/test_worked_example.py, and what was measured on them."""

import csv
import io
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from tests.support.books import price, tenants
from tests.support.calls import call, ingest

from trivet import db
from trivet.bill import posting, service
from trivet.bill.intake import Asked
from trivet.bill.models import Bill
from trivet.bill.read.table import Limits
from trivet.kit.clock import floor
from trivet.ledger import service as ledger
from trivet.ledger.models import Entry, PostedHour, Posting
from trivet.rollup import tasks as rollup

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
LIMITS = Limits(1 << 24, 100_000)
MILLION = 1_000_000
FOCUS = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory",
    "ChargeClass", "ChargePeriodStart", "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit", "InvoiceId", "ProviderName",
    "PricingCategory", "ServiceName", "SkuId", "SkuMeter", "x_Model",
)  # fmt: skip


def noon(day):
    return datetime(2026, 11, day, 12, tzinfo=UTC)


def used(who, day, model="gpt-4o", **tokens):
    """A call to one of OpenAI's models at noon."""
    return call(noon(day), tenant=who, provider="openai", model=model, **tokens)


def a_company():
    """Two tenants with cost centres, two models with prices, one without."""
    price("openai", "gpt-4o", input="2.50", output="10", cache_read="1.25")
    price("openai", "gpt-4o-mini", input="0.15", output="0.60")
    tenants(acme="CC-7", bolt="CC-9")


def three_days():
    """What the two tenants used on 17, 18 and 19 November."""
    ingest(
        used("acme", 17, input_tokens=MILLION, output_tokens=100_000),  # 3.50
        used("bolt", 17, "gpt-4o-mini", input_tokens=2 * MILLION, output_tokens=MILLION),  # 0.90
        used("acme", 18, input_tokens=400_000),  # 1.00
        used("bolt", 18, input_tokens=600_000),  # 1.50
        used("acme", 19, input_tokens=600_000),  # 1.50
        used("bolt", 19, input_tokens=400_000),  # 1.00
        used("acme", 19, "house-secret-1", input_tokens=100_000),  # no price
    )
    settle()


def settle(now=NOW):
    """Fold, and post the hours that changed, as if all others had been posted."""
    rollup.fold()
    with db.transaction() as session:
        session.execute(upsert(PostedHour).values(id=1, posted_until=floor(now, 3600)).on_conflict_do_nothing())
        ledger.post_due(session, now, 60)


def row(day, amount, model="", meter="", tokens="", **other):
    """A FOCUS row of one day in November."""
    start = datetime(2026, 11, day, tzinfo=UTC)
    found = dict.fromkeys(FOCUS, "") | {
        "BilledCost": amount, "EffectiveCost": amount, "BillingCurrency": "USD", "ChargeCategory": "Usage",
        "BillingPeriodStart": "2026-11-01T00:00:00Z", "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "ChargePeriodStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodEnd": f"{start + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}", "ConsumedQuantity": str(tokens),
        "ConsumedUnit": "Tokens" if tokens else "", "InvoiceId": "INV-11", "ProviderName": "OpenAI",
        "ServiceName": "OpenAI API", "SkuMeter": meter, "x_Model": model,
    }  # fmt: skip
    return found | other


def the_bill():
    """8.59 USD; see the worked example."""
    return [
        row(17, "2.50", "gpt-4o-2024-08-06", "Input Tokens", MILLION),
        row(17, "1.00", "gpt-4o-2024-08-06", "Output Tokens", 100_000),
        row(17, "0.50", "gpt-4o-2024-08-06", "Cache Write Input Tokens", 200_000),
        row(17, "0.40", "gpt-4o-mini", "Input Tokens", 2 * MILLION),
        row(17, "0.54", "gpt-4o-mini", "Output Tokens", 900_000),
        row(18, "2.50", "gpt-4o-2024-08-06", "Input Tokens", MILLION),
        row(18, "0.06", "gpt-4o-mini", "Output Tokens", 100_000),
        row(19, "0.70", "house-secret-1", "Input Tokens", 100_000),
        row(19, "0.25", "gpt-4o-2024-08-06", "Web Searches"),
        row(19, "0.33", "mystery", "Input Tokens", 1_000),
        row(19, "0.81", ChargeCategory="Tax"),
        row(19, "-1.00", ChargeCategory="Credit"),
    ]


def as_csv(rows, separator=","):
    """Rows as the bytes of a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def bring_in(data, *, file_name="bill.csv", now=NOW, limits=LIMITS, usage=None, progress=None, **given):
    """Import some bytes; the bills they made."""
    asked = {key: given.pop(key) for key in list(given) if key in Asked.__dataclass_fields__}
    wanted = service.Wanted(
        file=io.BytesIO(data), file_name=file_name, asked=Asked(**asked),
        usage=None if usage is None else io.BytesIO(usage), **given,
    )  # fmt: skip
    with db.transaction() as session:
        return service.do_import(session, wanted, limits=limits, actor="finance", now=now, progress=progress).bills


def post(bill, spread="apart", now=NOW):
    with db.transaction() as session:
        return posting.post(session, bill.id, spread=spread, actor="finance", now=now)


def fresh(bill):
    with db.transaction() as session:
        return session.get(Bill, bill.id)


def entries(**where):
    """(account, tenant id, model id, currency, amount) of the entries of a kind of posting, summed by these."""
    with db.transaction() as session:
        by = (Entry.account, Entry.cost_centre_id, Entry.tenant_id, Entry.model_id, Entry.currency)
        query = select(*by, func.sum(Entry.amount)).join(Posting, Posting.id == Entry.posting_id).group_by(*by)
        for name, value in where.items():
            query = query.where(getattr(Posting, name) == value)
        return {tuple(found[:-1]): found[-1] for found in session.execute(query) if found[-1]}
