"""Token counts of a span, normalised once to disjoint kinds."""

import json
import math
import re
from typing import Any, Final

from trivet.ingest.dialect.fields import (
    CACHE_READ,
    CACHE_WRITE,
    INPUT,
    INPUT_DETAILS,
    OUTPUT,
    OUTPUT_DETAILS,
    REASONING,
    TOTAL,
    UNCACHED,
    Said,
)
from trivet.ingest.request.fact import TOKENS_NEGATIVE, TOKENS_NOT_A_NUMBER, TOKENS_OVER_LIMIT, Refused

Tokens = tuple[int, int, int, int, int]  # input, output, cache_read, cache_write, reasoning

INT32_MAX = 2**31 - 1
_DIGITS_MAX = 18
_DETAILS_LIMIT = 4_096  # characters of a text with counts in it that are read

# A count that cannot be one is carried as a negative number: minus its place here.
_REASONS: Final = ("", TOKENS_NEGATIVE, TOKENS_NOT_A_NUMBER, TOKENS_OVER_LIMIT)
_NEGATIVE, _NOT_A_NUMBER, _OVER_LIMIT = -1, -2, -3

_DETAIL = re.compile(r"'(cached_tokens|cache_creation_tokens|reasoning_tokens)': (\d{1,9})\b")
_DETAIL_KIND: Final = {
    "cached_tokens": CACHE_READ,
    "cache_creation_tokens": CACHE_WRITE,
    "reasoning_tokens": REASONING,
    "cache_read": CACHE_READ,
    "cache_creation": CACHE_WRITE,
    "cache_write": CACHE_WRITE,
    "reasoning": REASONING,
}
Details = dict[int, int]  # slot of a kind -> count


def count_of(value: Any) -> int | None:
    """A token count, or the negative number that says why it is none: negative, NaN, fractions, words, absurd sizes."""
    if value == "":
        return None
    if type(value) is int:
        return value if 0 <= value <= INT32_MAX else _NEGATIVE if value < 0 else _OVER_LIMIT
    if isinstance(value, float):
        if math.isinf(value):
            return _OVER_LIMIT if value > 0 else _NEGATIVE
        return count_of(int(value)) if value.is_integer() else _NOT_A_NUMBER
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        if digits.isascii() and digits.isdigit():
            return count_of(int(value)) if len(digits) <= _DIGITS_MAX else _OVER_LIMIT
    return _NOT_A_NUMBER


def tokens_of(said: Said, limit: int) -> Tokens:
    """What a span says of its tokens, as disjoint kinds; absent is 0. `Refused` for what cannot be a count."""
    input_, output = said[INPUT] or 0, said[OUTPUT] or 0
    cache_read, cache_write, reasoning = said[CACHE_READ] or 0, said[CACHE_WRITE] or 0, said[REASONING] or 0
    for details in (said[INPUT_DETAILS], said[OUTPUT_DETAILS]):
        if details:
            cache_read = cache_read or details.get(CACHE_READ, 0)
            cache_write = cache_write or details.get(CACHE_WRITE, 0)
            reasoning = reasoning or details.get(REASONING, 0)
    if input_ < 0 or output < 0 or cache_read < 0 or cache_write < 0 or reasoning < 0:
        raise Refused(_REASONS[-next(c for c in (input_, output, cache_read, cache_write, reasoning) if c < 0)])
    if input_ > limit or output > limit or cache_read > limit or cache_write > limit or reasoning > limit:
        raise Refused(TOKENS_OVER_LIMIT)
    uncached = said[UNCACHED]
    if uncached is not None and uncached >= 0:
        input_ = min(uncached, limit) + cache_read + cache_write
    return disjoint(input_, output, cache_read, cache_write, reasoning, total=said[TOTAL] or 0)


def disjoint(input_: int, output: int, cache_read: int, cache_write: int, reasoning: int, *, total: int = 0) -> Tokens:
    """(input, output, cache_read, cache_write, reasoning) that add up to what was billed.

    The conventions count cached tokens inside input and reasoning inside output. Emitters that pass on raw counts do not:
    Anthropic's input is without the cached tokens, Gemini's candidates are without the thoughts. Two witnesses tell: a
    `total` that is the sum of all, and a part that is larger than the whole it should be in.
    """
    cached = cache_read + cache_write
    if not (cached or reasoning):
        return input_, output, 0, 0, 0
    beside = total - input_ - output  # what the total counts that neither of the two does
    reasoning_apart = reasoning > output or beside in (reasoning, reasoning + cached)
    cached_apart = cached > input_ or (beside in (cached, reasoning + cached) and not beside == cached == reasoning)
    if not cached_apart:
        input_ -= cached
    if not reasoning_apart:
        output -= reasoning
    return input_, output, cache_read, cache_write, reasoning


def litellm_details(usage: Any) -> Details | None:
    """Cached and reasoning tokens out of LiteLLM's own record of the usage, a Python repr."""
    if not isinstance(usage, str):
        return None
    return {_DETAIL_KIND[name]: int(count) for name, count in _DETAIL.findall(usage[:_DETAILS_LIMIT])} or None


def json_details(usage: Any) -> Details | None:
    """The same out of LangChain's details, a JSON text (`{"cache_read": 10, "audio": 0}`)."""
    if not isinstance(usage, str) or len(usage) > _DETAILS_LIMIT:
        return None
    try:
        loaded = json.loads(usage)
    except (ValueError, RecursionError):
        return None
    if not isinstance(loaded, dict):
        return None
    found = {_DETAIL_KIND[name]: count for name, count in loaded.items() if name in _DETAIL_KIND}
    return {kind: count for kind, count in found.items() if type(count) is int and 0 <= count <= INT32_MAX} or None
