"""Metered supply: requests at their standard cost, charged to their tenants."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from trivet.ledger import book
from trivet.ledger.book import Source
from trivet.ledger.hour import Known
from trivet.ledger.posting import metered_entries

METERED = Source("metered", "metered", "standard-1")
AT_STANDARD = "Requests at their standard cost."


def post(session: Session, known: Known) -> Iterable[int | None]:
    """Requests of an hour that no pool's capacity pays for."""
    metered = {key: cost for key, cost in known.costs.items() if key[1] not in known.capacity}
    yield book.post(session, METERED, known.hour, metered_entries(metered, known.centres), AT_STANDARD)
