"""What a period comes to: totals by currency, adjustments, and a hash that says whether they are still the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from trivet.kit.money import EXACT
from trivet.ledger.models import SUPPLY, BalancePeriod, Posting

ZERO = Decimal(0)

# Day by day, so that no text grows with the month; what stands at zero is as good as not there.
_HASH = text("""
    WITH by_day AS (
        SELECT extract(epoch FROM day)::bigint AS at, sha256(convert_to(string_agg(concat_ws('|', account, cost_centre_id,
            tenant_id, scenario_id, model_id, pool_id, purchase, currency, amount), E'\\n'
            ORDER BY account COLLATE "C", cost_centre_id, tenant_id, scenario_id, model_id, pool_id,
                purchase COLLATE "C", currency COLLATE "C"), 'UTF8')) AS hash
        FROM balance_day WHERE period = :month AND amount <> 0 GROUP BY day
    )
    SELECT encode(sha256(convert_to(:before || coalesce(string_agg(at || encode(hash, 'hex'), ',' ORDER BY at), ''), 'UTF8')),
        'hex')
    FROM by_day
""")


@dataclass(frozen=True, slots=True)
class Figures:
    """One currency of a period: what was borne in all, and parts of that."""

    total: Decimal = ZERO
    unattributed: Decimal = ZERO  # of tenants without a cost centre
    kept_apart: Decimal = ZERO  # nobody's: idle, headroom, what of a shared cost could not be split
    variance: Decimal = ZERO  # actual less standard cost of pools
    bill_variance: Decimal = ZERO  # what invoices say beyond what was measured
    adjustments: Decimal = ZERO  # of closed months, booked here

    @property
    def unattributed_share(self) -> Decimal:
        """Of the total, 0 to 1; 0 where the total is nothing."""
        return EXACT.divide(self.unattributed, self.total) if self.total else ZERO


@dataclass(frozen=True, slots=True, order=True)
class Adjustment:
    """Postings of one closed month booked in a later one, in one currency; `amount` is what they add to its cost."""

    period: str
    adjusts: str
    currency: str
    amount: Decimal
    postings: int


def figures(session: Session, month: str) -> dict[str, Figures]:
    """What is booked in a period, by currency."""
    found = session.scalars(select(BalancePeriod).where(BalancePeriod.period == month)).all()
    borne = [row for row in found if row.account not in SUPPLY]
    return {currency: _of(borne, currency) for currency in sorted({row.currency for row in borne})}


def _of(borne: Iterable[BalancePeriod], currency: str) -> Figures:
    rows = [row for row in borne if row.currency == currency]

    def total(**where: str) -> Decimal:
        return sum((row.amount for row in rows if all(getattr(row, k) == v for k, v in where.items())), ZERO)

    return Figures(
        total(),
        total(borne_by="tenant"),
        total(borne_by="nobody"),
        total(account="variance"),
        total(account="bill_variance"),
        EXACT.subtract(total(), total(adjusts="")),
    )


def adjustments(session: Session, month: str) -> list[Adjustment]:
    """Postings that a month took for closed ones, and those that later months took for it."""
    of_month = or_(BalancePeriod.period == month, BalancePeriod.adjusts == month)
    counts = {
        (period, adjusts): count
        for period, adjusts, count in session.execute(
            select(Posting.period, Posting.adjusts, func.count())
            .where(Posting.adjusts != "", or_(Posting.period == month, Posting.adjusts == month))
            .group_by(Posting.period, Posting.adjusts)
        )
    }
    keys = (BalancePeriod.period, BalancePeriod.adjusts, BalancePeriod.currency)
    sums = select(*keys, func.sum(BalancePeriod.amount)).group_by(*keys)
    rows = session.execute(
        sums.where(of_month, BalancePeriod.adjusts != "", BalancePeriod.account.not_in(SUPPLY)).order_by(*keys)
    )
    return [Adjustment(*row, postings=counts[row[0], row[1]]) for row in rows]


def balances_hash(session: Session, month: str, before: str) -> str:
    """SHA-256 over everything booked in a period and over `before`, the hash of the close before; hex."""
    return str(session.scalar(_HASH, {"month": month, "before": before}))
