"""What is known of an hour before anything is posted: read once, given to each source."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.fleet.capacity import Stretch
from trivet.kit.interval import Interval
from trivet.ledger import reading
from trivet.ledger.line import CostCentres
from trivet.ledger.pool_capacity import NONE, Capacities, capacities
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
    pools: Capacities = NONE  # the same capacity, what has no price, and energy


def known_of(session: Session, hour: datetime) -> Known:
    """Read an hour that is still kept."""
    pools = capacities(session, hour)
    return Known(
        hour,
        pools.priced,
        reading.costs(session, hour),
        cost_centres_at(session, hour),
        bool(facts.rows_gone(session, Interval(hour, hour + HOUR))),
        pools,
    )
