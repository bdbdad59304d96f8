"""Windows in hand: read, changed, written back in a handful of statements. Whoever writes holds the table alone."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from trivet.budget.limits import WindowKey
from trivet.budget.models import BudgetForeign, BudgetWindow
from trivet.budget.sums import ZERO, Figures, Foreign, Part, converted
from trivet.kit.money import EXACT, plain
from trivet.pricing.exchange import Exchange
from trivet.rollup.read import one_of

STATEMENT_ROWS = 2_000
_COLUMNS = (
    "id", "budget_id", "subject_id", "interaction", "starts_at", "ends_at", "limit", "spent", "held", "own", "requests",
    "unpriced", "gaps", "basis", "refreshed_at",
)  # fmt: skip
_IDS = text("""
    SELECT k.n, w.id FROM unnest(CAST(:budgets AS int4[]), CAST(:subjects AS int4[]), CAST(:interactions AS text[]),
                                 CAST(:starts AS timestamptz[]))
        WITH ORDINALITY AS k (budget_id, subject_id, interaction, starts_at, n)
    JOIN budget_window w USING (budget_id, subject_id, interaction, starts_at)
""")
_WRITE = text("""
    UPDATE budget_window w SET spent = n.spent, own = n.own, requests = n.requests, unpriced = n.unpriced,
        gaps = n.gaps, basis = n.basis, "limit" = n.lim, refreshed_at = :now
    FROM unnest(CAST(:ids AS int8[]), CAST(:spent AS numeric[]), CAST(:own AS numeric[]), CAST(:requests AS int8[]),
                CAST(:unpriced AS int8[]), CAST(:gaps AS jsonb[]), CAST(:basis AS text[]), CAST(:limits AS numeric[]))
         AS n (id, spent, own, requests, unpriced, gaps, basis, lim)
    WHERE w.id = n.id
""")
_PUT_FOREIGN = text("""
    INSERT INTO budget_foreign (window_id, currency, day, amount)
    SELECT * FROM unnest(CAST(:windows AS int8[]), CAST(:currencies AS text[]), CAST(:days AS timestamptz[]),
                         CAST(:amounts AS numeric[]))
    ON CONFLICT (window_id, currency, day) DO UPDATE SET amount = budget_foreign.amount + excluded.amount
""")


_MAKE = text("""
    INSERT INTO budget_window (budget_id, subject_id, interaction, starts_at, ends_at, "limit", own, spent, requests,
        unpriced, gaps, basis)
    SELECT * FROM unnest(CAST(:budgets AS int4[]), CAST(:subjects AS int4[]), CAST(:interactions AS text[]),
        CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:limits AS numeric[]), CAST(:own AS numeric[]),
        CAST(:spent AS numeric[]), CAST(:requests AS int8[]), CAST(:unpriced AS int8[]), CAST(:gaps AS jsonb[]),
        CAST(:basis AS text[]))
    ON CONFLICT DO NOTHING RETURNING budget_id, subject_id, interaction, starts_at, ends_at, id
""")


@dataclass(frozen=True, slots=True)
class New:
    """A window that is not there, and what was told of it."""

    key: WindowKey
    limit: Decimal
    told: Figures
    spent: Decimal
    gaps: dict[str, str]
    basis: str


@dataclass(slots=True)
class Window:
    """A row of `budget_window`, and what it stood at when it was last judged (`before`, `limit_before`)."""

    id: int
    budget_id: int
    subject_id: int
    interaction: str
    starts_at: datetime
    ends_at: datetime
    limit: Decimal
    spent: Decimal
    held: Decimal
    own: Decimal
    requests: int
    unpriced: int
    gaps: dict[str, str]
    basis: str
    refreshed_at: datetime | None
    before: Decimal = ZERO
    limit_before: Decimal = ZERO
    converted: Decimal = ZERO  # of `spent`, what came in other currencies
    told: list[tuple[datetime, Part]] = field(default_factory=list)  # what came now, and when it was received

    @property
    def key(self) -> WindowKey:
        return WindowKey(self.budget_id, self.subject_id, self.interaction, self.starts_at, self.ends_at)

    def count(self, more: Figures) -> None:
        """Add what was told; `foreign` is another table's."""
        self.own = EXACT.add(self.own, more.own)
        self.requests += more.requests
        self.unpriced += more.unpriced

    def restart(self, whole: Figures) -> None:
        """What was told is this, and not what it said so far."""
        self.own, self.requests, self.unpriced = whole.own, whole.requests, whole.unpriced


def by_key(session: Session, keys: Collection[WindowKey]) -> dict[WindowKey, Window]:
    """The windows that are there."""
    ids = ids_of(session, keys)
    return {window.key: window for window in by_id(session, list(ids.values()))}


def ids_of(session: Session, keys: Collection[WindowKey]) -> dict[WindowKey, int]:
    """Ids of the windows that are there: by the unique index, however many keys."""
    if not keys:
        return {}
    ordered = sorted(keys)
    given = {
        "budgets": [key.budget_id for key in ordered],
        "subjects": [key.subject_id for key in ordered],
        "interactions": [key.interaction for key in ordered],
        "starts": [key.starts_at for key in ordered],
    }
    return {ordered[n - 1]: id_ for n, id_ in session.execute(_IDS, given)}


