"""What the callback asks of the proxy that it runs in: which models it serves, and what its cache holds."""

import functools
import logging
from collections.abc import Mapping
from typing import Any

import litellm

log = logging.getLogger("trivet.litellm")


def serves(model: str) -> bool:
    """Whether the proxy has a model of that name; every name is taken for one before it knows its models."""
    router = _router()
    return router is None or model in router.get_model_names()


def deployment_of(model: str) -> tuple[str, str]:
    """(provider, the provider's name) of what the proxy calls `model`, as prices know it. Of several, the first."""
    router = _router()
    names = [model]
    if router is not None:
        found = router.get_model_list(model_name=model) or []
        names = [each["litellm_params"]["model"] for each in found] or names
    return _parted(names[0])


@functools.lru_cache(maxsize=1_000)
def _parted(name: str) -> tuple[str, str]:
    try:
        own, provider, *_ = litellm.get_llm_provider(model=name)
    except Exception:  # a name that LiteLLM cannot place has no price that we know
        return "", name
    return str(provider), str(own)


def key_in_cache(kwargs: Mapping[str, Any]) -> str | None:
    """Under which key the proxy's cache keeps the answer to a call; None where it has no cache."""
    if litellm.cache is None:
        return None
    try:
        return str(litellm.cache.get_cache_key(**kwargs))
    except Exception:
        log.warning("the proxy's cache has no key for a call", exc_info=True)
        return None


async def is_kept(key: str | None) -> bool:
    """Whether the proxy's cache holds an answer under `key`."""
    if key is None or litellm.cache is None:
        return False
    try:
        return bool(await litellm.cache.cache.async_get_cache(key))
    except Exception:
        log.warning("the proxy's cache could not be asked", exc_info=True)
        return False


def _router() -> "litellm.Router | None":
    from litellm.proxy import proxy_server  # late: this module is loaded while that one reads its configuration

    return proxy_server.llm_router
