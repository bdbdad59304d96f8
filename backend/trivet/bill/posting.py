"""Post a bill: each day's difference, once; again where what was measured has changed. Closed months take adjustments."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from trivet.archive.facts import NotKept
from trivet.bill import aliases, matching, measured, telling
from trivet.bill.entries import METHOD, differences, entries
from trivet.bill.match import Row, by_cause
from trivet.bill.models import SPREADS, Bill
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid, TooLarge
from trivet.kit.money import plain
from trivet.ledger import book
from trivet.ledger.book import Source
from trivet.ledger.models import Posting

KIND = "bill"
ENTRIES_MAX = 100_000  # of one bill
CHANGED_MAX = 20  # bills compared anew in one run of the task
_CHANGED = text("""
    SELECT id FROM bill WHERE state <> 'replaced' AND (seen_posting < 0 OR EXISTS (
        SELECT FROM posting p WHERE p.id > seen_posting AND p.kind <> 'bill'
            AND p.hour >= CAST(starts_on AS timestamp) AT TIME ZONE zone
            AND p.hour < CAST(ends_on AS timestamp) AT TIME ZONE zone))
    ORDER BY seen_posting < 0 DESC, id LIMIT :limit
""")


def post(session: Session, bill_id: int, *, spread: str, actor: str, now: datetime) -> Bill:
    """Compare anew, then bring the ledger to what the bill says. Posted again, only what changed is posted."""
    if spread not in SPREADS:
        raise Invalid(f"spread is one of {', '.join(SPREADS)}.", field="spread")
    book.alone(session)
    bill = session.get(Bill, bill_id, with_for_update=True)
    assert bill is not None, "the caller has found it"
    if bill.state == "replaced":
        raise Conflict(f"Bill {bill.id} was replaced: post the one that took its place.", field="id")
    rows = matching.run(session, bill, now)
    before = {"state": bill.state, "spread": bill.spread}
    first = bill.state != "posted"
    bill.state, bill.spread = "posted", spread
    made = _bring(session, bill, rows)
    if first:
        bill.posted_at, bill.posted_by = now, actor
    session.flush()
    if made or first:
        audit.record(
            session, actor=actor, action="bill.post", subject=f"bill:{bill.name}", before=before,
            after={
                "state": bill.state, "spread": spread, "postings": made, "total": plain(bill.total),
                "currency": bill.currency,
            },
        )  # fmt: skip
    return bill


def take_back(session: Session, bill: Bill, reason: str) -> int:
    """Nothing of a bill stands in the ledger any more; how many hours that changed."""
    book.alone(session)
    source = Source(KIND, bill.name, METHOD[bill.spread])
    hours = _posted_hours(session, bill)
    return sum(book.post(session, source, hour, {}, reason) is not None for hour in hours)


def changed(session: Session) -> list[int]:
    """Bills whose days were posted again since they were compared, and those that something else has changed for."""
    book.alone(session)
    found = list(session.scalars(_CHANGED, {"limit": CHANGED_MAX}))
    seen = matching.newest_posting(session)
    if len(found) < CHANGED_MAX:  # the others are known to be as they were up to here
        session.execute(update(Bill).where(Bill.id.not_in(found), Bill.seen_posting >= 0).values(seen_posting=seen))
    return found


def again(session: Session, bill_id: int, now: datetime) -> bool:
    """Compare a bill anew and, where it is posted, post what changed. False where its usage is not kept any more."""
    book.alone(session)
    bill = session.get(Bill, bill_id, with_for_update=True)
    if bill is None or bill.state == "replaced":
        return False
    try:
        with session.begin_nested():
            rows = matching.run(session, bill, now)
    except NotKept:
        bill.seen_posting = matching.newest_posting(session)
        return False
    if bill.state == "posted":
        _bring(session, bill, rows)
    return True


def _bring(session: Session, bill: Bill, rows: list[Row]) -> int:
    """Bring each day to its target; how many postings that took."""
    cover = matching.cover_of(bill)
    users = measured.users(session, cover, _models(session, bill, rows)) if bill.spread == "use" else {}
    by_hour: dict[datetime, list[Row]] = {hour: [] for hour in _posted_hours(session, bill)}
    for row in rows:
        by_hour.setdefault(measured.first_hour(row.target[0], cover.zone), []).append(row)
    source = Source(KIND, bill.name, METHOD[bill.spread])
    made = count = 0
    for hour, of_day in sorted(by_hour.items()):
        target = entries(of_day, bill.currency, users)
        count += len(target)
        if count > ENTRIES_MAX:
            raise TooLarge(f"Spread, the bill has more than {ENTRIES_MAX} entries: post it apart.", field="spread")
        made += book.post(session, source, hour, target, _reason(bill, of_day)) is not None
    return made


def _models(session: Session, bill: Bill, rows: list[Row]) -> dict[int, int]:
    on_bill = {row.target[1] for row in rows} - {0}
    same = aliases.one_each(aliases.models_of(session, bill.measured_as))
    others = {own: first for own, first in same.items() if first in on_bill}
    return {model_id: model_id for model_id in on_bill} | others


def _posted_hours(session: Session, bill: Bill) -> list[datetime]:
    query = select(Posting.hour).where(Posting.kind == KIND, Posting.source == bill.name)
    return list(session.scalars(query.group_by(Posting.hour).order_by(func.min(Posting.hour))))


def _reason(bill: Bill, rows: list[Row]) -> str:
    total: dict[str, Decimal] = {}
    for row in rows:
        for currency, amount in differences(row, bill.currency).items():
            total[currency] = total.get(currency, Decimal(0)) + amount
    said = ", ".join(f"{plain(amount)} {currency}" for currency, amount in sorted(total.items())) or "nothing"
    return f"{bill.provider}'s bill of {bill.starts_on:%Y-%m} differs by {said}: {telling.causes(by_cause(rows))}."
