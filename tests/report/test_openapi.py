"""The OpenAPI document: valid, and it tells the shape of what is read here. `client` holds every answer against it."""

import pytest
from httpx import Request, Response
from jsonschema import ValidationError
from openapi_spec_validator import validate

DESCRIBED = (
    "/api/v1/requests", "/api/v1/interactions", "/api/v1/interactions/{kind}/{id}", "/api/v1/signals", "/api/v1/engines",
    "/api/v1/caches", "/api/v1/gpus", "/api/v1/archive", "/api/v1/costs/unit", "/api/v1/costs/formula", "/api/v1/costs/why",
    "/api/v1/costs/forecast", "/api/v1/costs/anomalies", "/api/v1/costs/quadrants", "/api/v1/costs/value",
    "/api/v1/business-values",
)  # fmt: skip


@pytest.fixture
def document(client, admin):
    return client.get("/api/v1/openapi.json", headers=admin).json()


def test_is_valid(document):
    validate(document)


@pytest.mark.parametrize("path", DESCRIBED)
def test_tells_what_an_endpoint_answers(document, path):
    answer = document["paths"][path]["get"]["responses"]["200"]
    (_, _, _, name) = answer["content"]["application/json"]["schema"]["$ref"].split("/")
    assert document["components"]["schemas"][name]["properties"].keys() >= {"items"}


@pytest.mark.parametrize("path", DESCRIBED)
def test_says_in_words_what_an_endpoint_is_for(document, path):
    assert document["paths"][path]["get"]["description"]


def test_tells_failures_as_the_problems_that_they_are(document):
    for of_path in document["paths"].values():
        for operation in of_path.values():
            assert "422" not in operation["responses"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_an_answer_that_is_not_as_told_fails_the_test_that_got_it(client):
    (check,) = client.event_hooks["response"]
    asked = Request("GET", "http://127.0.0.1/api/v1/caches")
    check(Response(200, json={"items": [], "next_cursor": None}, request=asked))
    with pytest.raises(ValidationError, match="kind"):
        check(Response(200, json={"items": [{}], "next_cursor": None}, request=asked))
