"""The price book of the database: read it, fill it on first sight, add to it."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db, outbox
from trivet.identity import audit
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.errors import Conflict, NotFound
from trivet.pricing import catalogue
from trivet.pricing.book import ENTERED, Key, Off, PriceBook, PriceLine
from trivet.pricing.models import Discount, Model, Price, PriceEnd
from trivet.pricing.rate import Rates
from trivet.pricing.tier import STANDARD

Pair = tuple[str, str]  # (provider, model)
_State = tuple[int, ...]
T = TypeVar("T")

ENTERED_SOURCE = "entered"  # of a price whose origin its author did not state
STATEMENT_ROWS = 500  # a statement that names thousands of pairs is more than PostgreSQL's stack holds

_cache: dict[str, tuple[_State, PriceBook]] = {}
_reading = threading.Lock()
db.caches.append(_cache.clear)

_KEY = (Price.provider, Price.model, Price.pool, Price.tier)
_STATE = select(*(
    part
    for table in (Price, PriceEnd, Discount)
    for part in (
        select(func.coalesce(func.max(table.id), 0)).scalar_subquery(),
        select(func.count()).select_from(table).scalar_subquery(),
    )
))  # fmt: skip


def book(session: Session) -> PriceBook:
    """The price book as this transaction sees it; read anew only when rows were added.

    Rows are only ever added, so the newest id of each table and their count together tell: the count also moves when a
    transaction with a lower id commits later.
    """
    state = tuple(session.execute(_STATE).one())
    with _reading:
        cached = _cache.get("book")
        if cached and cached[0] == state:
            return cached[1]
    made = _read(session)
    with _reading:
        _cache["book"] = (state, made)
    return made


def _read(session: Session) -> PriceBook:
    ended = select(PriceEnd.provider, PriceEnd.model, PriceEnd.pool, PriceEnd.tier, PriceEnd.effective_from)
    rows: list[tuple[Key, datetime, PriceLine | None]] = [
        (Key(provider, model, pool, tier, ENTERED), start, None)
        for provider, model, pool, tier, start in session.execute(ended)
    ]  # before the prices: one that starts where another ends holds
    listed = select(*_KEY, Price.layer, Price.effective_from, Price.id, Price.currency, Price.rates)
    for provider, model, pool, tier, layer, start, row_id, currency, raw in session.execute(listed):
        rates = Rates.parse(raw)
        rows.append((Key(provider, model, pool, tier, layer), start, PriceLine(row_id, currency, rates, rates)))
    off = (Discount.provider, Discount.model, Discount.pool, Discount.effective_from, Discount.percent, Discount.ends)
    discounts = [((row[0], row[1], row[2]), row[3], Off(row[4], row[5])) for row in session.execute(select(*off))]
    return PriceBook.of(rows, discounts)


def model_ids(session: Session, pairs: Iterable[Pair]) -> dict[Pair, int]:
    """Id of each (provider, model); pairs never met are added, in order, so that writers do not deadlock."""
    wanted = sorted(set(pairs))
    if not wanted:
        return {}
    known = known_ids(session, wanted)
    missing = [{"provider": provider, "name": name} for provider, name in wanted if (provider, name) not in known]
    for chunk in _chunks(missing):
        session.execute(insert(Model).values(chunk).on_conflict_do_nothing())
    return known_ids(session, wanted) if missing else known


def known_ids(session: Session, pairs: Sequence[Pair]) -> dict[Pair, int]:
    """Id of each (provider, model) that was met before."""
    wanted = tuple_(Model.provider, Model.name)
    return {
        (provider, name): row_id
        for chunk in _chunks(pairs)
        for provider, name, row_id in session.execute(
            select(Model.provider, Model.name, Model.id).where(wanted.in_(chunk))
        )
    }


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[i : i + STATEMENT_ROWS] for i in range(0, len(items), STATEMENT_ROWS))


def on_first_sight(session: Session, pairs: Iterable[Pair], *, now: datetime | None = None) -> int:
    """List prices for those pairs that have none at all yet; says how many rows it added.

    A pair that a person has priced is left alone. Two processes that meet a model at once add it once.
    """
    at = now or utc_now()
    wanted = sorted({pair for pair in pairs if pair[1]})
    if not wanted:
        return 0
    named = tuple_(Price.provider, Price.model)
    priced = {
        (provider, model)
        for chunk in _chunks(wanted)
        for provider, model in session.execute(
            select(Price.provider, Price.model).where(named.in_(chunk), Price.pool == "").distinct()
        )
    }
    rows = [row for pair in wanted if pair not in priced for row in _list_prices(pair, at)]
    return sum(
        len(session.execute(insert(Price).values(chunk).on_conflict_do_nothing().returning(Price.id)).all())
        for chunk in _chunks(rows)
    )


def _list_prices(pair: Pair, now: datetime) -> list[dict[str, Any]]:
    provider, model = pair
    return [
        {
            "provider": provider,
            "model": model,
            "pool": "",
            "effective_from": found.effective_from,
            "currency": catalogue.CURRENCY,
            "rates": found.rates,
            "source": catalogue.source(),
            "author": "trivet",
        }
        for found in catalogue.find(provider, model, now)
    ]


def add_price(
    session: Session,
    *,
    provider: str,
    model: str,
    pool: str,
    effective_from: datetime,
    currency: str,
    rates: Mapping[str, Any],
    actor: str,
    tier: str = STANDARD,
    source: str = ENTERED_SOURCE,
) -> Price:
    """A new price by a person: above all imported ones, until it ends. It prices what comes, and (by a task) requests
    that had none; priced requests keep theirs.
    """
    row = {
        "provider": provider,
        "model": model,
        "pool": pool,
        "tier": tier,
        "layer": ENTERED,
        "effective_from": effective_from,
        "currency": currency,
        "rates": dict(rates),
        "source": source,
        "author": actor,
    }
    made: Price | None = session.scalar(insert(Price).values(row).on_conflict_do_nothing().returning(Price))
    if made is None:
        raise Conflict(
            f"{provider} {model} has a price from {rfc3339(effective_from)} already. Prices are never edited: "
            "add one with a later effective_from.",
            field="effective_from",
        )
    outbox.send(session, "ingest.price_unpriced", made.id)
    after = row | {"effective_from": rfc3339(effective_from)}
    audit.record(session, actor=actor, action="price.add", subject=f"price:{made.id}", after=after)
    return made


def end_override(
    session: Session, *, provider: str, model: str, pool: str, tier: str, effective_from: datetime, actor: str
) -> PriceEnd:
    """From an instant on what a person entered holds no more: the imported price does again, or none."""
    entered = select(Price.id).where(
        Price.provider == provider,
        Price.model == model,
        Price.pool == pool,
        Price.tier == tier,
        Price.layer == ENTERED,
        Price.effective_from < effective_from,
    )
    if session.scalar(entered.limit(1)) is None:
        raise NotFound(f"Nobody entered a price of {provider} {model} that holds before {rfc3339(effective_from)}.")
    row = {
        "provider": provider,
        "model": model,
        "pool": pool,
        "tier": tier,
        "effective_from": effective_from,
        "author": actor,
    }
    made: PriceEnd | None = session.scalar(insert(PriceEnd).values(row).on_conflict_do_nothing().returning(PriceEnd))
    if made is None:
        raise Conflict(f"It ends at {rfc3339(effective_from)} already.", field="effective_from")
    after = row | {"effective_from": rfc3339(effective_from)}
    audit.record(session, actor=actor, action="price.end", subject=f"price_end:{made.id}", after=after)
    return made
