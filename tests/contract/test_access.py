"""Who may call what: the matrix of roles and operations, made from the OpenAPI document and tried on every cell."""

import re

import pytest
from tests.conftest import _app
from tests.support import foreign

from trivet import db
from trivet.identity import service
from trivet.identity.auth import COOKIE, ROLE_SCOPES
from trivet.identity.models import ROLES
from trivet.settings import get_settings

KEYS = {"read of one tenant": "acme", "read": None, "policy": None, "ingest": None, "finance": None, "admin": None}
PASSWORD = "three legs stand"
NOBODY = {"Authorization": "Bearer tvt_nobody-has-this-one-0000"}
# Names for the holes of a path; each lets the call get past the path and no further.
HOLES = {"month": "2026-10", "day": "2026-10-01", "currency": "USD", "kind": "trace", "file": "costs.csv"}


@pytest.fixture(scope="module")
def operations():
    """`(method, path, scopes, whole)` of everything under /api/v1 and /ofrep that asks who is calling."""
    settings = get_settings()
    document = _app(settings.rest_body_limit_bytes, settings.bill_file_limit_bytes).openapi()
    schemes = document["components"]["securitySchemes"]
    found = []
    for path, of_path in document["paths"].items():
        for method, operation in of_path.items():
            for scheme in operation.get("security", []):
                needs = schemes[next(iter(scheme))]
                found.append((method.upper(), path, frozenset(needs["x-trivet-scopes"]), needs["x-trivet-platform"]))
    return found


def address(path: str) -> str:
    """A path with something in each hole that is nobody's."""
    return re.sub(r"{(\w+)}", lambda hole: HOLES.get(hole[1], "999999"), path)


# What many may do is tried by the first of these who may; what somebody may not do is tried by everybody who may not.
LEAST_FIRST = {kind: (frozenset(kind.split()[:1]), bool(tenant)) for kind, tenant in KEYS.items()}
ROLES_FIRST = {role: ROLE_SCOPES[role] for role in reversed(ROLES)}


def is_tried_by(kind: str, needed: frozenset[str], whole: bool) -> bool:
    """Whether this kind of key is the first that opens an operation."""
    return kind == next(k for k, (scopes, bound) in LEAST_FIRST.items() if opens(needed, whole, scopes, bound))


def opens(needed: frozenset[str], whole: bool, scopes: frozenset[str], bound: bool) -> bool:
    return bool(scopes & {*needed, "admin"}) and not (whole and bound)


@pytest.fixture
def call(client):
    def ask(method, path, headers=None, cookie=None):
        client.cookies.clear()
        if cookie:
            client.cookies.set(COOKIE, cookie)
        if method == "GET" and path.endswith("/events"):
            return None  # a stream has no end; `tests/command/test_events.py` holds it
        return client.request(method, address(path), headers=headers).status_code

    return ask


class TestEveryOperation:
    def test_says_in_the_document_who_may_call_it(self, operations, client):
        told = {(method, path) for method, path, *_ in operations}
        paths = client.get("/api/v1/openapi.json").json()["paths"]
        open_to_all = {"/healthz", "/readyz"}
        assert {(m.upper(), p) for p, o in paths.items() for m in o} - told == {("GET", path) for path in open_to_all}

    def test_asks_who_is_calling(self, operations, call):
        for headers in ({}, NOBODY):
            wrong = [(m, p, got) for m, p, *_ in operations if (got := call(m, p, headers)) not in {401, None}]
            assert wrong == []


class TestKeys:
    @pytest.mark.parametrize("kind", KEYS)
    def test_get_as_far_as_their_scopes(self, operations, call, make_key, kind):
        tenant, scopes = KEYS[kind], frozenset(kind.split()[:1])
        headers = {"Authorization": f"Bearer {make_key(sorted(scopes), tenant)}"}
        for method, path, needed, whole in operations:
            may = opens(needed, whole, scopes, bool(tenant))
            if may and not is_tried_by(kind, needed, whole):
                continue
            status = call(method, path, headers)
            assert status is None or (status == 403) == (not may), (method, path, status)


class TestPeople:
    @pytest.fixture
    def cookie(self, client):
        def of(role):
            email = f"{role}@example.com"
            with db.transaction() as session:
                service.create_user(session, email=email, name=role, role=role, password=PASSWORD, actor="test")
            client.post("/sign-in", data={"email": email, "password": PASSWORD}, follow_redirects=False)
            return client.cookies[COOKIE]

        return of

    @pytest.mark.parametrize("role", ROLES)
    def test_read_as_far_as_their_role_and_change_nothing_by_cookie(self, operations, call, cookie, role):
        token = cookie(role)
        for method, path, needed, whole in operations:
            may = opens(needed, whole, ROLE_SCOPES[role], bound=False)
            first = next(each for each, scopes in ROLES_FIRST.items() if opens(needed, whole, scopes, bound=False))
            if method == "GET" and may and role != first:
                continue
            status = call(method, path, cookie=token)
            expected = 401 if method != "GET" else 200 if may else 403
            assert status is None or (status == expected or (expected == 200 and status in {404, 422})), (
                method,
                path,
                status,
            )


class TestOtherTenantsThings:
    """What has an id and may be asked for by a key of one tenant: of another tenant it is not there."""

    def test_each_operation_has_its_case(self, operations):
        held = {(m, p) for m, p, _, whole in operations if not whole and re.search(r"_id}|{id}|{name}", p)}
        assert held == set(foreign.CASES)

    @pytest.mark.parametrize(("method", "path"), foreign.CASES)
    def test_are_not_there(self, client, make_key, admin, method, path):
        there = foreign.CASES[method, path](client, make_key, admin)
        scopes = foreign.SCOPES.get((method, path), ["read"])
        own = {"Authorization": f"Bearer {make_key(scopes, 'acme')}"}
        assert client.request(method, there, headers=own, json=foreign.BODIES.get((method, path))).status_code == 404
