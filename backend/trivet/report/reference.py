"""Tokens as one measure of work that does not change with prices: money at the rates of one instant, or work units.

Two statements are compared with the same measure, so that what prices did and what the mix of tokens did stay apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.models import Pool
from trivet.ingest.request.context import BOUNDS
from trivet.kit.money import EXACT
from trivet.ledger.work import WEIGHTS
from trivet.pricing import service as pricing
from trivet.pricing.models import Model
from trivet.pricing.rate import KINDS, Rates, Steps
from trivet.report.tokens import Counts

ZERO = Decimal(0)
MILLIONTH = Decimal(1).scaleb(-6)


@dataclass(frozen=True, slots=True)
class Reference:
    """Rates by (model id, pool id). What has none is measured in work units."""

    rates: Mapping[tuple[int, int], Rates] = field(default_factory=dict)

    def work(self, model_id: int, pool_id: int, context_class: int, counts: Counts) -> Decimal:
        """What some tokens weigh. Long-context rates are those that hold from the lower end of the context class on."""
        rates = self.rates.get((model_id, pool_id))
        if rates is None:
            return work_units(counts)
        input_side = BOUNDS[context_class - 1] + 1 if context_class else 0
        total = ZERO
        for kind in KINDS:
            rate = step_at(getattr(rates, kind), input_side)
            total = EXACT.fma(rate, Decimal(getattr(counts, f"{kind}_tokens")), total)
        return EXACT.multiply(total, MILLIONTH)


def step_at(steps: Steps, input_side: int) -> Decimal:
    """The rate of the highest step that an input side strictly exceeds. Pure."""
    return next((price for start, price in reversed(steps[1:]) if input_side > start), steps[0][1])


def work_units(counts: Counts) -> Decimal:
    """Tokens weighted by kind, as pools' hours are split. Pure."""
    total = ZERO
    for column, (weight, _) in WEIGHTS.items():
        total = EXACT.fma(weight, Decimal(getattr(counts, column)), total)
    return total


def at(session: Session, pairs: Iterable[tuple[int, int]], instants: Iterable[datetime]) -> Reference:
    """The rates of some (model id, pool id) at the first of some instants at which they had any."""
    wanted, ordered = set(pairs), list(instants)
    models = {row.id: row for row in session.scalars(select(Model).where(Model.id.in_({m for m, _ in wanted})))}
    pools = dict(session.execute(select(Pool.id, Pool.name).where(Pool.id.in_({p for _, p in wanted}))).all())
    book = pricing.book(session)
    found: dict[tuple[int, int], Rates] = {}
    for model_id, pool_id in wanted:
        model = models.get(model_id)
        if model is None:
            continue
        lines = (book.price_at(model.provider, model.name, pools.get(pool_id, ""), instant) for instant in ordered)
        line = next((line for line in lines if line), None)
        if line and any(step_at(getattr(line.rates, kind), 0) for kind in KINDS):
            found[model_id, pool_id] = line.rates
    return Reference(found)
