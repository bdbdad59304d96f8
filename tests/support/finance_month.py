"""A generated month that finance's pages are held against: October 2026, anew for each printed seed.

Nine tenants on five cost centres (two of them under one, two tenants on none), two currencies, three models of two providers,
a pool in each currency for some hours, shared costs, a cost centre's own, a bill's variance, a correction of September that is
booked in October, and names that would run in a page or a spreadsheet. `Month.total` is what supply cost, by currency, added
up from nothing but the entries of supply: what every page, answer and file has to come to.

`a_month()` makes it once a process and puts the same rows back each time after; with another seed it makes another.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from tests.support.calls import call, ingest
from tests.support.seeded import seeded

from trivet import db
from trivet.fleet import service as fleet
from trivet.ingest.store import partitions
from trivet.ledger import book
from trivet.ledger import service as ledger
from trivet.ledger.book import Source
from trivet.ledger.models import SUPPLY, Entry, HourDue, Period, PostedHour, Posting
from trivet.ledger.posting import Line
from trivet.pricing import service as pricing
from trivet.pricing.models import Model
from trivet.pricing.rate import canonical
from trivet.rollup import tasks as rollup
from trivet.tenant import centres
from trivet.tenant import service as tenants
from trivet.tenant.models import CostCentre, Scenario, Tenant

MONTH = "2026-10"
START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
SEPTEMBER = datetime(2026, 9, 30, 21, tzinfo=UTC)
NOW = END + timedelta(minutes=2)
HOUR = timedelta(hours=1)
NASTY = '"><img src=x onerror=alert(1)>'
RUNS = '=HYPERLINK("http://x")'
# Tenants, and the cost centre each is on; "" is none.
MAPPED = {
    "acme": "CC-7", "bolt": "CC-9", "crow": "", "dune": "CC-7", "elm": "CC-71", "fir": "CC-72", NASTY: "CC-9", RUNS: "",
    "租户": "研发中心",
}  # fmt: skip
MODELS = (("openai", "gpt-4o", "USD"), ("openai", "gpt-4o-mini", "USD"), ("mistral", "large", "EUR"))
POOLS = {"h100": ("USD", "3.10", "on_demand"), "l40": ("EUR", "0.87", "spot")}
SCENARIOS = ("chat", "rag", "batch", "{{7*7}}")
CALLS, POOL_CALLS, POOL_HOURS, HOURS_USED = 120, 40, 2, 10
# Rows of people are each test's own.
_NOT_KEPT = ("audit", "outbox", "user_account", "web_session", "api_key")


@dataclass(frozen=True, slots=True)
class Month:
    """What the month must come to: supply by currency, of its hours and as it is booked in it."""

    total: dict[str, Decimal]
    booked: dict[str, Decimal]


_made: dict[str, tuple[Month, "Kept"]] = {}


def a_month(seed: str = "") -> Month:
    """The month in the database of this test. Empty: a seed of chance, the same one in the whole process."""
    if seed not in _made:
        chance = random.Random(seed) if seed else seeded()
        _made[seed] = _generate(chance), _rows()
    else:
        _put_back(_made[seed][1])
    return _made[seed][0]


def _generate(chance: random.Random) -> Month:
    _book(chance)
    _usage(chance)
    _shared(chance)
    with db.transaction() as session:
        hour = (Posting.hour >= START, Posting.hour < END)
        return Month(_supply(session, *hour), _supply(session, Posting.period == MONTH))


def _book(chance: random.Random) -> None:
    """Prices, tenants and their cost centres, pools that ran for some hours."""
    begin = START - timedelta(days=31)
    with db.transaction() as session:
        for provider, model, currency in MODELS:
            for at in (begin, START + timedelta(days=chance.randrange(5, 25))):
                rates = canonical({kind: _amount(chance, 12) for kind in ("input", "output", "cache_read")})
                pricing.add_price(
                    session, provider=provider, model=model, pool="", effective_from=at, currency=currency, rates=rates,
                    actor="finance",
                )  # fmt: skip
        for pool, (currency, _, _) in POOLS.items():
            pricing.add_price(
                session, provider="house", model="small", pool=pool, effective_from=begin, currency=currency,
                rates=canonical({"input": "1", "output": _amount(chance, 8)}), actor="finance",
            )  # fmt: skip
        for name, centre in MAPPED.items():
            tenants.register(
                session, name=name, cost_centre=centre or None, effective_from=begin, actor="finance", now=begin
            )
        for child in ("CC-71", "CC-72"):
            centres.move(session, name=child, parent="CC-7", effective_from=begin, actor="finance", now=begin)
        for name, (currency, per_hour, purchase) in POOLS.items():
            for gpus, at in ((2, _pool_start(name)), (0, _pool_start(name) + POOL_HOURS * HOUR)):
                fleet.add_pool_term(
                    session, name=name, gpu_type="H100", gpus=gpus, price_per_gpu_hour=Decimal(per_hour), currency=currency,
                    purchase=purchase, effective_from=at, actor="finance", now=END,
                )  # fmt: skip


def _pool_start(name: str) -> datetime:
    return START + timedelta(days=9 + 7 * list(POOLS).index(name), hours=7)


def _usage(chance: random.Random) -> None:
    """Calls of some hours, through the same door as any, and the hours of pools; then all of it is posted."""
    hours = [START + HOUR * n for n in sorted(chance.sample(range(31 * 24), HOURS_USED))]
    facts = [_metered(chance, chance.choice(hours)) for _ in range(CALLS)]
    facts += [_on_pool(chance, chance.choice(list(POOLS))) for _ in range(POOL_CALLS)]
    ingest(*facts, now=END)
    rollup.fold()
    with db.transaction() as session:
        session.execute(insert(PostedHour).values(id=1, posted_until=END))
        due = {_pool_start(name) + n * HOUR for name in POOLS for n in range(POOL_HOURS)}
        session.execute(upsert(HourDue).on_conflict_do_nothing(), [{"hour": hour} for hour in sorted(due)])
    with db.transaction() as session:
        ledger.post_due(session, NOW, 60)


def _metered(chance: random.Random, hour: datetime):
    provider, model, _ = chance.choice(MODELS)
    return call(
        hour + timedelta(seconds=chance.randrange(2, 3_600)), tenant=chance.choice(list(MAPPED)), provider=provider,
        model=model, scenario=chance.choice(SCENARIOS), input_tokens=chance.randrange(1, 10**6),
        output_tokens=chance.randrange(10**5), cache_read_tokens=chance.choice((0, chance.randrange(10**5))),
    )  # fmt: skip


def _on_pool(chance: random.Random, pool: str):
    at = _pool_start(pool) + timedelta(seconds=chance.randrange(60, POOL_HOURS * 3_600))
    return call(
        at, seconds=chance.randrange(1, 50), tenant=chance.choice(list(MAPPED)), provider="house", model="small",
        pool=pool, scenario=chance.choice(SCENARIOS), input_tokens=chance.randrange(1, 10**7),
        output_tokens=chance.randrange(1, 10**6),
    )  # fmt: skip


def _shared(chance: random.Random) -> None:
    """What is not usage, in amounts that end on any pico: for many, of a cost centre itself, beyond a bill, of September."""
    with db.transaction() as session:
        ids = db.named_ids(session, Tenant, list(MAPPED))
        cost_centres = dict(session.execute(select(CostCentre.name, CostCentre.id)).all())
        scenario = session.scalar(select(Scenario.id).where(Scenario.name == "chat")) or 0
        model = session.scalar(select(Model.id).where(Model.name == "gpt-4o")) or 0
        book.alone(session)

        def borne(account: str, tenant: str, currency: str, model_id: int = 0) -> Line:
            centre = cost_centres[MAPPED[tenant]] if MAPPED[tenant] else 0
            return Line(account, centre, ids[tenant], scenario if model_id else 0, model_id, 0, currency)

        def post(kind: str, name: str, hour: datetime, lines: list[Line], supply: str) -> None:
            target = {line: Decimal(chance.randrange(-(10**12), 10**14)).scaleb(-12) for line in lines}
            for currency in {line.currency for line in lines}:
                whole = sum(amount for line, amount in target.items() if line.currency == currency)
                target[Line(supply, 0, 0, 0, 0, 0, currency)] = -whole
            book.post(session, Source(kind, name, f"{kind}-1"), hour, target, "As the generated month has it.")

        for n, currency in enumerate(("USD", "EUR")):
            at = START + HOUR * chance.randrange(31 * 24)
            theirs = [borne("shared", tenant, currency) for tenant in chance.sample(list(MAPPED), 4)]
            own = [Line("shared", cost_centres["CC-9"], 0, 0, 0, 0, currency), Line("shared", 0, 0, 0, 0, 0, currency)]
            post("shared", f"support {n}", at, [*theirs, *own], "supply.shared")
        whose = [borne("bill_variance", "acme", "USD", model), Line("bill_variance", 0, 0, 0, model, 0, "USD")]
        post("bill", "INV-10", START + HOUR * 400, whose, "supply.bill")
        who = {"requested_by": "ann", "closed_by": "bob", "reason": "All bills are in."}
        session.add(Period(month="2026-09", state="closed", requested_at=START, closed_at=START, **who))
        session.flush()
        post("metered", "late", SEPTEMBER, [borne("cost_centre", "acme", "USD", model)], "supply.metered")


def _amount(chance: random.Random, most: int) -> str:
    return str(Decimal(chance.randrange(1, most * 10**4)).scaleb(-4))


def _supply(session, *where) -> dict[str, Decimal]:
    """What supply cost, by currency."""
    query = select(Entry.currency, -func.sum(Entry.amount)).join(Posting, Posting.id == Entry.posting_id)
    return dict(session.execute(query.where(Entry.account.in_(SUPPLY), *where).group_by(Entry.currency)).all())


_TABLES = text("""
    SELECT quote_ident(relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'alembic_version'
""")


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows by table, and the days that the tables of a day each hold: such a table may be gone when its rows come back."""

    rows: dict[str, bytes]
    days: dict[str, list[date]]


def _rows() -> Kept:
    """Every table that holds rows now, as COPY writes it."""
    with db.engine().connect() as connection:
        cursor = connection.connection.cursor()
        kept, days = {}, {}
        for (table,) in connection.execute(_TABLES).all():
            if table not in _NOT_KEPT:
                with cursor.copy(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)") as copy:
                    rows = b"".join(bytes(piece) for piece in copy)
                if len(rows) > _EMPTY_BYTES:
                    kept[table] = rows
        for table, column in _BY_DAY.items():
            found = connection.execute(text(f"SELECT DISTINCT ({column} AT TIME ZONE 'UTC')::date FROM {table}"))
            days[table] = list(found.scalars())
        return Kept(kept, days)


_EMPTY_BYTES = 21  # header and trailer of a binary COPY
_BY_DAY = {"request": "started_at"}


def _put_back(kept: Kept) -> None:
    for table, days in kept.days.items():
        partitions.ensure(table, days)
    with db.engine().begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        cursor = connection.connection.cursor()
        for table, rows in kept.rows.items():
            with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
                copy.write(rows)
            serial = connection.execute(_SERIAL, {"table": table}).scalar()
            if serial:
                column, sequence = serial
                top = f"SELECT setval('{sequence}', (SELECT max({column}) FROM {table}))"
                connection.execute(text(top))


_SERIAL = text("""
    SELECT ARRAY[quote_ident(attname), pg_get_serial_sequence(:table, attname)] FROM pg_attribute
    WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND pg_get_serial_sequence(:table, attname) IS NOT NULL
    LIMIT 1
""")
