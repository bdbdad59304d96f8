"""What capacity pools had in an hour and what it cost: terms, the price book where a term names no price, measured energy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import zip_longest

from sqlalchemy.orm import Session

from trivet.fleet import service as fleet
from trivet.fleet.capacity import Stretch, Term, held, stretches
from trivet.fleet.cost import Energy, parts_of
from trivet.fleet.plan import Plan, planned
from trivet.kit.interval import Interval
from trivet.ledger import pool_evidence
from trivet.pricing import gpu
from trivet.pricing.models import GpuPrice

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
    terms = {pool_id: own for pool_id, own in terms_of(session).items() if held(own, interval)}
    energy = pool_evidence.energy(session, interval, terms) if terms else {}
    priced: dict[int, list[Stretch]] = {}
    unpriced: dict[int, list[Stretch]] = {}
    for pool_id, own in terms.items():
        for part in stretches(own, interval, partial(parts_of, hour=hour, energy=energy.get(pool_id, Energy()))):
            has_price = part.hourly is not None and bool(part.hourly.parts)
            (priced if has_price else unpriced).setdefault(pool_id, []).append(part)
    return Capacities(priced, unpriced, energy)


def plans(session: Session, interval: Interval) -> dict[int, list[Plan]]:
    """As `fleet.service.plans`, with the price book's prices where a term names none."""
    found = {pool_id: planned(own, interval) for pool_id, own in terms_of(session).items()}
    return {pool_id: own for pool_id, own in found.items() if own}


def terms_of(session: Session) -> dict[int, list[Term]]:
    """Every pool's terms, those without a price of their own cut where the price book's changes."""
    found = fleet.terms(session)
    types = {term.gpu_type for own in found.values() for term in own if takes_the_books(term)}
    prices = gpu.prices_of(session, types) if types else []
    return {pool_id: resolved(own, prices) for pool_id, own in found.items()}


def takes_the_books(term: Term) -> bool:
    """Whether a term's price is the price book's."""
    return bool(term.gpus) and not term.units and term.price_per_gpu_hour is None and term.purchased is None


def resolved(terms: Sequence[Term], prices: Sequence[GpuPrice]) -> list[Term]:
    """Terms of one pool with the book's prices, in their currency, by GPU type and kind of purchase, of any region. Pure.

    `prices` by their start. A term from before the first price stays without one until then.
    """
    found: list[Term] = []
    ordered = sorted(terms, key=lambda each: each.effective_from)
    for term, after in zip_longest(ordered, ordered[1:]):
        own = [p for p in prices if p.region == "" and (p.gpu_type, p.purchase) == (term.gpu_type, term.purchase)]
        cut = _cut(term, own) if takes_the_books(term) and own else [term]
        found += [part for part in cut if after is None or part.effective_from < after.effective_from]
    return found


def _cut(term: Term, prices: Sequence[GpuPrice]) -> list[Term]:
    """A term as one for each price, from the price's start on; of those from before the term the newest."""
    first = [term] if prices[0].effective_from > term.effective_from else []
    newest = {max(price.effective_from, term.effective_from): price for price in prices}
    return first + [
        replace(term, effective_from=start, price_per_gpu_hour=price.price_per_hour, currency=price.currency)
        for start, price in newest.items()
    ]
