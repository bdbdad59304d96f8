"""What else changed: prices. A new price is no command, and yet the same request costs something else from then on."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.console.tongue import _
from trivet.console.views import Event
from trivet.kit.interval import Interval
from trivet.pricing.models import Price

PRICES_MAX: Final = 20
STRIP_BACK: Final = timedelta(days=2)


def prices(session: Session, interval: Interval) -> list[Price]:
    """Prices that began to hold in an interval and replaced one that a request may have been priced at, newest first."""
    query = select(Price).where(Price.effective_from >= interval.start, Price.effective_from < interval.end)
    return list(session.scalars(query.order_by(Price.effective_from.desc(), Price.id.desc()).limit(PRICES_MAX)))


def of_prices(session: Session, now: datetime) -> list[Event]:
    """Price changes of the last days, those of one provider at one instant together."""
    together: dict[tuple[datetime, str], list[str]] = {}
    for price in prices(session, Interval(now - STRIP_BACK, now)):
        together.setdefault((price.effective_from, price.provider), []).append(price.model)
    return [Event(at, "price", "", words(provider, models)) for (at, provider), models in together.items()]


def words(provider: str, models: list[str]) -> str:
    """`New price of gpt-4o at openai.`"""
    if len(models) == 1:
        return _("New price of {model} at {provider}.", model=models[0], provider=provider)
    return _("New prices of {n} models at {provider}.", n=len(models), provider=provider)
