"""What budgets say is spent is what was counted, and what they say is held is what open reservations hold.

Held: of every window. Spent: of one budget's windows that are not over, another budget each time.
"""

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trivet.budget import kept, opening
from trivet.budget.book import Standing, book
from trivet.budget.models import BudgetWindow
from trivet.budget.sums import figures
from trivet.budget.windows import CALENDAR
from trivet.invariant.finding import Finding, turn

WINDOWS_MAX = 1_000  # of one budget
_HELD = text("""
    WITH hold AS (
        SELECT h.window_id AS id, sum(h.held) AS held FROM reservation r
        JOIN reservation_hold h ON h.reservation_id = r.id WHERE r.settled_at IS NULL GROUP BY h.window_id
    ), room AS (SELECT id, held FROM budget_window WHERE held <> 0 OR id IN (SELECT id FROM hold))
    SELECT id, room.held, coalesce(hold.held, 0) FROM room LEFT JOIN hold USING (id)
    WHERE room.held <> coalesce(hold.held, 0) ORDER BY id LIMIT 1
""")


def check(session: Session, now: datetime) -> Finding:
    """Read only; needs one snapshot for its statements."""
    odd = session.execute(_HELD).first()
    if odd:
        id_, held, open_ = odd
        return Finding(False, f"budget window {id_} says {held} is held, its reservations {open_}")
    standings = [each for each in book(session).at(now) if each.window in CALENDAR]
    if not standings:
        return Finding(True, "what is held; there is no budget over time")
    return check_budget(session, standings[turn(now, len(standings))], now)


def check_budget(session: Session, standing: Standing, now: datetime) -> Finding:
    """One budget: its windows that hold `now`. Cost centres that are due to be counted anew are left out."""
    window = standing.window_at(now)
    tree = opening.tree_for(session, [standing])
    basis = tree.basis if standing.scope == "cost_centre" else ""
    query = select(BudgetWindow.id).where(
        BudgetWindow.budget_id == standing.id, BudgetWindow.ends_at > now, BudgetWindow.basis == basis
    )
    ids = list(session.scalars(query.order_by(BudgetWindow.id.desc()).limit(WINDOWS_MAX)))
    rows = [each for each in kept.by_id(session, ids) if window is not None and each.starts_at == window.start]
    parts = opening.parts_of(session, standing, [each.key for each in rows], tree) if rows else {}
    for row in rows:
        told = figures(standing, parts.get(row.key, ()))
        if (row.own, row.requests) != (told.own, told.requests):
            said = f"{row.own} of {row.requests} requests, counted are {told.own} of {told.requests}"
            return Finding(False, f"budget {standing.name}, window {row.id}: {said}")
    return Finding(True, f"what is held; budget {standing.name}, {len(rows)} windows")
