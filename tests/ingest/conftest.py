"""The ingest routers alone: what these tests say holds whatever else the process serves."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from trivet import problems
from trivet.ingest import api


@pytest.fixture
def sender(database: str) -> Iterator[TestClient]:
    """A client on the OTLP endpoints and /api/v1/scores."""
    app = FastAPI()
    problems.install(app)
    app.include_router(api.root_router)
    rest = APIRouter(prefix="/api/v1")
    rest.include_router(api.router)
    app.include_router(rest)
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture
def key(make_key: Callable[..., str]) -> dict[str, str]:
    """Headers of a platform key: bound to no tenant."""
    return {"Authorization": f"Bearer {make_key(['ingest', 'read'])}"}
