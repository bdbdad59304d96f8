"""A month with something booked in it, and the two steps of closing it."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from trivet import db
from trivet.ledger import book, month, period_close
from trivet.ledger.book import Source
from trivet.ledger.models import PostedHour
from trivet.ledger.posting import Line

METERED = Source("metered", "metered", "standard-1")
NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
LATE = datetime(2026, 11, 3, 9, tzinfo=UTC)  # October is over
GRACE_S = 60


def post(amount, hour=NOON, source=METERED, tenant=1, centre=7):
    """Bring the hour of a source to an amount that one tenant of one cost centre bears."""
    account = "cost_centre" if centre else "unattributed"
    target = {
        Line(account, centre, tenant, 1, 1, 0, "USD"): Decimal(amount),
        Line("supply.metered", 0, 0, 0, 1, 0, "USD"): -Decimal(amount),
    }
    with db.transaction() as session:
        book.alone(session)
        return book.post(session, source, hour, target, "As worked out.")


def posted_until(at):
    with db.transaction() as session:
        row = insert(PostedHour).values(id=1, posted_until=at)
        session.execute(row.on_conflict_do_update(index_elements=["id"], set_={"posted_until": at}))


def ask(of="2026-10", actor="ann@example.com", now=LATE):
    with db.transaction() as session:
        period_close.request(session, month=of, reason="All bills are in.", actor=actor, now=now, grace_s=GRACE_S)


def close(of="2026-10", actor="bob@example.com", now=LATE):
    with db.transaction() as session:
        return period_close.close(session, month=of, actor=actor, now=now, grace_s=GRACE_S)


def ready(of="2026-10"):
    """Something booked, every hour of the month posted."""
    post("12.50")
    posted_until(month.bounds(of).end)


def as_of(of):
    """What everybody bears by currency, of postings up to the close of a month: from balances, and from entries."""
    with db.transaction() as session:
        one, other = (
            _borne(session, source, of) for source in ("balance_day", "entry JOIN posting ON id = posting_id")
        )
    assert one == other
    return one


def _borne(session, source, of):
    up_to = f"FROM {source} WHERE period <= :of AND account NOT LIKE 'supply%'"
    found = session.execute(text(f"SELECT currency, sum(amount) {up_to} GROUP BY 1"), {"of": of})
    return {currency: amount for currency, amount in found if amount}
