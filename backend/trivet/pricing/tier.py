"""Service tiers: batch, flex, priority … are sold at prices of their own. '' is the standard tier. Pure.

A tier without a price of its own is a gap, but where its provider serves at the standard price what it cannot serve in
that tier. LiteLLM takes the standard price in every such case: a batch price that is missing would then be twice too much,
a flex price as well.
"""

from collections.abc import Mapping
from typing import Any, Final

STANDARD: Final = ""
TIER_MAX = 32  # characters
# What providers and gateways call the standard tier.
STANDARD_NAMES: Final = frozenset({"", "default", "standard", "standard_only", "on_demand", "on-demand"})
# Asked for, these leave the choice to the provider: they say nothing of the price.
UNDECIDED: Final = frozenset({"auto"})
OTHER_NAMES: Final[Mapping[str, str]] = {"batches": "batch", "batch_api": "batch"}
# Tiers whose missing price is the standard one, each with its reason.
FALLS_BACK: Final[Mapping[str, str]] = {
    "priority": "Served at the standard price where the model has no such tier or its share is used up.",
}


def tier_of(value: Any) -> str | None:
    """A tier by its one name, '' for the standard one; None where the value says nothing."""
    if not isinstance(value, str):
        return None
    name = value.strip().lower()
    if name in UNDECIDED or not name or len(name) > TIER_MAX or not name.replace("_", "").replace("-", "").isalnum():
        return None
    return STANDARD if name in STANDARD_NAMES else OTHER_NAMES.get(name, name)


def tiers_for(tier: str) -> tuple[str, ...]:
    """Tiers whose price holds for a call in one, the first that has any."""
    return (tier, STANDARD) if tier in FALLS_BACK else (tier,)
