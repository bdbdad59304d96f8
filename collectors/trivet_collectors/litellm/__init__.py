"""Trivet in LiteLLM's proxy, as its callback `trivet_collectors.litellm.handler` (extra `client`, beside `litellm[proxy]`)."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`handler` is made when the proxy asks for it: in each of its workers, after any fork."""
    if name == "handler":
        from trivet_collectors.litellm.start import started

        return started()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
