"""Looks into caches that a span tells of: by its counts of cached tokens, or in words."""

from functools import lru_cache
from typing import Final

from trivet.ingest.dialect.fields import (
    CACHE_READ,
    KV_HIT,
    KV_MISS,
    OPERATION,
    PROMPT_HIT,
    PROMPT_MISS,
    RESPONSE_HIT,
    RESPONSE_MISS,
    RETRIEVAL_HIT,
    RETRIEVAL_MISS,
    Said,
)
from trivet.ingest.dialect.operations import WITHOUT_PROMPT_CACHE
from trivet.ingest.request.fact import CacheLookup

Lookups = tuple[CacheLookup, ...]

_TOLD: Final = (
    ("kv", KV_HIT, KV_MISS),
    ("retrieval", RETRIEVAL_HIT, RETRIEVAL_MISS),
    ("response", RESPONSE_HIT, RESPONSE_MISS),
)
_lookup = lru_cache(maxsize=1_024)(CacheLookup)


def lookups_of(said: Said, cache_read: int, measured: bool) -> Lookups:
    """Every look into a cache; a prompt cache missed only where its source counts cached tokens at all."""
    found = _prompt(said, cache_read, measured)
    if said[KV_HIT] is None and said[RETRIEVAL_HIT] is None and said[RESPONSE_HIT] is None:
        return found
    return found + told_of(said)


def told_of(said: Said) -> Lookups:
    """Those that are told in words."""
    return tuple(
        _lookup(kind, said[hit], "" if said[hit] else said[reason] or "")
        for kind, hit, reason in _TOLD
        if said[hit] is not None
    )


def _prompt(said: Said, cache_read: int, measured: bool) -> Lookups:
    hit = True if cache_read else said[PROMPT_HIT]
    if hit is None and measured and said[CACHE_READ] == 0 and said[OPERATION] not in WITHOUT_PROMPT_CACHE:
        hit = False
    if hit is None:
        return ()
    return _HIT if hit else (_lookup("prompt", False, said[PROMPT_MISS] or ""),)


_HIT: Final = (CacheLookup("prompt", True),)
