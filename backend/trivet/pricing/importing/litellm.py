"""LiteLLM's price file as offers. Pure.

One object of models; money is US dollars for a single token. What costs nothing but tokens is taken, in every tier and
with every threshold; a model whose price depends on anything else (seconds, images, characters, the time of day, a
region) is left out whole and says why. Numbers are read as decimals: no float ever stands between the file and a price.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from trivet.kit.body import NAME_MAX, is_storable
from trivet.kit.errors import Invalid
from trivet.kit.money import EXACT
from trivet.pricing.importing.offer import ENTRIES_MAX, Offer, PriceList, Sold, Unsayable
from trivet.pricing.rate import KINDS, NEEDED, SAME_AS, STEP_LIMIT, STEPS_MAX, plain_price

CURRENCY: Final = "USD"
FILE_LIMIT_BYTES: Final = 16 << 20
DOCUMENTATION: Final = "sample_spec"  # an entry that explains the fields
MODES: Final = frozenset({"chat", "completion", "responses", "embedding", "rerank", "moderation"})

BASES: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_reasoning_token": "reasoning",
}
TIERS: Final = {"batches": "batch", "flex": "flex", "priority": "priority", "balanced": "balanced",
                "ultrafast": "ultrafast"}  # fmt: skip
_RATE = re.compile(
    rf"({'|'.join(BASES)})(_above_(?P<hours>\d+)hr)?(?:_above_(?P<thousands>\d{{1,9}})k_tokens)?(?:_(?P<tier>{'|'.join(TIERS)}))?"
)
_MODAL = re.compile(r"(in|out)put_cost_per_(audio|image|video)_token.*|cache_\w+_(audio|image)_token_cost.*")
_MONEY = re.compile(r"cost|pric|uplift|multiplier")

# Spans do not say these; what they cost beside the tokens is named and not left out in silence.
BESIDE: Final = {
    "search_context_cost_per_query": "web searches have a unit price of their own (web_searches)",
    "google_maps_grounding_cost_per_query": "searches of maps have a price of their own",
    "file_search_cost_per_1k_calls": "file searches have a unit price of their own (tool_calls)",
    "file_search_cost_per_gb_per_day": "file storage has a price of its own",
    "vector_store_cost_per_gb_per_day": "vector storage has a price of its own",
    "code_interpreter_cost_per_session": "sessions of the code interpreter have a price of their own",
    "computer_use_input_cost_per_1k_tokens": "computer use has prices of its own",
    "computer_use_output_cost_per_1k_tokens": "computer use has prices of its own",
    "regional_endpoint_uplift_multiplier": "regional endpoints cost more: give their models a price of their own",
    "regional_processing_uplift_multiplier_eu": "processing in a region costs more: give it a price of its own",
    "regional_processing_uplift_multiplier_us": "processing in a region costs more: give it a price of its own",
}
TEXT_ONLY: Final = "audio and image tokens are priced as text: spans do not count them apart"
LONGER_CACHE: Final = (
    "cache writes kept for an hour are priced as those kept for five minutes: spans do not tell them apart"
)
# The same money said another way.
SAID_TWICE: Final = frozenset(
    {"input_dbu_cost_per_token", "output_dbu_cost_per_token", "input_cost_per_token_cache_hit"}
)

# litellm_provider -> the provider's name in the conventions. What is not here goes by its own name.
PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
    "text-completion-openai": "openai",
    "cohere_chat": "cohere",
}
_VERTEX = "vertex_ai"
# Of these a further part of the name is a region or a commitment, with a price of its own.
REGIONAL: Final = frozenset({"azure.ai.openai", "aws.bedrock"})
REASON_MAX: Final = 200  # characters; a reason names what the file says
EXPONENTS: Final = range(-40, 16)  # of prices; what lies beyond is none, and takes no time to refuse
AT_THE_THRESHOLD: Final = frozenset({"x_ai"})  # long prices hold from the threshold on, not only beyond it


@dataclass(frozen=True, slots=True)
class _Rate:
    """One rate of an entry: of a kind in a tier, for input sides that exceed so many tokens."""

    kind: str
    tier: str
    over: int
    price: Decimal


class _Cannot(Exception):
    """Why an entry cannot be said."""


def read(data: bytes) -> PriceList:
    """The offers of a file; `Invalid` where it is none."""
    if len(data) > FILE_LIMIT_BYTES:
        raise Invalid(f"A price file has at most {FILE_LIMIT_BYTES >> 20} MiB.", field="file")
    try:
        loaded = json.loads(data, parse_float=_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as bad:
        raise Invalid("This is no JSON: give LiteLLM's model_prices_and_context_window.json.", field="file") from bad
    if not isinstance(loaded, dict) or not 0 < len(loaded) <= ENTRIES_MAX:
        raise Invalid(f"A price file is one JSON object of 1 to {ENTRIES_MAX} models.", field="file")
    offers: dict[Sold, Offer] = {}
    unsayable: list[Unsayable] = []
    twice: set[Sold] = set()
    for name, entry in loaded.items():
        if name == DOCUMENTATION:
            continue
        try:
            found = offers_of(name, entry)
        except _Cannot as cannot:
            unsayable.append(Unsayable(_shown(name, NAME_MAX), _shown(str(cannot), REASON_MAX)))
            continue
        for offer in found:
            before = offers.setdefault(offer.sold, offer)
            if before.rates != offer.rates:
                twice.add(offer.sold)
    unsayable += [Unsayable("/".join(filter(None, sold)), "two entries say different prices") for sold in sorted(twice)]
    kept = tuple(offers[sold] for sold in sorted(offers) if sold not in twice)
    digest = hashlib.sha256(data).hexdigest()
    return PriceList(f"litellm file, sha256 {digest[:16]}", kept, tuple(unsayable))


def _shown(text: str, limit: int) -> str:
    """What the file says, as far as it can be stored and sent."""
    return "".join(each for each in text[:limit] if is_storable(each))


def _number(text: str) -> Decimal | str:
    """A number of the file, exactly; as it is written where its exponent is more than a decimal holds."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def _no_number(text: str) -> Decimal:
    raise ValueError(text)


