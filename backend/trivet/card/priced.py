"""What models cost, as `order` compares them: a million tokens in and a million out, at the smallest step."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.kit.money import EXACT
from trivet.pricing import service as pricing
from trivet.pricing.book import ANY
from trivet.pricing.tier import STANDARD


def of_models(session: Session, currency: str, now: datetime) -> dict[str, Decimal]:
    """The standard price of each model by its name, in one currency; the cheapest where several providers have it."""
    found: dict[str, Decimal] = {}
    for key, line in pricing.book(session).held(now):
        if (key.pool, key.tier, line.currency) == (ANY, STANDARD, currency):
            price = EXACT.add(line.rates.input[0][1], line.rates.output[0][1])
            found[key.model] = min(price, found.get(key.model, price))
    return found
