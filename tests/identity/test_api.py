"""Keys, scopes, problems and idempotent posts, through the real app."""

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import text

from trivet import db

MakeKey = Callable[..., str]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class TestKeys:
    def test_a_key_is_shown_once_and_works_at_once(self, client: TestClient, admin: dict[str, str]) -> None:
        body = {"name": "gateway", "tenant": "acme", "scopes": ["read", "ingest"]}
        made = client.post("/api/v1/keys", json=body, headers=admin)
        assert made.status_code == 201
        assert made.json()["key"].startswith("tvt_")
        listed = client.get("/api/v1/keys", headers=admin).json()["items"]
        mine = next(item for item in listed if item["id"] == made.json()["id"])
        assert mine["tenant"] == "acme"
        assert "key" not in mine
        assert made.json()["key"] not in str(listed)

    def test_without_a_key_it_says_which_header_to_send(self, client: TestClient) -> None:
        answer = client.get("/api/v1/keys")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Authorization: Bearer" in answer.json()["detail"]

    def test_a_scope_that_is_missing_is_named(self, client: TestClient, make_key: MakeKey) -> None:
        answer = client.get("/api/v1/users", headers=bearer(make_key(["read"])))
        assert answer.status_code == 403
        assert "admin" in answer.json()["detail"]

    def test_a_revoked_key_is_refused(self, client: TestClient, admin: dict[str, str]) -> None:
        made = client.post("/api/v1/keys", json={"name": "old", "scopes": ["admin"]}, headers=admin).json()
        assert client.delete(f"/api/v1/keys/{made['id']}", headers=admin).status_code == 204
        assert client.get("/api/v1/keys", headers=bearer(made["key"])).status_code == 401


class TestIdempotencyKeys:
    def test_the_same_body_gets_the_same_answer_and_makes_one_thing(
        self, client: TestClient, admin: dict[str, str]
    ) -> None:
        headers = admin | {"Idempotency-Key": "first"}
        body = {"name": "one", "scopes": ["read"]}
        first = client.post("/api/v1/keys", json=body, headers=headers)
        again = client.post("/api/v1/keys", json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        names = [item["name"] for item in client.get("/api/v1/keys", headers=admin).json()["items"]]
        assert names.count("one") == 1

    def test_another_body_is_refused(self, client: TestClient, admin: dict[str, str]) -> None:
        headers = admin | {"Idempotency-Key": "second"}
        client.post("/api/v1/keys", json={"name": "a", "scopes": ["read"]}, headers=headers)
        other = client.post("/api/v1/keys", json={"name": "b", "scopes": ["read"]}, headers=headers)
        assert other.status_code == 422
        assert other.json()["errors"][0]["field"] == "Idempotency-Key"

    def test_one_still_in_flight_is_a_conflict(self, client: TestClient, admin: dict[str, str]) -> None:
        headers = admin | {"Idempotency-Key": "third"}
        body = {"name": "a", "scopes": ["read"]}
        client.post("/api/v1/keys", json=body, headers=headers)
        with db.transaction() as session:
            session.execute(text("UPDATE idempotency_key SET status = NULL, body = NULL"))
        assert client.post("/api/v1/keys", json=body, headers=headers).status_code == 409


class TestTheAuditChain:
    def test_every_change_has_a_who_and_the_chain_verifies(self, client: TestClient, admin: dict[str, str]) -> None:
        client.post("/api/v1/keys", json={"name": "k", "scopes": ["read"]}, headers=admin)
        newest = client.get("/api/v1/audit", headers=admin).json()["items"][0]
        assert (newest["actor"], newest["action"]) == ("key:test", "key.create")
        verified = client.get("/api/v1/audit/verification", headers=admin).json()
        assert verified == {"intact": True, "first_broken": None}

    def test_a_row_changed_behind_our_back_is_found(self, client: TestClient, admin: dict[str, str]) -> None:
        client.post("/api/v1/keys", json={"name": "k", "scopes": ["read"]}, headers=admin)
        with db.transaction() as session:
            session.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_only_grows"))
            session.execute(text("UPDATE audit SET actor = 'nobody' WHERE id = 2"))
            session.execute(text("ALTER TABLE audit ENABLE TRIGGER audit_only_grows"))
        verified = client.get("/api/v1/audit/verification", headers=admin).json()
        assert verified == {"intact": False, "first_broken": 2}


class TestReadiness:
    def test_it_is_not_ready_before_a_canary_has_come_back_and_ready_after(self, client: TestClient) -> None:
        from trivet import selfwatch

        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 503
        selfwatch.canary_control()
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["queues"]["control"]["state"] == "ok"
