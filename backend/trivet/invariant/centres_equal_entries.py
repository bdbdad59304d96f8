"""What reports by cost centre read for whole days equals the entries it sums: for one day of the last two months."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.invariant.finding import Finding, turn
from trivet.kit.clock import floor

DAYS = timedelta(days=62)
DAY_S = 86_400
LINE = "period, account, cost_centre_id, nobodys, pool_id, purchase, currency"
_DAYS = text("""
    SELECT day FROM balance_centre WHERE day >= :since UNION
    SELECT date_trunc('day', hour, 'UTC') FROM posting WHERE hour >= :since ORDER BY 1
""")
_ODD = text(f"""
    WITH line AS (
        SELECT *, tenant_id = 0 AND cost_centre_id = 0 AS nobodys FROM entry JOIN posting ON posting.id = entry.posting_id
        WHERE posting.hour >= :day AND posting.hour < CAST(:day AS timestamptz) + interval '1 day'
    ), summed AS (
        SELECT {LINE}, sum(amount) AS amount FROM line GROUP BY {LINE}
    ), kept AS (SELECT {LINE}, amount FROM balance_centre WHERE day = :day)
    SELECT account, currency, coalesce(kept.amount, 0), coalesce(summed.amount, 0)
    FROM summed FULL JOIN kept USING ({LINE})
    WHERE coalesce(kept.amount, 0) <> coalesce(summed.amount, 0) ORDER BY {LINE} LIMIT 1
""")  # noqa: S608  # a constant of this module


def check(session: Session, now: datetime) -> Finding:
    """Read only; needs one snapshot for its statements."""
    days = list(session.scalars(_DAYS, {"since": floor(now, DAY_S) - DAYS}))
    if not days:
        return Finding(True, "nothing is posted")
    day = days[turn(now, len(days))]
    odd = session.execute(_ODD, {"day": day}).first()
    if odd:
        account, currency, kept, summed = odd
        return Finding(False, f"{day:%F}: a cost centre's {account} says {kept} {currency}, its entries {summed}")
    return Finding(True, f"{day:%F}, every cost centre")
