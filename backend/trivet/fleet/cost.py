"""What an hour of a pool costs, part by part: rent, amortisation or commitment, power and operations. Pure and exact.

power = kWh of the cards × PUE × price of a kWh; of a card that said no energy, its declared watts for the hour.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.fleet.capacity import Hourly, Term, rent
from trivet.fleet.spread import of_month, spread
from trivet.kit.money import EXACT

WATTS_A_KILOWATT = Decimal(1000)
JOULES_A_KWH = Decimal(3_600_000)


@dataclass(frozen=True, slots=True)
class Energy:
    """What the cards of a pool said of one hour: joules together, and how many cards said any."""

    joules: Decimal = Decimal(0)
    cards: int = 0

    @property
    def kwh(self) -> Decimal:
        return EXACT.divide(self.joules, JOULES_A_KWH)


def parts_of(term: Term, hour: datetime, energy: Energy | None = None) -> Hourly:
    """What the hour that begins at `hour` costs for all of a term's capacity; a gap where it has no price.

    `energy` None: nothing was measured, as in a plan.
    """
    parts, gaps = dict(rent(term).parts), []
    if term.purchased:
        name = "commitment" if term.purchase == "reserved" else "amortisation"
        parts[name] = spread(term.purchased.total, term.purchased.start, term.purchased.months, hour)
    elif term.price_per_gpu_hour is None and not term.units:
        gaps.append(f"no price of a {term.gpu_type} hour, {term.purchase}")
    power, gap = _power(term, energy or Energy())
    if power is not None:
        parts["power"] = power
    if gap:
        gaps.append(gap)
    if term.running and term.running.operations_per_month is not None:
        parts["operations"] = of_month(term.running.operations_per_month, hour)
    return Hourly(parts, tuple(gaps))


def _power(term: Term, energy: Energy) -> tuple[Decimal | None, str]:
    """Cost of an hour's power, and what of it nobody knows."""
    running = term.running
    if running is None or running.power_price_per_kwh is None:
        return None, ""
    silent = max(term.gpus - energy.cards, 0)
    kwh, gap = energy.kwh, ""
    if silent and running.watts_per_gpu is not None:
        declared = EXACT.divide(EXACT.multiply(running.watts_per_gpu, Decimal(silent)), WATTS_A_KILOWATT)
        kwh = EXACT.add(kwh, declared)
    elif silent:
        gap = f"no energy of {silent} of {term.gpus} GPUs, and no declared watts"
    return EXACT.multiply(EXACT.multiply(kwh, running.pue), running.power_price_per_kwh), gap