def offers_of(name: str, entry: Any) -> list[Offer]:
    """The offers of one entry, one for each tier; `_Cannot` says why there is none."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("litellm_provider"), str):
        raise _Cannot("it names no provider")
    mode = entry.get("mode")
    if mode is not None and (not isinstance(mode, str) or mode not in MODES):
        raise _Cannot(f"mode {mode}: it is not paid by text tokens alone")
    provider, model = named(name, entry["litellm_provider"])
    rates, beside = _rates(entry, provider)
    if entry.get("tiered_pricing"):
        rates = [rate for rate in rates if rate.tier] + _tiered(entry["tiered_pricing"])
    tiers = sorted({rate.tier for rate in rates})
    missing = [kind for kind in NEEDED if not any(rate.kind == kind and not rate.tier for rate in rates)]
    if missing:
        raise _Cannot(f"it has no price for {' and '.join(missing)}")
    return [Offer(Sold(provider, model, tier), CURRENCY, _of_tier(rates, tier), beside) for tier in tiers]


def named(name: str, litellm_provider: str) -> tuple[str, str]:
    """(provider, model) by the names that spans use, of a key such as `azure/gpt-4o`; `_Cannot` for a region's price."""
    own = _VERTEX if litellm_provider.startswith(_VERTEX) else litellm_provider
    provider = "gcp.vertex_ai" if own == _VERTEX else PROVIDERS.get(own, own)
    prefix, slash, rest = name.partition("/")
    model = (
        rest
        if slash and rest and prefix in (own, litellm_provider, litellm_provider.removesuffix("_converse"))
        else name
    )
    if provider in REGIONAL and "/" in model:
        raise _Cannot("it is the price of one region")
    for each in (provider, model):
        if not each.strip() or len(each) > NAME_MAX or not is_storable(each):
            raise _Cannot("its name cannot be stored")
    return provider, model


