"""A person of one tenant: who may be one, and that they see its rows alone."""

import pytest
from fastapi.testclient import TestClient

from trivet import db
from trivet.identity import service
from trivet.kit.errors import Invalid

PASSWORD = "correct horse battery"


class TestAPersonOfOneTenant:
    def test_is_made_over_the_api_and_told_with_it(self, client: TestClient, admin: dict[str, str]) -> None:
        body = {"email": "a@acme.test", "name": "A", "role": "viewer", "password": PASSWORD, "tenant": "acme"}
        made = client.post("/api/v1/users", json=body, headers=admin)
        assert (made.status_code, made.json()["tenant"]) == (201, "acme")
        listed = client.get("/api/v1/users", headers=admin).json()["items"]
        assert [each["tenant"] for each in listed] == ["acme"]

    @pytest.mark.parametrize("role", ["admin", "finance"])
    def test_has_no_role_that_concerns_the_platform_as_a_whole(self, database: str, role: str) -> None:
        with db.transaction() as session, pytest.raises(Invalid) as refused:
            service.create_user(
                session, email="a@b.test", name="A", role=role, password=PASSWORD, actor="test", tenant="acme"
            )
        assert refused.value.field == "tenant"

    def test_is_of_no_tenant_that_is_many(self, database: str) -> None:
        with db.transaction() as session, pytest.raises(Invalid, match="many tenants"):
            service.create_user(
                session, email="a@b.test", name="A", role="sre", password=PASSWORD, actor="test", tenant="overflow"
            )

    def test_reads_over_the_api_what_is_theirs_and_nothing_of_the_platform(self, client: TestClient) -> None:
        with db.transaction() as session:
            service.create_user(
                session, email="a@acme.test", name="A", role="viewer", password=PASSWORD, actor="test", tenant="acme"
            )
        client.post("/sign-in", data={"email": "a@acme.test", "password": PASSWORD}, follow_redirects=False)
        assert client.get("/api/v1/interactions").status_code == 200
        assert client.get("/api/v1/bills").status_code == 403
