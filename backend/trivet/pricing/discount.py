"""Contract discounts: a percentage off list prices, by provider, model and pool, dated."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.kit.errors import Invalid
from trivet.pricing import dated
from trivet.pricing.models import Discount

WHOLE = Decimal(100)


def add(
    session: Session,
    *,
    provider: str,
    model: str,
    pool: str,
    percent: Decimal,
    effective_from: datetime,
    ends: datetime | None,
    source: str,
    actor: str,
) -> Discount:
    """A new discount. It holds for requests that come from now on; what was priced keeps its cost."""
    if not 0 <= percent <= WHOLE:
        raise Invalid("A discount is 0 to 100 percent.", field="percent")
    if ends is not None and ends <= effective_from:
        raise Invalid("`ends` is later than `effective_from`.", field="ends")
    row = {
        "provider": provider,
        "model": model,
        "pool": pool,
        "percent": percent,
        "effective_from": effective_from,
        "ends": ends,
        "source": source,
    }
    return dated.add(session, Discount, row, actor=actor)
