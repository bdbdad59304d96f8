"""Whatever is in the ledger: all rows and all that is kept apart are the total, and the total is what supply cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy import func, insert, select

from trivet import db
from trivet.kit.interval import Interval
from trivet.ledger import book
from trivet.ledger.book import Source
from trivet.ledger.models import BORNE, SUPPLY, Entry, Period, PostedHour, Posting
from trivet.ledger.posting import Line
from trivet.report.closes import NotClosed
from trivet.report.costs import costs
from trivet.report.gathered import KEPT_APART

START = datetime(2026, 9, 28, tzinfo=UTC)
DAYS = 8
HOUR = timedelta(hours=1)
ZERO = Decimal(0)


def any_line(random, account):
    ids = [random.choice((0, 1, 2)) for _ in range(5)]
    return Line(account, *ids, random.choice(("EUR", "USD")), random.choice(("", "spot", "owned")))


def some_postings(random, count=120):
    """Balanced postings of random lines, on hours of some days around the turn of a month."""
    with db.transaction() as session:
        book.alone(session)
        for n in range(count):
            lines = {}
            for account in random.sample(BORNE, 4):
                amount = Decimal(random.randint(-(10**15), 10**15)).scaleb(-12)
                line = any_line(random, account)
                supply = Line(random.choice(SUPPLY), 0, 0, 0, 0, line.pool_id, line.currency)
                lines[line] = lines.get(line, ZERO) + amount
                lines[supply] = lines.get(supply, ZERO) - amount
            hour = START + HOUR * random.randrange(24 * DAYS)
            book.post(session, Source("bill", f"random {n}", "random"), hour, lines, "Random.")
        session.execute(insert(PostedHour).values(id=1, posted_until=START + timedelta(days=DAYS)))


def supply(session, interval, pools=None):
    query = select(Entry.currency, -func.sum(Entry.amount)).join(Posting, Posting.id == Entry.posting_id)
    query = query.where(Entry.account.in_(SUPPLY), Posting.hour >= interval.start, Posting.hour < interval.end)
    if pools is not None:
        query = query.where(Entry.pool_id.in_(pools))
    return {currency: total for currency, total in session.execute(query.group_by(Entry.currency)) if total}


GROUPINGS = (
    [], ["cost_centre"], ["tenant", "model"], ["pool", "purchase"], ["account", "period"], ["provider", "scenario"],
)  # fmt: skip


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("seed", [1, 2])
def test_items_and_what_is_kept_apart_are_the_total_and_that_is_supply(seed):
    random = Random(seed)
    some_postings(random)
    with db.transaction() as session:
        for n in range(24):
            first, last = sorted(random.sample(range(24 * DAYS + 1), 2))
            interval = Interval(START + HOUR * first, START + HOUR * last)
            grain = random.choice((None, "1h", "1d", "1mo"))
            where = random.choice(({}, {}, {"pool_id": [0, 2]}))
            found = costs(session, interval, GROUPINGS[n % len(GROUPINGS)], where, grain=grain)
            case = (seed, interval, GROUPINGS[n % len(GROUPINGS)], grain, where)
            borne = dict.fromkeys(found.totals, ZERO)
            for row in (*found.rows, *found.apart):
                borne[row.currency] += row.amount
            totals = {currency: each.total for currency, each in found.totals.items()}
            assert borne == totals, case
            assert {c: t for c, t in totals.items() if t} == supply(session, interval, where.get("pool_id")), case
            for currency, each in found.totals.items():
                apart = sum(getattr(each, account) for account in KEPT_APART)
                assert apart == each.apart == sum(row.amount for row in found.apart if row.currency == currency), case


@pytest.mark.usefixtures("database")
def test_whole_days_are_told_from_balances_as_hours_are_from_entries():
    some_postings(Random(3))
    whole = Interval(START, START + timedelta(days=DAYS))
    with db.transaction() as session:
        days = costs(session, whole, ["cost_centre", "account"], {})
        hours = costs(session, whole, ["cost_centre", "account"], {}, grain="1h")
    sums = {}
    for row in hours.rows:
        sums[row.key[:2], row.currency] = sums.get((row.key[:2], row.currency), ZERO) + row.amount
    assert {(row.key, row.currency): row.amount for row in days.rows} == sums
    assert days.totals == hours.totals


@pytest.mark.usefixtures("database")
def test_hidden_is_kept_apart_even_where_it_names_somebody_and_spread_idle_is_theirs():
    lines = {
        Line("hidden", 0, 5, 0, 0, 1, "USD"): Decimal(2),
        Line("idle", 1, 5, 0, 0, 1, "USD"): Decimal(3),
        Line("idle", 0, 0, 0, 0, 1, "USD"): Decimal(4),
        Line("supply.capacity", 0, 0, 0, 0, 1, "USD"): Decimal(-9),
    }
    with db.transaction() as session:
        book.alone(session)
        book.post(session, Source("pool", "p", "m"), START, lines, "Idle.")
        session.execute(insert(PostedHour).values(id=1, posted_until=START + HOUR))
        found = costs(session, Interval(START, START + HOUR), [], {})
        theirs = costs(session, Interval(START, START + HOUR), [], {"tenant_id": [5]})
    assert [row.amount for row in found.rows] == [3]
    assert (found.totals["USD"].hidden, found.totals["USD"].idle, found.totals["USD"].total) == (2, 4, 9)
    assert (theirs.totals["USD"].total, theirs.apart) == (3, ())


@pytest.mark.usefixtures("database")
def test_as_of_a_close_is_what_was_there_at_it_whatever_came_later():
    """September closes at 5.00; 1.50 that comes later for its hour is booked in October, and is in what September cost."""
    hour = datetime(2026, 9, 30, 22, tzinfo=UTC)
    september = Interval(datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))

    def posted(amount):
        lines = {
            Line("cost_centre", 1, 5, 0, 0, 0, "USD"): amount,
            Line("supply.metered", 0, 0, 0, 0, 0, "USD"): -amount,
        }
        with db.transaction() as session:
            book.alone(session)
            book.post(session, Source("metered", "metered", "m"), hour, lines, "Used.")

    def told(as_of=None, group_by=("period",)):
        with db.transaction() as session:
            found = costs(session, september, list(group_by), {}, as_of=as_of)
        return {row.key: row.amount for row in found.rows}, found.close

    posted(Decimal(5))
    with db.transaction() as session:
        session.execute(insert(PostedHour).values(id=1, posted_until=START + timedelta(days=DAYS)))
        who = {"requested_by": "a", "closed_by": "b", "reason": "Done."}
        session.add(Period(month="2026-09", state="closed", requested_at=START, closed_at=START, **who))
    posted(Decimal("6.50"))
    assert told() == ({("2026-09",): Decimal(5), ("2026-10",): Decimal("1.5")}, None)
    assert told("2026-09") == ({("2026-09",): Decimal(5)}, "2026-09")
    assert told("2026-09", ["tenant"]) == ({("unattributed",): Decimal(5)}, "2026-09")  # from the other balances


@pytest.mark.usefixtures("database")
def test_as_of_a_month_that_is_not_closed_is_refused():
    interval = Interval(START, START + timedelta(days=3))
    with db.transaction() as session, pytest.raises(NotClosed, match="2026-09 is not closed"):
        costs(session, interval, [], {}, as_of="2026-09")
