"""Check every promise and keep what was found."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.invariant import (
    audit_chain,
    balances_equal_entries,
    budgets_add_up,
    capacity_equals_terms,
    centres_equal_entries,
    closed_periods_stand,
    entries_balance,
    rollup_equals_requests,
)
from trivet.invariant.finding import Finding
from trivet.invariant.models import InvariantCheck

log = logging.getLogger(__name__)

PROMISES: Mapping[str, Callable[[Session, datetime], Finding]] = {
    "entries_balance": entries_balance.check,
    "balances_equal_entries": balances_equal_entries.check,
    "centres_equal_entries": centres_equal_entries.check,
    "closed_periods_stand": closed_periods_stand.check,
    "capacity_equals_terms": capacity_equals_terms.check,
    "rollup_equals_requests": rollup_equals_requests.check,
    "budgets_add_up": budgets_add_up.check,
    "audit_chain": audit_chain.check,
}


def check_all(now: datetime) -> dict[str, Finding]:
    """Check each promise on a snapshot of its own, and store the findings."""
    found = {}
    for promise, check in PROMISES.items():
        with Session(db.engine().execution_options(isolation_level="REPEATABLE READ")) as session, session.begin():
            found[promise] = check(session, now)
        if not found[promise].holds:
            log.error("the promise %s does not hold: %s", promise, found[promise].detail)
    with db.transaction() as session:
        for promise, finding in found.items():
            _keep(session, promise, finding, now)
    return found


def _keep(session: Session, promise: str, finding: Finding, now: datetime) -> None:
    values = {"holds": finding.holds, "detail": finding.detail, "checked_at": now}
    row = insert(InvariantCheck).values(promise=promise, **values)
    session.execute(row.on_conflict_do_update(index_elements=["promise"], set_=values))
