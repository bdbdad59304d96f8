"""What is known of an hour before anything is posted: read once, given to each source."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.fleet import service as fleet
from trivet.fleet.capacity import Stretch, stretches
from trivet.kit.interval import Interval
from trivet.ledger import reading
from trivet.ledger.posting import CostCentres
from trivet.ledger.reading import HOUR, Costs
from trivet.tenant.service import cost_centres_at


@dataclass(frozen=True, slots=True)
class Known:
    """One hour: capacity by pool id, provisional costs, who is charged to whom, and whether its requests are gone."""

    hour: datetime
    capacity: dict[int, list[Stretch]]
    costs: Costs
    centres: CostCentres
    rows_gone: bool


def known_of(session: Session, hour: datetime) -> Known:
    """Read an hour that is still kept."""
    return Known(
        hour,
        capacities(session, hour),
        reading.costs(session, hour),
        cost_centres_at(session, hour),
        bool(facts.rows_gone(session, Interval(hour, hour + HOUR))),
    )


def capacities(session: Session, hour: datetime) -> dict[int, list[Stretch]]:
    """Capacity of an hour by pool; pools without any are not there, and their requests are metered."""
    interval = Interval(hour, hour + HOUR)
    found = {pool_id: stretches(terms, interval) for pool_id, terms in fleet.terms(session).items()}
    return {pool_id: parts for pool_id, parts in found.items() if parts}
