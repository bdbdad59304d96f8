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
# Within prefill: tokens that are computed. Within decode: each decoded token, and more of it the longer its context.
PREFILL = ("input_tokens", "cache_write_tokens")
DECODE = ("output_tokens", "reasoning_tokens")
CONTEXT = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
)  # before the first token; half the output is added
# A decode pass reads the weights once for its whole batch, and each request's own keys and values besides: that part grows
# with the context. With 70 billion 16-bit weights (140 GB), 327,680 bytes of keys and values a token (80 layers, 8 heads of
# 128) and 13 requests a batch, the two are equal at this many tokens.
CONTEXT_DOUBLES_AT = 32_768
NO_PHASES = "work-units-1"
PHASES_BY = {"counters": "prefill-decode-1 by counters", "spans": "prefill-decode-1 by spans"}
METHODS = {
    NO_PHASES: "Used cost is split by work units over those whose requests ran in the hour, a request across hours by its "
    "time in each.",
    **{
        name: f"Used cost is split in two by the time of prefill and of decode that {who} measured; within prefill by "
        "uncached input, within decode by output weighted with the length of its context."
        for name, who in zip(PHASES_BY.values(), ("engines", "streamed requests"), strict=True)
    },
}
