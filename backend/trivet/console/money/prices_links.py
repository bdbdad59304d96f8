"""Addresses of one price: its history, and the form that enters the next one. Pure."""

from urllib.parse import urlencode


def one(provider: str, model: str, pool: str, tier: str) -> str:
    """`/prices/one?provider=openai&model=gpt-4o`."""
    return _address("/prices/one", provider=provider, model=model, pool=pool, tier=tier)


def new(provider: str, model: str, pool: str, tier: str, begins: str = "") -> str:
    """`/prices/new?provider=openai&model=gpt-4o`: begun from what holds now, or on a day."""
    return _address("/prices/new", provider=provider, model=model, pool=pool, tier=tier, begins=begins)


def _address(path: str, **said: str) -> str:
    return f"{path}?{urlencode({name: value for name, value in said.items() if value})}"