def _rates(entry: Mapping[str, Any], provider: str) -> tuple[list[_Rate], tuple[str, ...]]:
    rates: list[_Rate] = []
    beside: dict[str, None] = {}
    for field, value in entry.items():
        if value is None or field in SAID_TWICE or field == "tiered_pricing":
            continue
        match = _RATE.fullmatch(field)
        if match and match["hours"]:
            beside[LONGER_CACHE] = None
        elif match:
            over = int(match["thousands"] or 0) * 1000
            over -= over > 0 and provider in AT_THE_THRESHOLD
            rates.append(_Rate(BASES[match[1]], TIERS.get(match["tier"] or "", ""), over, _decimal(field, value)))
        elif field in BESIDE:
            beside[BESIDE[field]] = None
        elif _MODAL.fullmatch(field):
            beside[TEXT_ONLY] = None
        elif _MONEY.search(field) and not _is_free(value):
            raise _Cannot(f"its price depends on {field}")
    return rates, tuple(beside)


def _is_free(value: Any) -> bool:
    """Whether a field that looks like a price says that nothing is to be paid."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and not value


def _tiered(listed: Any) -> list[_Rate]:
    """Rates by ranges of the input side. They stand instead of the base rates; a range begins beyond its first number."""
    rates: list[_Rate] = []
    if not isinstance(listed, list):
        raise _Cannot("its tiered_pricing is no list")
    for part in listed:
        within = part.get("range") if isinstance(part, Mapping) else None
        if not isinstance(within, list) or len(within) != 2:
            raise _Cannot("its tiered_pricing has no ranges")
        over = _decimal("range", within[0])
        for field, value in part.items():
            if field in BASES and value is not None:
                rates.append(_Rate(BASES[field], "", int(over), _decimal(field, value)))
            elif field != "range" and _MONEY.search(field) and not _is_free(value):
                raise _Cannot(f"its tiered price depends on {field}")
    return rates


def _decimal(field: str, value: Any) -> Decimal:
    """A price of one token; files of earlier years have some as text."""
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except ArithmeticError as bad:
            raise _Cannot(f"{field} is no number") from bad
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite() or value < 0:
        raise _Cannot(f"{field} is no price")
    if value and Decimal(value).adjusted() not in EXPONENTS:
        raise _Cannot(f"{field} is beyond all prices")
    return Decimal(value)


def _of_tier(rates: list[_Rate], tier: str) -> dict[str, list[list[Any]]]:
    """`Price.rates` of one tier. A rate that the tier does not have is the standard one, as LiteLLM takes it."""
    standard = {(rate.kind, rate.over): rate.price for rate in rates if not rate.tier}
    own = standard | {(rate.kind, rate.over): rate.price for rate in rates if rate.tier == tier}
    return {kind: _steps(kind, own) for kind in KINDS if any(each == kind for each, _ in own)}


def _steps(kind: str, rates: Mapping[tuple[str, int], Decimal]) -> list[list[Any]]:
    """Steps of a kind. Below its first one a cache is priced as input and reasoning as output, as where it has none."""
    own = {over: price for (each, over), price in rates.items() if each == kind}
    first = min(own)
    own |= {over: price for (each, over), price in rates.items() if each == SAME_AS.get(kind) and over < first}
    starts = sorted(own)
    if starts[0]:
        raise _Cannot(f"it has no price for {kind} below {starts[0]} tokens")
    if len(starts) > STEPS_MAX or starts[-1] >= STEP_LIMIT:
        raise _Cannot(f"its price for {kind} has more than {STEPS_MAX} steps, or one beyond all contexts")
    return [[start, _per_million(kind, own[start])] for start in starts]


def _per_million(kind: str, price: Decimal) -> str:
    """A price of one token as the plain decimal of a million."""
    million = EXACT.scaleb(price, 6)
    try:
        return plain_price(million.normalize(EXACT) if million else Decimal(0), kind)
    except Invalid as bad:
        raise _Cannot(f"its price for {kind} has more places than we keep") from bad
