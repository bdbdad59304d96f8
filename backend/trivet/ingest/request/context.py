"""Context classes: bands of input length, by which latency and cost are compared like with like. Pure."""

from bisect import bisect_left
from typing import Final

BOUNDS: Final = (0, 1_000, 4_000, 16_000, 64_000, 256_000)  # tokens; the upper end of each band, inclusive
CLASSES: Final = ("none", "1k", "4k", "16k", "64k", "256k", "over")  # stored as the index


def class_of(input_tokens: int) -> int:
    """Index into `CLASSES` of an input of so many tokens, cached ones included; 0 where none was measured."""
    return bisect_left(BOUNDS, input_tokens)
