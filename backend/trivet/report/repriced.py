"""What the tokens of the last days would have cost at another price. Only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.models import Pool
from trivet.kit.interval import Interval
from trivet.kit.money import from_picos
from trivet.pricing.book import ANY, Key, PriceBook
from trivet.pricing.rate import KINDS, Rates, Tokens, cost_picos
from trivet.pricing.service import known_ids
from trivet.pricing.tier import STANDARD
from trivet.report import tokens
from trivet.report.grain import DAY
from trivet.report.tokens import Counts

DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Repriced:
    """Tokens of the last `DAYS` whole UTC days, and how much more they would have cost; below zero: less."""

    tokens: int
    more: Decimal


def repriced(session: Session, book: PriceBook, key: Key, old: Rates, new: Rates, *, now: datetime) -> Repriced | None:
    """Of the calls that take the price of `key`. None where sums of tokens do not say it: rates have steps, which go by
    the size of each request; the model is sold in several tiers, which usage does not keep apart; nobody called it.
    """
    if not (_flat(old) and _flat(new)) or key.tier != STANDARD:
        return None
    others = [each for each in book.by_key if (each.provider, each.model) == (key.provider, key.model)]
    if any(each.tier != STANDARD for each in others):
        return None
    found = _counts(session, key, {each.pool for each in others} - {ANY}, now)
    if not found.tokens:
        return None
    spent = Tokens(*(getattr(found, f"{kind}_tokens") for kind in KINDS))
    return Repriced(found.tokens, from_picos(cost_picos(spent, new) - cost_picos(spent, old)))


def _flat(rates: Rates) -> bool:
    return all(len(getattr(rates, kind)) == 1 for kind in KINDS)


def _counts(session: Session, key: Key, priced_pools: set[str], now: datetime) -> Counts:
    """What was used of a model: on its pool, or on all those that have no price of their own."""
    model = known_ids(session, [(key.provider, key.model)]).get((key.provider, key.model))
    if model is None:
        return Counts()
    end = DAY.floor(now)
    where: Mapping[str, Any] = {"model_id": [model]}
    by_pool = tokens.counts(session, Interval(end - timedelta(days=DAYS), end), ["pool_id"], where)
    wanted = {key.pool} if key.pool else priced_pools
    named = set(session.scalars(select(Pool.id).where(Pool.name.in_(wanted)))) if wanted else set()
    return sum((each for (pool,), each in by_pool.items() if (pool in named) == bool(key.pool)), Counts())
