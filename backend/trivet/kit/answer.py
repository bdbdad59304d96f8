"""What an endpoint answers, for the OpenAPI document. A model here describes a body and does not make it.

The tests hold every answer of an endpoint that has one against its model.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A body, or a part of one. Money and other exact amounts are text; times are RFC 3339 in UTC."""

    model_config = ConfigDict(extra="forbid")


class Page(Answer):
    """A part of a list; `next_cursor` asks for the next one, null at the end."""

    next_cursor: str | None


class Amount(Answer):
    """An exact amount of money."""

    amount: str
    currency: str


def answers(model: type[Answer]) -> dict[int | str, dict[str, Any]]:
    """`responses` of an endpoint whose 200 has this body."""
    return {200: {"model": model}}