def new(session: Session, limit: int) -> list[Window]:
    """Windows that nobody has judged yet."""
    return _read(session, BudgetWindow.refreshed_at.is_(None), limit=limit)


def by_id(session: Session, ids: Collection[int]) -> list[Window]:
    """Windows by id, as many as there are."""
    return _read(session, one_of(BudgetWindow.id, ids)) if ids else []


def open_of(
    session: Session, budget_ids: Collection[int], now: datetime, *, basis_is_not: str | None = None
) -> list[Window]:
    """Windows of some budgets that are not over; of cost centres only those that were counted on another basis."""
    if not budget_ids:
        return []
    moved = [] if basis_is_not is None else [BudgetWindow.basis != basis_is_not]
    return _read(session, BudgetWindow.budget_id.in_(budget_ids), BudgetWindow.ends_at > now, *moved)


def with_foreign(session: Session, now: datetime) -> list[Window]:
    """Windows that are not over and hold amounts in other currencies."""
    return _read(session, BudgetWindow.id.in_(select(BudgetForeign.window_id)), BudgetWindow.ends_at > now)


def _read(session: Session, *where: Any, limit: int | None = None) -> list[Window]:
    columns = [getattr(BudgetWindow, name) for name in _COLUMNS]
    rows = session.execute(select(*columns).where(*where).order_by(BudgetWindow.id).limit(limit))
    found = [Window(*row) for row in rows]
    for window in found:
        window.converted = EXACT.subtract(window.spent, window.own)
        if window.refreshed_at is not None:  # else no line of it was ever looked at
            window.before, window.limit_before = window.spent, window.limit
    return found


def add_foreign(session: Session, amounts: Iterable[tuple[int, Foreign]]) -> None:
    """Add amounts in other currencies to windows, by id."""
    rows = sorted(
        (window_id, currency, day, amount)
        for window_id, foreign in amounts
        for (currency, day), amount in foreign.items()
    )
    if rows:
        windows, currencies, days, each = map(list, zip(*rows, strict=True))
        session.execute(
            _PUT_FOREIGN, {"windows": windows, "currencies": currencies, "days": days, "amounts": each}
        )  # fmt: skip


def forget_foreign(session: Session, ids: Collection[int]) -> None:
    """Take away amounts in other currencies, which are told anew."""
    if ids:
        session.execute(delete(BudgetForeign).where(one_of(BudgetForeign.window_id, ids)))


def convert(session: Session, windows: Iterable[tuple[Window, str]], exchange: Exchange) -> None:
    """Say what each window's spending is in its budget's currency, and what no rate converts."""
    wanted = list(windows)
    foreign: dict[int, Foreign] = {}
    ids = [window.id for window, _ in wanted]
    columns = (BudgetForeign.window_id, BudgetForeign.currency, BudgetForeign.day, BudgetForeign.amount)
    for window_id, source, day, amount in session.execute(select(*columns).where(one_of(BudgetForeign.window_id, ids))):
        foreign.setdefault(window_id, {})[(source, day)] = amount
    for window, currency in wanted:
        more, gaps = converted(foreign.get(window.id, {}), currency, exchange)
        window.spent = EXACT.add(window.own, more)
        window.gaps = {source: plain(amount) for source, amount in sorted(gaps.items()) if amount}


def write(session: Session, windows: Iterable[Window], now: datetime) -> None:
    """Everything that changed; `held` is left to reservations."""
    rows = sorted(windows, key=lambda each: each.id)
    for start in range(0, len(rows), STATEMENT_ROWS):
        chunk = rows[start : start + STATEMENT_ROWS]
        session.execute(
            _WRITE,
            {
                "now": now,
                "ids": [w.id for w in chunk],
                "spent": [w.spent for w in chunk],
                "own": [w.own for w in chunk],
                "requests": [w.requests for w in chunk],
                "unpriced": [w.unpriced for w in chunk],
                "gaps": [_json(w.gaps) for w in chunk],
                "basis": [w.basis for w in chunk],
                "limits": [w.limit for w in chunk],
            },
        )


def _json(gaps: dict[str, str]) -> str:
    inside = ", ".join(f'"{currency}": "{amount}"' for currency, amount in gaps.items())
    return f"{{{inside}}}"


def make(session: Session, rows: Iterable[New]) -> dict[WindowKey, int]:
    """Insert windows; ids of those that were not there."""
    ordered = sorted(rows, key=lambda row: row.key)
    if not ordered:
        return {}
    found = session.execute(
        _MAKE,
        {
            "budgets": [row.key.budget_id for row in ordered],
            "subjects": [row.key.subject_id for row in ordered],
            "interactions": [row.key.interaction for row in ordered],
            "starts": [row.key.starts_at for row in ordered],
            "ends": [row.key.ends_at for row in ordered],
            "limits": [row.limit for row in ordered],
            "own": [row.told.own for row in ordered],
            "spent": [row.spent for row in ordered],
            "requests": [row.told.requests for row in ordered],
            "unpriced": [row.told.unpriced for row in ordered],
            "gaps": [_json(row.gaps) for row in ordered],
            "basis": [row.basis for row in ordered],
        },
    )
    return {WindowKey(*row[:-1]): row[-1] for row in found}


def forget(session: Session, ids: Collection[int]) -> None:
    """Take windows away."""
    if ids:
        session.execute(delete(BudgetWindow).where(one_of(BudgetWindow.id, ids)))
