"""Which windows a group of holds falls under, found and locked together: a handful of statements for all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.budget.book import Book, book
from trivet.budget.book import Standing as Terms
from trivet.budget.centres import centres_of
from trivet.budget.limits import Subject, WindowKey, falls_under, window_key
from trivet.budget.reserve.costs import Bounded, Market
from trivet.budget.reserve.decide import ONE, Layer, in_window
from trivet.budget.reserve.standing import NONE, Amounts, Measure
from trivet.budget.service import windows_of
from trivet.identity.models import ApiKey
from trivet.kit.money import EXACT
from trivet.pricing import exchange

Under = tuple[Terms, WindowKey | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose calls they are, and from when to when they may happen."""

    subject: Subject
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """The limits of each hold, and the id of each window."""

    under: list[list[Under]]
    ids: dict[WindowKey, int]


def find(session: Session, asked: Iterable[Asked]) -> Found:
    """Limits at the start of each hold, and those of the next window where it may end there; windows that are missing
    are made.
    """
    look = _Look(session, book(session))
    under = [look.under(each) for each in asked]
    wanted = {key: terms for own in under for terms, key in own if key is not None}
    return Found(under, windows_of(session, wanted))


class _Look:
    """Looks for limits; what was found for one hold of a group serves all that are alike."""

    def __init__(self, session: Session, budgets: Book) -> None:
        self._session, self._budgets = session, budgets
        self._held: dict[datetime, list[Terms]] = {}
        self._centres: dict[int, tuple[int, ...]] = {}
        self._found: dict[Asked, list[Under]] = {}

    def under(self, asked: Asked) -> list[Under]:
        found = self._found.get(asked)
        if found is None:
            found = self._found[asked] = list(self._limits(asked).values())
        return found

    def _limits(self, asked: Asked) -> dict[tuple[int, WindowKey | None, int], Under]:
        found: dict[tuple[int, WindowKey | None, int], Under] = {}
        for at in (asked.start, asked.end):
            if at not in self._held:
                self._held[at] = list(self._budgets.at(at))
            standings = self._held[at]
            centres = self._centres_of(asked.subject.tenant_id, standings, asked.start)
            for terms, subject_id in falls_under(standings, asked.subject, centres):
                key = window_key(terms, subject_id, asked.subject.interaction, at)
                found.setdefault((terms.id, key, subject_id), (terms, key))
        return found

    def _centres_of(self, tenant_id: int, standings: Iterable[Terms], at: datetime) -> tuple[int, ...]:
        if not any(each.scope == "cost_centre" for each in standings):
            return ()
        if tenant_id not in self._centres:
            self._centres[tenant_id] = centres_of(self._session, tenant_id, at)
        return self._centres[tenant_id]


def layers(
    market: Market, under: Iterable[Under], ids: dict[WindowKey, int], bounded: Bounded, amounts: Amounts
) -> list[Layer]:
    """What a hold would take of each of its limits; of one that judges each request, what one attempt may cost."""
    return [_layer(market, terms, None if key is None else (ids[key], key), bounded, amounts) for terms, key in under]


def _layer(
    market: Market, terms: Terms, window: tuple[int, WindowKey] | None, bounded: Bounded, amounts: Amounts
) -> Layer:
    measure = cast("Measure", terms.measure)
    rate, missing = _rate(market, terms, bounded)
    needed = amounts if window else _once(bounded)
    return Layer(
        window[0] if window else None, terms.name, terms.scope, measure, terms.currency, terms.terms.limit,
        terms.terms.hard, terms.terms.unknown_price == "open",
        None if missing else in_window(needed, measure, rate), missing, rate,
        window[1].ends_at if window and terms.window != "interaction" else None, terms.terms.unreachable,
    )  # fmt: skip


def _once(bounded: Bounded) -> Amounts:
    """What one attempt may cost: a limit of a request judges each of them on its own."""
    each = bounded.each
    return Amounts(EXACT.divide(each.money, Decimal(bounded.attempts)), -(-each.tokens // bounded.attempts), 1)


def _rate(market: Market, terms: Terms, bounded: Bounded) -> tuple[Decimal, str]:
    """The budget's money for one of the hold's, and why the hold has no bound in it."""
    if terms.measure == "tokens":
        return ONE, bounded.missing_tokens if bounded.tokens is None else ""
    if terms.measure == "requests":
        return ONE, ""
    if bounded.money is None:
        return ONE, bounded.missing
    if not bounded.currency or bounded.currency == terms.currency:
        return ONE, ""
    try:
        return kept_rate(market.rates.rate_at(bounded.currency, terms.currency, market.now).rate), ""
    except exchange.NoRate as unknown:
        return NONE, str(unknown)  # its sum is in money that this budget does not know: held at nothing


def kept_rate(rate: Decimal) -> Decimal:
    """A rate with as many places as its row keeps, so that what is read back is what was held."""
    return EXACT.quantize(rate, Decimal(1).scaleb(-18))


def tenants_of_keys(session: Session, keys: Iterable[int]) -> dict[int, int | None]:
    """The tenant that each API key is bound to; keys that are not there are left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    query = select(ApiKey.id, ApiKey.tenant_id).where(ApiKey.id.in_(wanted))
    return dict(session.execute(query).all())
