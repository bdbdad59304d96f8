"""The one way into the ledger: post the difference between what should stand for a source and hour, and what stands.

Every posting moves the day's balances in the same transaction, so that a report reads sums and not entries.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from trivet.kit.interval import month_of
from trivet.kit.locks import Lock
from trivet.ledger import periods, reading
from trivet.ledger.models import Posting
from trivet.ledger.month import booking
from trivet.ledger.posting import Entries, Line, to_post

_COPY = f"COPY entry (posting_id, line, {', '.join(Line._fields)}, amount) FROM STDIN"
CHANGED = "Usage, capacity or mapping of this hour changed after it was posted: target less what was posted."

# A posting has each line once, so nothing is to be summed.
_BALANCE = text("""
    INSERT INTO balance_day AS b (day, period, account, cost_centre_id, tenant_id, scenario_id, model_id, pool_id, purchase,
        currency, amount)
    SELECT date_trunc('day', CAST(:hour AS timestamptz), 'UTC'), :period, account, cost_centre_id, tenant_id, scenario_id,
        model_id, pool_id, purchase, currency, amount
    FROM entry WHERE posting_id = :posting
    ON CONFLICT (day, period, account, cost_centre_id, tenant_id, scenario_id, model_id, pool_id, purchase, currency)
    DO UPDATE SET amount = b.amount + excluded.amount
""")
_BALANCE_CENTRE = text("""
    INSERT INTO balance_centre AS b (day, period, account, cost_centre_id, nobodys, pool_id, purchase, currency, amount)
    SELECT date_trunc('day', CAST(:hour AS timestamptz), 'UTC'), :period, account, cost_centre_id,
        tenant_id = 0 AND cost_centre_id = 0, pool_id, purchase, currency, sum(amount)
    FROM entry WHERE posting_id = :posting
    GROUP BY account, cost_centre_id, tenant_id = 0 AND cost_centre_id = 0, pool_id, purchase, currency
    ON CONFLICT (day, period, account, cost_centre_id, nobodys, pool_id, purchase, currency)
    DO UPDATE SET amount = b.amount + excluded.amount
""")
_BALANCE_PERIOD = text("""
    INSERT INTO balance_period AS b (period, adjusts, account, borne_by, currency, amount)
    SELECT :period, :adjusts, account,
        CASE WHEN cost_centre_id <> 0 THEN 'cost_centre' WHEN tenant_id <> 0 OR account = 'unattributed' THEN 'tenant'
            ELSE 'nobody' END AS borne_by,
        currency, sum(amount)
    FROM entry WHERE posting_id = :posting
    GROUP BY account, borne_by, currency
    ON CONFLICT (period, adjusts, account, borne_by, currency) DO UPDATE SET amount = b.amount + excluded.amount
""")


@dataclass(frozen=True, slots=True)
class Source:
    """What a posting is of, and by which method. `kind` and `name` and the hour are what is posted once."""

    kind: str
    name: str
    method: str


def alone(session: Session) -> None:
    """Wait until nobody else posts; held until the transaction ends. Whoever posts outside `ledger.post` calls this."""
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.POST})


def post(session: Session, source: Source, hour: datetime, target: Entries, reason: str) -> int | None:
    """Bring a source's hour to its target; the posting's id, None where it stands there already.

    The caller holds `Lock.POST`. A posting is booked in the month of its hour; where that is closed, in the first one
    that is not, and names the month it adjusts.
    """
    before, count = reading.posted(session, source.kind, source.name, hour)
    lines = to_post(target, before)
    if not lines:
        return None
    period, adjusts = booking(month_of(hour), periods.shut(session))
    row = {
        "kind": source.kind, "source": source.name, "hour": hour, "sequence": count, "period": period, "adjusts": adjusts,
        "method": source.method, "reason": f"{CHANGED} {reason}" if count else reason,
    }  # fmt: skip
    posting_id = int(session.scalars(insert(Posting).values(row).returning(Posting.id)).one())
    _copy(session, posting_id, lines)
    at = {"posting": posting_id, "hour": hour, "period": period, "adjusts": adjusts}
    session.execute(_BALANCE, at)
    session.execute(_BALANCE_CENTRE, at)
    session.execute(_BALANCE_PERIOD, at)
    return posting_id


def _copy(session: Session, posting_id: int, lines: Entries) -> None:
    """Entries by COPY: an hour of a thousand tenants has tens of thousands. Accounts and currencies are words of ours."""
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join([_row(posting_id, n, line, amount) for n, (line, amount) in enumerate(lines.items())]))


def _row(posting_id: int, number: int, line: Line, amount: Decimal) -> str:
    return "\t".join(map(str, (posting_id, number, *line, amount))) + "\n"


def sources_of(session: Session, kind: str, hour: datetime) -> list[str]:
    """Names of the sources of a kind that were posted for an hour, in order."""
    query = select(Posting.source).where(Posting.kind == kind, Posting.hour == hour).group_by(Posting.source)
    return list(session.scalars(query.order_by(func.min(Posting.source))))
