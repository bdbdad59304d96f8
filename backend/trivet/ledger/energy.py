"""Energy of pools and models, and how much a million tokens took. Reading only.

A pool's energy is what its cards said (`hw.energy`), before PUE. Its models share it by their work units, as they share its
cost; tokens are all tokens of its requests, whatever their kind.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO, of_million
from trivet.ledger import pool_evidence
from trivet.ledger.reading import HOUR_S
from trivet.ledger.work import WEIGHTS
from trivet.rollup.cover import cover
from trivet.rollup.read import counts, sums

TOKENS = tuple(WEIGHTS)


@dataclass(frozen=True, slots=True)
class Used:
    """Energy and tokens of a pool, or of one model on it. `kwh` None: no card said any."""

    kwh: Decimal | None
    tokens: int

    @property
    def kwh_per_million_tokens(self) -> Decimal | None:
        """None where no card said any, or no token was served."""
        if self.kwh is None or not self.tokens:
            return None
        return of_million(self.kwh, self.tokens)


def by_pool(session: Session, interval: Interval, pools: Collection[int] | None = None) -> dict[int, Used]:
    """Energy and tokens of pools in an interval of whole hours, by pool id; pools with neither are not there."""
    kwh = _kwh(session, interval, pools)
    where = {} if pools is None else {"pool_id": pools}
    tokens = {
        key[0]: sum(each) for key, each in counts(session, interval, ["pool_id"], TOKENS, where).items() if key[0]
    }
    return {pool_id: Used(kwh.get(pool_id), tokens.get(pool_id, 0)) for pool_id in sorted(kwh.keys() | tokens.keys())}


def by_model(session: Session, interval: Interval, pools: Collection[int] | None = None) -> dict[tuple[int, int], Used]:
    """The same by (pool id, model id): a pool's energy by the work units of its models."""
    kwh = _kwh(session, interval, pools)
    where = {} if pools is None else {"pool_id": pools}
    found = {
        key: each for key, each in counts(session, interval, ["pool_id", "model_id"], TOKENS, where).items() if key[0]
    }
    work = {key: _work(each) for key, each in found.items()}
    whole: dict[int, Decimal] = {}
    for (pool_id, _), own in work.items():
        whole[pool_id] = EXACT.add(whole.get(pool_id, Decimal(0)), own)
    return {
        key: Used(_share(kwh.get(key[0]), work[key], whole[key[0]]), sum(each)) for key, each in sorted(found.items())
    }


def tokens_by_hour(session: Session, interval: Interval, pool_id: int) -> dict[datetime, int]:
    """All tokens of a pool's requests, by the hour in which they ended."""
    found = sums(session, interval, ["bucket"], TOKENS, {"pool_id": [pool_id]}, grain_s=HOUR_S)
    return {key[0]: int(sum(each)) for key, each in found.items()}


def _share(kwh: Decimal | None, own: Decimal, whole: Decimal) -> Decimal | None:
    if kwh is None or not whole:
        return kwh
    return EXACT.quantize(EXACT.divide(EXACT.multiply(kwh, own), whole), PICO)


def _work(tokens: Collection[int]) -> Decimal:
    total = Decimal(0)
    for (weight, _), count in zip(WEIGHTS.values(), tokens, strict=True):
        total = EXACT.fma(weight, Decimal(count), total)
    return total


def _kwh(session: Session, interval: Interval, pools: Collection[int] | None) -> dict[int, Decimal]:
    """Measured energy of an interval of whole hours, by pool; instances of a divided card are in their card's."""
    cover(interval, HOUR_S)  # refuses other ends
    found = pool_evidence.energy(session, interval, pools)
    return {pool_id: EXACT.quantize(each.kwh, PICO) for pool_id, each in found.items()}
