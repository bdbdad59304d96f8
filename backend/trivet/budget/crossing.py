"""Lines that windows crossed: a row for each, once, and one message to the owners that names the highest."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.budget import words
from trivet.budget.book import Book, Standing
from trivet.budget.kept import Window
from trivet.budget.lines import FULL, breached_at, crossed, drawn
from trivet.budget.models import BudgetLine
from trivet.budget.names import names, whose
from trivet.budget.sums import ZERO, roughly
from trivet.kit.money import EXACT
from trivet.notify import alerts
from trivet.notify import service as notify
from trivet.notify.alerts import Alert
from trivet.pricing.exchange import rates
from trivet.rollup.read import one_of

LATE = "; it came in after its window had ended, so nothing was commanded"


def judge(session: Session, budgets: Book, pairs: Iterable[tuple[Window, Standing]], now: datetime) -> int:
    """Write the lines that these windows crossed since they were judged last; how many are new.

    A soft line is told of once, a hard one once for the terms that order it: a limit that comes again commands again.
    """
    reached = [
        (window, standing, lines)
        for window, standing in pairs
        if standing.scope != "interaction"  # each is told of one by one, see `over`
        and (lines := crossed(_before(window), window.spent, window.limit, drawn(standing.terms)))
    ]
    if not reached:
        return 0
    known = _known(session, [window.id for window, _, _ in reached])
    labels = names(session, [(standing.scope, window.subject_id) for window, standing, _ in reached])
    count = 0
    for window, standing, lines in reached:
        since = budgets.ordered_since(standing) if standing.terms.hard else 0
        new = tuple(n for n in lines if (n, window.limit, since if n == FULL else 0) not in known[window.id])
        if new:
            of = whose(standing.scope, labels, window.subject_id)
            _write(session, Crossing(window, standing, new, of, since if FULL in new else 0), now)
            count += len(new)
    return count


@dataclass(frozen=True, slots=True)
class Crossing:
    """Lines of one window crossed in the same moment, rising."""

    window: Window
    standing: Standing
    lines: tuple[int, ...]
    whose: str
    since: int  # the terms that order its hard line; 0 where it crosses none

    @property
    def why(self) -> str:
        window = self.window
        return words.reason(self.standing, self.whose, window.spent, window.limit, window.starts_at)


def _before(window: Window) -> Decimal:
    return window.before if window.limit == window.limit_before else ZERO


def _known(session: Session, ids: list[int]) -> dict[int, set[tuple[int, Decimal, int]]]:
    """Lines told of, by window: with the terms that order them, and with 0, for who asks for a soft one."""
    found: dict[int, set[tuple[int, Decimal, int]]] = defaultdict(set)
    columns = (BudgetLine.window_id, BudgetLine.line, BudgetLine.limit, BudgetLine.terms_id)
    for window_id, line, limit, since in session.execute(select(*columns).where(one_of(BudgetLine.window_id, ids))):
        found[window_id] |= {(line, limit, since), (line, limit, 0)}
    return found


def _write(session: Session, found: Crossing, now: datetime) -> None:
    window, terms = found.window, found.standing.terms
    over = window.ends_at <= now
    rows = []
    for line in found.lines:
        hard = terms.hard and line == FULL
        acts = hard and terms.action != "refuse" and not over
        rows.append({
            "window_id": window.id, "line": line, "limit": window.limit, "hard": hard, "spent": window.spent,
            "terms_id": found.since if hard else 0, "held": window.held, "crossed_at": now, "told": line == found.lines[-1],
            "breached_at": _breached_at(session, found) if hard else None,
            "returned_at": now if hard and not acts else None,  # nothing is commanded, so nothing is to be taken back
            "reason": f"{found.why}{LATE if hard and over else ''}",
        })  # fmt: skip
    session.execute(insert(BudgetLine).values(rows).on_conflict_do_nothing())
    if terms.owners:
        _tell(session, found, now)
    if found.since and not over:
        _fire(session, found, now)


DONE = {"refuse": "reservations beyond it are refused", "degrade": "calls are degraded", "break": "calls are cut off"}


def _fire(session: Session, found: Crossing, now: datetime) -> None:
    """A hard line is an alert until its window ends. Many at once are one message of each route."""
    window, standing = found.window, found.standing
    labels = {"alertname": "TrivetBudget", "kind": "budget", "budget": standing.name, "subject": found.whose}
    alerts.fire(
        session,
        Alert(
            labels, "ticket", found.why, DONE[standing.terms.action or "refuse"], path="/budgets",
            tenant_id=window.subject_id if standing.scope == "tenant" else None, ends_at=window.ends_at,
        ),
        now,
    )  # fmt: skip


def _breached_at(session: Session, found: Crossing) -> datetime | None:
    window, exchange = found.window, rates(session)
    told = [(received_at, roughly(found.standing, part, exchange)) for received_at, part in window.told]
    before = EXACT.subtract(window.spent, sum((amount for _, amount in told), ZERO))
    return breached_at(before, window.limit, told)


def _tell(session: Session, found: Crossing, now: datetime) -> None:
    window, standing, (*lower, highest) = found.window, found.standing, found.lines
    ordered = f":{found.since}" if found.since else ""
    notify.enqueue(
        session,
        key=f"budget:{window.id}:{highest}:{window.limit.normalize():f}{ordered}",
        to=standing.terms.owners,
        subject=words.subject(standing, found.whose, highest, window.spent, window.limit),
        text=words.text(
            standing, found.why, (*lower, highest), window.ends_at, at_least=bool(window.unpriced or window.gaps)
        ),
        topic="budgets",
        now=now,
    )
