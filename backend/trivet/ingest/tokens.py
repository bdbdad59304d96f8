"""Token counts of a span, normalised once to disjoint kinds."""

import math
import re
from typing import Any

from trivet.ingest.fact import TOKENS_NEGATIVE, TOKENS_NOT_A_NUMBER, TOKENS_OVER_LIMIT, Refused

_DETAIL = re.compile(r"'(cached_tokens|cache_creation_tokens|reasoning_tokens)': (\d{1,18})\b")
_DETAIL_KIND = {"cached_tokens": "cache_read", "cache_creation_tokens": "cache_write", "reasoning_tokens": "reasoning"}
_USAGE_LIMIT = 4_096  # characters of LiteLLM's usage text that are read

INT32_MAX = 2**31 - 1
_DIGITS_MAX = 18


def count_of(value: Any, limit: int) -> int:
    """A token count; absent is 0. `Refused` for what cannot be one: negative, NaN, fractions, words, absurd sizes."""
    if value is None:
        return 0
    number = value if type(value) is int else _whole(value)
    if number < 0:
        raise Refused(TOKENS_NEGATIVE)
    if number > min(limit, INT32_MAX):
        raise Refused(TOKENS_OVER_LIMIT)
    return number


def _whole(value: Any) -> int:
    if isinstance(value, float):
        if math.isinf(value):
            raise Refused(TOKENS_OVER_LIMIT if value > 0 else TOKENS_NEGATIVE)
        if value.is_integer():
            return int(value)
    elif isinstance(value, str):
        digits = value.strip().removeprefix("-")
        if digits.isascii() and digits.isdigit():
            if len(digits) > _DIGITS_MAX:
                raise Refused(TOKENS_OVER_LIMIT)
            return int(value)
    raise Refused(TOKENS_NOT_A_NUMBER)


def disjoint(
    input_: int, output: int, cache_read: int, cache_write: int, reasoning: int
) -> tuple[int, int, int, int, int]:
    """(input, output, cache_read, cache_write, reasoning) that add up to what was billed.

    The conventions count cached tokens inside input and reasoning inside output. An emitter that passes on Anthropic's
    raw counts does not: there the cached tokens are more than the input, so input is taken as exclusive (likewise
    reasoning and output).
    """
    cached = cache_read + cache_write
    if cached <= input_:
        input_ -= cached
    if reasoning <= output:
        output -= reasoning
    return input_, output, cache_read, cache_write, reasoning


def litellm_details(usage: Any) -> dict[str, int]:
    """Cached and reasoning tokens out of `metadata.usage_object`, a Python repr: LiteLLM's v1 spans have them nowhere else."""
    if not isinstance(usage, str):
        return {}
    return {_DETAIL_KIND[name]: int(count) for name, count in _DETAIL.findall(usage[:_USAGE_LIMIT])}
