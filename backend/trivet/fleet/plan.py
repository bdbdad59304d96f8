"""What was planned of each pool: the terms of the formula, before anything was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.fleet import terms
from trivet.fleet.capacity import Hourly, Term, held, rent
from trivet.fleet.cost import parts_of
from trivet.kit.clock import floor
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Plan:
    """One stretch of a pool at one term.

    `gpus` are GPUs, or units of provisioned throughput. `price_per_gpu_hour` of one of them, exact; None where the price
    book has it (`gpu_type`, `purchase`). Of owned and reserved capacity it is that of the stretch's first hour, with
    power at the declared watts. Tokens are work units.
    """

    start: datetime
    end: datetime
    gpus: int
    price_per_gpu_hour: Decimal | None
    currency: str
    purchase: str
    gpu_type: str
    load_test_tokens_per_gpu_hour: Decimal | None
    planned_utilisation: Decimal | None


def plans(session: Session, interval: Interval) -> dict[int, list[Plan]]:
    """By pool id, the stretches of an interval in which it had capacity, oldest first."""
    found = {pool_id: planned(own, interval) for pool_id, own in terms.terms(session).items()}
    return {pool_id: own for pool_id, own in found.items() if own}


def planned(own: Sequence[Term], interval: Interval) -> list[Plan]:
    """Of one pool. Pure."""
    return [
        Plan(
            start,
            end,
            term.size,
            price_of(term, start),
            term.currency,
            term.purchase,
            term.gpu_type,
            term.work_per_unit_hour if term.units else term.load_test_tokens_per_gpu_hour,
            term.planned_utilisation,
        )
        for term, start, end in held(own, interval)
    ]


def price_of(term: Term, at: datetime) -> Decimal | None:
    """Planned price of an hour of one GPU or unit; None where the price book has it."""
    hourly: Hourly = (
        rent(term) if term.purchased is None and term.running is None else parts_of(term, floor(at, HOUR_S))
    )
    if not hourly.parts:
        return None
    return EXACT.divide(hourly.per_hour, Decimal(term.size))
