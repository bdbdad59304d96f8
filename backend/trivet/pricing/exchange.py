"""Rates of exchange: dated rows that are never edited, and a pure conversion with what held at an instant.

A rate holds from the start of its UTC day until the next of its pair. Between two currencies the newer of the direct and
the inverse rate is taken, else one currency that has rates with both. Without any, `NoRate` says which to enter: no
amount is ever taken over as it is.
"""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Self

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db, outbox
from trivet.identity import audit
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid
from trivet.kit.money import EXACT, PICO
from trivet.pricing.models import ExchangeRate

ONE = Decimal(1)
RATE_LIMIT = Decimal(10**9)
_Pair = tuple[str, str]
_State = tuple[int, int]

_cache: dict[str, tuple[_State, "Exchange"]] = {}
_reading = threading.Lock()
db.caches.append(_cache.clear)


class NoRate(Invalid):
    """Two currencies between which nobody entered a rate that held then."""


@dataclass(frozen=True, slots=True)
class Held:
    """A rate that held: units of the second currency for one of the first; since when; by way of which currency."""

    rate: Decimal
    since: date
    via: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """All rates: by (from, to) the days they start on, ascending, and what they are."""

    by_pair: Mapping[_Pair, tuple[tuple[date, ...], tuple[Decimal, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, date, Decimal]]) -> Self:
        """Rows of (from, to, effective_from, rate) in any order."""
        grouped: dict[_Pair, list[tuple[date, Decimal]]] = {}
        for source, target, day, rate in rows:
            grouped.setdefault((source, target), []).append((day, rate))
        ordered = {pair: sorted(found, key=lambda row: row[0]) for pair, found in grouped.items()}
        return cls({pair: (tuple(d for d, _ in each), tuple(r for _, r in each)) for pair, each in ordered.items()})

    def convert(self, amount: Decimal, from_currency: str, to_currency: str, at: datetime) -> Decimal:
        """The amount in another currency, rounded once, half even, to picos. `NoRate` where no rate held at `at`."""
        if from_currency == to_currency:
            return amount
        return EXACT.quantize(EXACT.multiply(amount, self.rate_at(from_currency, to_currency, at).rate), PICO)

    def rate_at(self, from_currency: str, to_currency: str, at: datetime) -> Held:
        """The rate that held at an instant, with where it comes from; `NoRate` where there is none."""
        day = at.astimezone(UTC).date()
        if from_currency == to_currency:
            return Held(ONE, day)
        found = self._either(from_currency, to_currency, day) or self._through(from_currency, to_currency, day)
        if found is None:
            raise NoRate(
                f"No rate from {from_currency} to {to_currency} held on {day}: enter one that starts on that day or "
                "before, with POST /api/v1/exchange-rates or on the page Prices.",
                field="currency",
            )
        return found

    def _either(self, source: str, target: str, day: date) -> Held | None:
        """The newer of the direct rate and the inverse of the other way; the direct one where they start together."""
        direct, other = self._on(source, target, day), self._on(target, source, day)
        if other is None or (direct and direct.since >= other.since):
            return direct
        return Held(EXACT.divide(ONE, other.rate), other.since)

    def _through(self, source: str, target: str, day: date) -> Held | None:
        """By way of one more currency: the one whose older leg is the newest, then the first by name."""
        best: Held | None = None
        for pivot in sorted({name for pair in self.by_pair for name in pair} - {source, target}):
            first, second = self._either(source, pivot, day), self._either(pivot, target, day)
            if first is None or second is None:
                continue
            since = min(first.since, second.since)
            if best is None or since > best.since:
                best = Held(EXACT.multiply(first.rate, second.rate), since, pivot)
        return best

    def _on(self, source: str, target: str, day: date) -> Held | None:
        days, found = self.by_pair.get((source, target), ((), ()))
        index = bisect_right(days, day)
        return Held(found[index - 1], days[index - 1]) if index else None


def rates(session: Session) -> Exchange:
    """All rates as this transaction sees them; read anew only when some were added."""
    found = session.execute(select(func.coalesce(func.max(ExchangeRate.id), 0), func.count())).one()
    state = (int(found[0]), int(found[1]))
    with _reading:
        cached = _cache.get("rates")
        if cached and cached[0] == state:
            return cached[1]
    columns = (ExchangeRate.from_currency, ExchangeRate.to_currency, ExchangeRate.effective_from, ExchangeRate.rate)
    made = Exchange.of((row[0], row[1], row[2], row[3]) for row in session.execute(select(*columns)))
    with _reading:
        _cache["rates"] = (state, made)
    return made


def add_rate(
    session: Session,
    *,
    from_currency: str,
    to_currency: str,
    effective_from: date,
    rate: Decimal,
    source: str,
    actor: str,
) -> ExchangeRate:
    """A new rate: `rate` units of the second currency for one of the first, from the start of that UTC day on."""
    if from_currency == to_currency:
        raise Invalid("A currency needs no rate to itself.", field="to_currency")
    if not 0 < rate < RATE_LIMIT:
        raise Invalid(f"A rate is more than 0 and less than {RATE_LIMIT}.", field="rate")
    row = {
        "from_currency": from_currency,
        "to_currency": to_currency,
        "effective_from": effective_from,
        "rate": rate,
        "source": source,
        "author": actor,
    }
    made: ExchangeRate | None = session.scalar(
        insert(ExchangeRate).values(row).on_conflict_do_nothing().returning(ExchangeRate)
    )
    if made is None:
        raise Conflict(
            f"{from_currency} to {to_currency} has a rate from {effective_from} already. Rates are never edited: add one "
            "with a later effective_from.",
            field="effective_from",
        )
    outbox.send(session, "ledger.rate_added", rfc3339(datetime.combine(effective_from, time(), UTC)))
    after = row | {"effective_from": effective_from.isoformat(), "rate": format(rate, "f")}
    audit.record(session, actor=actor, action="exchange_rate.add", subject=f"exchange_rate:{made.id}", after=after)
    return made
