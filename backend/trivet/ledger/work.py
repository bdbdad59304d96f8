"""Work units: how much of a shared pool a request used. Weights per token are data, each with its reason."""

from collections.abc import Mapping
from decimal import Decimal

# A tenant's own wall time is no measure: its neighbours inflate it.
WEIGHTS: Mapping[str, tuple[Decimal, str]] = {
    "input_tokens": (Decimal(1), "Prefill computes each uncached token once: the unit."),
    "cache_write_tokens": (Decimal(1), "Written to the cache means computed now, like any uncached token."),
    "cache_read_tokens": (Decimal(0), "Read from the cache: nothing is computed."),
    "output_tokens": (
        Decimal(4),
        "Decode makes one token a pass, prefill many; list prices put an output token at four to five input tokens.",
    ),
    "reasoning_tokens": (Decimal(4), "Decoded like any output token."),
}
METHOD = "busy-union-1"
METHOD_SAYS = (
    "Busy time is the union of the pool's request intervals in the hour; the rest is idle. The busy part is split by "
    "work units over those whose requests ran in the hour, a request across hours by its time in each."
)
