"""Import a price list: shown first, then entered as dated rows beneath what people entered. Twice is once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict
from trivet.pricing import catalogue, service
from trivet.pricing.book import IMPORTED
from trivet.pricing.importing.offer import Offer, PriceList, Sold, Unsayable
from trivet.pricing.importing.preview import CHANGED, NEW, Preview, preview
from trivet.pricing.models import Model, Price

ROWS_MAX = 500  # of one statement
UNKNOWN = "the package has no price of it that text tokens alone say"


def genai_prices(session: Session, at: datetime) -> PriceList:
    """What the `genai-prices` package says now of every model that was met or has a price."""
    met = session.execute(select(Model.provider, Model.name).where(Model.name != ""))
    listed = session.execute(select(Price.provider, Price.model).distinct())
    offers, unsayable = [], []
    for provider, model in sorted({(row[0], row[1]) for row in (*met, *listed)}):
        found = catalogue.find(provider, model, at)
        if found:
            offers.append(Offer(Sold(provider, model, ""), catalogue.CURRENCY, found[-1].rates))
        else:
            unsayable.append(Unsayable(f"{provider}/{model}", UNKNOWN))
    return PriceList(catalogue.source(), tuple(offers), tuple(unsayable))


def look(session: Session, offered: PriceList, effective_from: datetime) -> Preview:
    """What entering a list would change. Changes nothing."""
    return preview(offered, service.book(session), effective_from)


def enter(session: Session, offered: PriceList, effective_from: datetime, actor: str) -> Preview:
    """Enter what is new and what changed, all or none; what people entered goes on to hold above it."""
    seen = look(session, offered, effective_from)
    rows = [_row(change.offer, seen, actor) for state in (NEW, CHANGED) for change in seen.of(state)]
    if not rows:
        return seen
    made = sum(_insert(session, rows[start : start + ROWS_MAX]) for start in range(0, len(rows), ROWS_MAX))
    if made < len(rows):
        raise Conflict(
            f"{len(rows) - made} of these models have another imported price from {rfc3339(effective_from)} already. "
            "Prices are never edited: import from a later instant.",
            field="effective_from",
        )
    outbox.send(session, "ingest.price_unpriced")
    after = {"effective_from": rfc3339(effective_from), **seen.counts}
    audit.record(session, actor=actor, action="price.import", subject=f"prices:{seen.source}", after=after)
    return seen


def _insert(session: Session, rows: Sequence[dict[str, Any]]) -> int:
    return len(session.execute(insert(Price).values(rows).on_conflict_do_nothing().returning(Price.id)).all())


def _row(offer: Offer, seen: Preview, actor: str) -> dict[str, Any]:
    provider, model, tier = offer.sold
    return {
        "provider": provider,
        "model": model,
        "pool": "",
        "tier": tier,
        "layer": IMPORTED,
        "effective_from": seen.effective_from,
        "currency": offer.currency,
        "rates": dict(offer.rates),
        "source": seen.source,
        "author": actor,
    }
