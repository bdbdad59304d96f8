"""What the refresh asks of reservations: release what telemetry has told by now, in the refresh's own transaction.

While it runs nobody can reserve, so it is one statement, whatever the number of reservations. What it says is
`reserve.standing` in SQL; `tests/budget/reserve/test_machine.py` holds the two against each other.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.budget.reserve.models import STATES
from trivet.pricing import exchange

USES_MAX: Final = (
    20_000  # rows of one refresh; what is beyond waits for the next, and is held as well as spent until then
)
PENDING, EXPIRED = STATES.index("pending"), STATES.index("expired")

# Rows of one transaction of ingest have one `received_at`: where the refresh took only a part of what ingest counted, usage
# that came in with what still waits stays held.
_TAKEN = """
    SELECT u.id FROM reservation_use u
    WHERE NOT EXISTS (SELECT FROM spend_delta d WHERE d.received_at = u.received_at)
    ORDER BY u.id LIMIT :most
"""
_FOREIGN = text(f"""
    SELECT DISTINCT u.currency, r.currency FROM reservation_use u JOIN reservation r ON r.id = u.reservation_id
    WHERE u.id IN ({_TAKEN}) AND u.currency NOT IN ('', r.currency) AND r.currency <> ''
""")  # noqa: S608  # our own text
_RELEASE = text(f"""
    WITH taken AS (
        DELETE FROM reservation_use WHERE id IN ({_TAKEN})
        RETURNING reservation_id, tenant_id, currency, amount, tokens, requests
    ), told AS (
        SELECT r.id, sum(t.tokens)::int8 AS tokens, sum(t.requests)::int8 AS requests,
            sum(CASE WHEN r.currency IN ('', t.currency) OR t.currency = '' THEN t.amount
                     ELSE round(t.amount * coalesce(x.rate, 0), 12) END) AS amount
        FROM taken t JOIN reservation r ON r.id = t.reservation_id AND r.tenant_id = t.tenant_id
        LEFT JOIN unnest(CAST(:sources AS text[]), CAST(:targets AS text[]), CAST(:rates AS numeric[]))
            AS x (source, target, rate) ON x.source = t.currency AND x.target = r.currency
        GROUP BY r.id
    ), used AS (
        UPDATE reservation r SET used_amount = r.used_amount + told.amount, used_tokens = r.used_tokens + told.tokens,
            used_requests = r.used_requests + told.requests,
            settled_at = CASE
                WHEN r.settled_at IS NOT NULL THEN r.settled_at
                WHEN r.state <> :pending AND r.used_requests + told.requests >= r.posted_requests + r.each_requests
                    * CASE WHEN r.state = :expired THEN r.calls - r.posted_calls ELSE 0 END THEN :now
            END
        FROM told WHERE r.id = told.id
        RETURNING r.*, CASE WHEN r.state IN (:pending, :expired) THEN r.calls - r.posted_calls ELSE 0 END AS open
    ), standing AS (
        SELECT id,
            greatest(each_amount * open + posted_amount - used_amount, 0) * live AS money,
            greatest(each_tokens * open + posted_tokens - used_tokens, 0) * live AS tokens,
            greatest(each_requests * open + posted_requests - used_requests, 0) * live AS requests
        FROM (SELECT *, (settled_at IS NULL)::int AS live FROM used) u
    ), shares AS (
        UPDATE reservation_hold h SET held = n.held
        FROM (
            SELECT h.reservation_id, h.window_id, h.held AS before, CASE h.measure
                WHEN 'tokens' THEN s.tokens WHEN 'requests' THEN s.requests
                ELSE CASE WHEN h.rate = 1 THEN s.money ELSE ceil(s.money * h.rate * 1e12) * 1e-12 END END AS held
            FROM reservation_hold h JOIN standing s ON s.id = h.reservation_id
        ) n
        WHERE h.reservation_id = n.reservation_id AND h.window_id = n.window_id AND n.held <> n.before
        RETURNING h.window_id, n.held - n.before AS more
    ), windows AS (
        UPDATE budget_window w SET held = greatest(w.held + n.more, 0)
        FROM (SELECT window_id, sum(more) AS more FROM shares GROUP BY window_id) n WHERE w.id = n.window_id
    )
    SELECT count(*) FROM used
""")  # noqa: S608  # our own text


def release_settled(session: Session, now: datetime) -> int:
    """Take off `held` the holds whose usage is in `spent` once this transaction commits; says how many.

    Called by the refresh once it has taken what ingest counted, in its REPEATABLE READ transaction, which alone may write
    windows. Usage that names a reservation of another tenant, or none that is there, is nobody's: it counts as spent, and no
    hold is any smaller for it. Where no rate converts it, the hold stays until its requests are all told or its grace ends.
    """
    if not session.scalar(text("SELECT EXISTS (SELECT FROM reservation_use)")):
        return 0
    known = {"most": USES_MAX, "now": now, "pending": PENDING, "expired": EXPIRED}
    released = session.scalar(_RELEASE, known | _rates(session, now))
    session.expire_all()  # windows were written beside the session
    return int(released or 0)


def _rates(session: Session, now: datetime) -> dict[str, Any]:
    """Rates between the currencies that were told and those that reservations are in, where they differ."""
    rates = exchange.rates(session)
    found = []
    for source, target in session.execute(_FOREIGN, {"most": USES_MAX}):
        try:
            found.append((source, target, rates.rate_at(source, target, now).rate))
        except exchange.NoRate:
            continue
    sources, targets, values = zip(*found, strict=True) if found else ((), (), ())
    return {"sources": list(sources), "targets": list(targets), "rates": list(values)}
