"""Apprise, loaded by whom it serves: a hundred services take a second."""

import logging
import warnings
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

_reading: ContextVar[bool] = ContextVar("reading", default=False)


@lru_cache
def loaded() -> Any:
    """The library with its services. One of them still imports a module that Python 3.13 drops, and says so: that is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        apprise.Apprise.instantiate("json://localhost")  # this loads every service
    logging.getLogger("apprise").addFilter(lambda _: not _reading.get())
    return apprise


def instance(url: str) -> Any:
    """The service that a URL names, None where it names none. An answer never leads it to a host that nobody allowed."""
    apprise, before = loaded(), _reading.set(True)  # it logs an address that it cannot read, token and all
    try:
        service: Any = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    finally:
        _reading.reset(before)
    if service is not None:
        service.redirects = False
    return service
