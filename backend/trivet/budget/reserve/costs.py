"""What one call of a hold may cost, by the price book of this moment."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Self

from sqlalchemy.orm import Session

from trivet.budget.reserve.ask import Costs
from trivet.budget.reserve.standing import NONE, Amounts
from trivet.ingest.request.identity import model_and_version, provider_of
from trivet.kit.errors import Invalid
from trivet.kit.money import from_picos
from trivet.pricing import catalogue, exchange
from trivet.pricing import service as pricing
from trivet.pricing import unit as units
from trivet.pricing.book import PriceBook
from trivet.pricing.estimate import Bound, Estimate, worst_case_picos
from trivet.pricing.tier import tier_of


@dataclass(frozen=True, slots=True)
class Bounded:
    """The most that one call may cost. What has no bound is None there and 0 in `each`; `missing` says why."""

    each: Amounts
    money: Decimal | None
    tokens: int | None
    currency: str
    attempts: int
    missing: str
    missing_tokens: str
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """Prices and rates of exchange of a moment, read once for a whole group."""

    prices: PriceBook
    rates: exchange.Exchange
    units: units.UnitBook
    now: datetime

    @classmethod
    def of(cls, session: Session, now: datetime) -> Self:
        return cls(pricing.book(session), exchange.rates(session), units.book(session), now)


def named(costs: Costs) -> tuple[str, str]:
    """Provider and model by the names under which spans tell of them."""
    provider = provider_of(costs.provider)
    return provider, model_and_version(costs.model, provider)[0]


def bounded(market: Market, costs: Costs) -> Bounded:
    """The bound of one call; amounts that were given take the place of their estimates."""
    bound = _with_ceiling(costs)
    estimate, currency = _estimate(market, costs)
    money = costs.amount
    if money is None and estimate is not None and estimate.picos is not None:
        money = from_picos(estimate.picos)
    tokens = bound.tokens if costs.tokens is None else costs.tokens
    requests = bound.attempts if costs.requests is None else costs.requests
    return Bounded(
        Amounts(NONE if money is None else money, tokens or 0, requests),
        money,
        tokens,
        costs.currency or currency,
        max(requests, 1),
        estimate.missing if estimate else "neither an amount nor a model is given",
        "input_tokens, or max_output_tokens and the model's own ceiling, is not known",
        estimate,
    )


def _estimate(market: Market, costs: Costs) -> tuple[Estimate | None, str]:
    """The sum line by line, and its currency; no sum where no model is named."""
    if costs.amount is not None or not costs.model:
        return None, ""
    tier = tier_of(costs.tier or "standard")
    if tier is None:
        raise Invalid("Say which tier is paid for: its price is not known from this one.", field="tier")
    provider, model = named(costs)
    line = market.prices.price_at(provider, model, costs.pool, market.now, tier)
    currency = line.currency if line else ""
    rates = line.rates if line else None
    priced = _unit_prices(market, costs, provider, currency) if currency else {}
    wanted = {(unit, name) for unit, name, _ in costs.bound.tools}
    tools = {of: price for of, price in priced.items() if of in wanted}
    return worst_case_picos(_with_ceiling(costs), rates, tools, priced.get((units.REQUESTS, model), NONE)), currency


def _with_ceiling(costs: Costs) -> Bound:
    """What the model can answer at most: no more than its whole context, where the price list knows it."""
    if costs.bound.output_ceiling is not None or not costs.model:
        return costs.bound
    return replace(costs.bound, output_ceiling=catalogue.context_window(*named(costs)))


def _unit_prices(market: Market, costs: Costs, provider: str, currency: str) -> dict[tuple[str, str], Decimal]:
    """What one call of each tool and one request cost, in the model's currency; without a price or a rate: left out."""
    found: dict[tuple[str, str], Decimal] = {}
    for unit, name in {*((unit, name) for unit, name, _ in costs.bound.tools), (units.REQUESTS, named(costs)[1])}:
        line = market.units.price_at(units.Of(unit, name, provider, costs.pool), market.now)
        if line is None:
            continue
        try:
            found[unit, name] = market.rates.convert(line.price, line.currency, currency, market.now)
        except exchange.NoRate:
            continue
    return found
