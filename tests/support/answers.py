"""What the OpenAPI document says of an answer holds for every answer that any test gets."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from httpx import Response
from starlette.routing import Match

from trivet.kit.answer import Answer


def model_of(route: APIRoute) -> type[Answer] | None:
    """The model of a route's 200, where it has one."""
    model = route.responses.get(200, {}).get("model")
    return model if isinstance(model, type) and issubclass(model, Answer) else None


def hold_against_their_models(client: TestClient, app: FastAPI) -> None:
    """From now on an answer that is not as its model says raises."""
    routes = [route for route in app.routes if isinstance(route, APIRoute) and model_of(route)]

    def check(response: Response) -> None:
        if response.status_code != 200:
            return
        scope = {"type": "http", "method": response.request.method, "path": response.request.url.path, "root_path": ""}
        for route in routes:
            if route.matches(scope)[0] is Match.FULL:
                model_of(route).model_validate_json(response.read(), strict=True)

    client.event_hooks = {"response": [check]}
