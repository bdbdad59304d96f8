"""What the OpenAPI document says of an answer holds for every answer that any test gets."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from jsonschema import Draft202012Validator


def hold_against_the_document(client: TestClient, app: FastAPI) -> None:
    """From now on a GET's answer that is not as the document tells raises `ValidationError`."""

    def check(response: Response) -> None:
        if response.status_code == 200 and response.request.method == "GET":
            for path, told in _told(app):
                if path.fullmatch(response.request.url.path):
                    response.read()
                    told.validate(response.json())
                    break  # the first that fits answers, as in the router

    client.event_hooks = {"response": [check]}


Told = list[tuple[re.Pattern[str], Draft202012Validator]]
_made: list[Told] = []  # once a process: the document is always the same


def _told(app: FastAPI) -> Told:
    """Paths whose answers have a shape, with that shape."""
    if not _made:
        document = app.openapi()
        shapes = {path: _shape(of_path["get"]) for path, of_path in document["paths"].items() if "get" in of_path}
        components = {"components": document["components"]}
        _made.append(
            [(_any(path), Draft202012Validator(shape | components)) for path, shape in shapes.items() if shape]
        )
    return _made[0]


def _shape(operation: dict[str, Any]) -> dict[str, Any] | None:
    shape: dict[str, Any] = (
        operation["responses"]["200"].get("content", {}).get("application/json", {}).get("schema", {})
    )
    return shape if "$ref" in shape else None


def _any(path: str) -> re.Pattern[str]:
    """`/a/{b}` as a pattern."""
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", path))
    )
