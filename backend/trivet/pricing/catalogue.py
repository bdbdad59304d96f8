"""First prices out of the `genai-prices` package, as rows of ours. Pure reading of its bundled data; no network.

Not every price there can be said in ours. What cannot is left out, so that it shows as unpriced and not as too little:
prices by time of day, charges per request, and models whose output is priced in other units than tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelPrice, StartDateConstraint, TieredPrices

from trivet.kit.errors import Invalid
from trivet.pricing.rate import plain_price

PACKAGE = "genai-prices"
CURRENCY = "USD"
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

# Provider names of the GenAI conventions (and of LiteLLM) that the package does not know by themselves.
PROVIDERS = {
    "x_ai": "x-ai",
    "gcp.gen_ai": "google",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure_ai": "azure",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "z_ai": "zai",
}
# Where the first has no such model, the maker's list price is what the reseller charges as well.
THEN = {"azure": "openai"}

KINDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}


@dataclass(frozen=True, slots=True)
class ListPrice:
    """One dated list price."""

    effective_from: datetime
    rates: dict[str, list[list[Any]]]


def source() -> str:
    """What a row's `source` says: `genai-prices 0.2.3`."""
    return f"{PACKAGE} {version(PACKAGE)}"


def find(provider: str, model: str, now: datetime) -> list[ListPrice]:
    """List prices in force up to `now`, oldest first; empty where the package knows none that we can say."""
    info = _model_info(provider, model)
    if info is None:
        return []
    listed = [ConditionalPrice(prices=info.prices)] if isinstance(info.prices, ModelPrice) else info.prices
    dated = [(_start(each), rates_of(each.prices)) for each in listed]
    if any(start is None or rates is None for start, rates in dated):
        return []
    found = {start: rates for start, rates in dated if start is not None and rates and start <= now}
    return [ListPrice(start, rates) for start, rates in sorted(found.items())]


def _model_info(provider: str, model: str) -> Any | None:
    for name in _names(provider.lower().strip()):
        try:
            _, info = get_snapshot().find_provider_model(model, None, name, None)
        except LookupError:
            continue
        return info
    return None


def _names(provider: str) -> Iterator[str]:
    """Names to look under. Where a span says no provider there is none: an open model runs anywhere, at any price."""
    name = PROVIDERS.get(provider, provider)
    if name:
        yield name
    if name in THEN:
        yield THEN[name]


def _start(price: ConditionalPrice) -> datetime | None:
    if price.constraint is None:
        return ALWAYS
    if isinstance(price.constraint, StartDateConstraint):
        return datetime.combine(price.constraint.start_date, datetime.min.time(), UTC)
    return None


def rates_of(prices: ModelPrice) -> dict[str, list[list[Any]]] | None:
    """`Price.rates` of one of the package's prices; None where tokens alone do not say what a request costs."""
    named = {key: value for key, value in vars(prices).items() if value is not None}
    if "input_mtok" not in named or "requests_kcount" in named:
        return None
    if "output_mtok" not in named:
        if any(key.startswith("output_") for key in named):
            return None
        named["output_mtok"] = Decimal(0)  # embeddings and the like: there is no output to pay
    try:
        return {kind: _steps(named[key]) for kind, key in KINDS.items() if key in named}
    except Invalid:
        return None


def _steps(value: Decimal | TieredPrices) -> list[list[Any]]:
    if not isinstance(value, TieredPrices):
        return [[0, plain_price(value, "price")]]
    return [[0, plain_price(value.base, "price")], *([t.start, plain_price(t.price, "price")] for t in value.tiers)]


@lru_cache(maxsize=4_096)
def context_window(provider: str, model: str) -> int | None:
    """The most tokens that a model reads and writes in one call, which no answer is longer than; None where not known."""
    info = _model_info(provider, model)
    return None if info is None else info.context_window
