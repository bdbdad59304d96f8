"""Names of a call's provider and model, and the keyed hash that stands for its prompt."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from trivet.ingest.aliases import PROMPT_CONTENT, PROVIDERS
from trivet.ingest.span import Attributes, clean

_NAMES_KEPT = 4_096  # results remembered, so that the few names of a batch are worked out once
_INVOCATION_LIMIT = 16_384  # characters of call parameters that are read


_NOTHING: Mapping[str, Any] = {}


def provider_of(value: Any) -> str:
    """The provider's name in today's conventions; unknown ones stay as they came."""
    return _provider(value) if isinstance(value, str) else ""


@lru_cache(maxsize=_NAMES_KEPT)
def _provider(value: str) -> str:
    name = clean(value).lower()
    return PROVIDERS.get(name, name)


def model_of(response: Any, request: Any, provider: str) -> str:
    """The priced model: what answered, else what was asked for, without a gateway's `provider/` in front."""
    named = response if isinstance(response, str) and response else request
    return _model(named, provider) if isinstance(named, str) else ""


@lru_cache(maxsize=_NAMES_KEPT)
def _model(named: str, provider: str) -> str:
    name = clean(named)
    prefix, slash, rest = name.partition("/")
    if slash and rest and provider in (prefix, PROVIDERS.get(prefix)):
        return rest
    return name


def parameters_of(value: Any) -> Mapping[str, Any]:
    """OpenInference's call parameters, a JSON text; empty for anything else."""
    if not isinstance(value, str) or len(value) > _INVOCATION_LIMIT:
        return _NOTHING
    try:
        loaded = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def prompt_hash_of(attributes: Attributes, key: bytes) -> bytes | None:
    """HMAC-SHA256 of the prompt, so that equal prompts are seen as equal and none can be read or guessed.

    None without a prompt, and without a key: a bare hash of a short prompt could be guessed.
    """
    texts = [attributes[name] for name in PROMPT_CONTENT if name in attributes]
    if not texts or not key:
        return None
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for text in texts:
        digest.update(str(text).encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest()
