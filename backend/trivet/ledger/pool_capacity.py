"""What capacity pools had in an hour and what it cost: terms, the price book where a term names no price, measured energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from trivet.fleet import service as fleet
from trivet.fleet.capacity import Hourly, Stretch, Term, held, stretches
from trivet.fleet.cost import Energy, parts_of
from trivet.kit.interval import Interval
from trivet.ledger import pool_evidence

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Capacities:
    """An hour's capacity by pool id; what has no price at all costs nothing yet and its requests are metered."""

    priced: dict[int, list[Stretch]]
    unpriced: dict[int, list[Stretch]]
    energy: Mapping[int, Energy]


NONE = Capacities({}, {}, {})


def capacities(session: Session, hour: datetime) -> Capacities:
    """Capacity of an hour by pool; pools without any are in neither."""
    interval = Interval(hour, hour + HOUR)
    terms = {pool_id: own for pool_id, own in fleet.terms(session).items() if held(own, interval)}
    energy = pool_evidence.energy(session, hour, terms) if terms else {}
    priced: dict[int, list[Stretch]] = {}
    unpriced: dict[int, list[Stretch]] = {}
    for pool_id, own in terms.items():
        price = partial(_hourly, session, hour, energy.get(pool_id, Energy()))
        for part in stretches(own, interval, price):
            (priced if part.hourly and part.hourly.parts else unpriced).setdefault(pool_id, []).append(part)
    return Capacities(priced, unpriced, energy)


def _hourly(session: Session, hour: datetime, energy: Energy, term: Term) -> Hourly:
    del session
    return parts_of(term, hour, energy)
