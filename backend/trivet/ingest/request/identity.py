"""Names of a call's model and its version, and the keyed hash that stands for its prompt."""

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Any

from trivet.ingest.decode.span import clean
from trivet.ingest.dialect import providers
from trivet.ingest.dialect.fields import INSTRUCTIONS, MESSAGES, PROMPT, PROMPT_VALUE, Said

_NAMES_KEPT = 4_096  # results remembered, so that the few names of a batch are worked out once
_USER_HEX = 32  # 128 bits: two users never share one
_PROMPT_SLOTS = (INSTRUCTIONS, MESSAGES, PROMPT, PROMPT_VALUE)

# Snapshots in the names of models: dated (2024-07-18, 20250929, 0613, 2407, 08-2024, preview-05-20), numbered (002), and
# whatever follows an @. Four digits are a month and a day or a year and a month; 4096 is a length.
_SNAPSHOT = re.compile(
    r"(?:[-@:_]|^)(20\d\d-[01]\d-[0-3]\d|20\d{6}|[01]\d-20\d\d|(?<=preview-)[01]\d-(?:[0-3]\d|20\d\d)"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|2[3-9](?:0[1-9]|1[0-2])|00\d)(?=$|-v\d|-preview$|:)"
    r"|@([\w.-]+)$"
)


def provider_of(value: Any) -> str:
    """The provider's name in today's conventions; unknown ones stay as they came, '' for none."""
    return providers.provider_of(value) or ""


def model_of(response: Any, request: Any, provider: str) -> str:
    """The priced model: what answered, else what was asked for, without a gateway's `provider/` in front; '' for none."""
    named = response if isinstance(response, str) and response else request
    return model_and_version(clean(named), provider)[0] if isinstance(named, str) else ""


@lru_cache(maxsize=_NAMES_KEPT)
def model_and_version(named: str, provider: str) -> tuple[str, str]:
    """A model's name without a gateway's `provider/` in front, and the snapshot that its name says."""
    prefix, slash, rest = named.partition("/")
    if slash and rest and provider in (prefix, providers.PROVIDERS.get(prefix)):
        named = rest
    return named, version_in(named)


def version_in(model: str) -> str:
    """The snapshot in a model's name, '' for none."""
    found = _SNAPSHOT.findall(model)
    return (found[-1][0] or found[-1][1]) if found else ""


def prompt_hash_of(said: Said, key: bytes) -> bytes | None:
    """HMAC-SHA256 of the prompt, so that equal prompts are seen as equal and none can be read or guessed.

    None without a prompt, and without a key: a bare hash of a short prompt could be guessed.
    """
    texts = [said[slot] for slot in _PROMPT_SLOTS if said[slot] is not None]
    if not texts or not key:
        return None
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.digest()


def end_user_of(name: str, kept: str, key: bytes) -> str:
    """An end user as it is stored: the name, a keyed hash of it, or '' where settings keep none.

    Without a key nothing is hashed and nothing kept: a bare hash of a name could be guessed.
    """
    if kept == "named":
        return name
    if kept != "hashed" or not key:
        return ""
    digest = hmac.new(key, b"end user\0" + name.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return digest.hexdigest()[:_USER_HEX]
