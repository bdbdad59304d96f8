"""Keys, scopes, problems and idempotent posts, through the real app."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from trivet import db
from trivet.ingest.store import names

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
        body = {"email": "one@example.test", "name": "One", "role": "viewer", "password": "long enough"}
        first = client.post("/api/v1/users", json=body, headers=headers)
        again = client.post("/api/v1/users", json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert len(client.get("/api/v1/users", headers=admin).json()["items"]) == 1

    def test_a_secret_shown_once_is_not_kept_for_a_replay(self, client: TestClient, admin: dict[str, str]) -> None:
        headers = admin | {"Idempotency-Key": "secret"}
        body = {"name": "one", "scopes": ["admin"]}
        made = client.post("/api/v1/keys", json=body, headers=headers)
        again = client.post("/api/v1/keys", json=body, headers=headers)
        assert again.status_code == 409
        assert "done, once" in again.json()["detail"]
        names = [item["name"] for item in client.get("/api/v1/keys", headers=admin).json()["items"]]
        assert names.count("one") == 1
        with db.transaction() as session:
            kept = session.execute(text("SELECT idempotency_key::text FROM idempotency_key")).scalars().all()
        assert kept
        assert not any(made.json()["key"] in row for row in kept)

    @pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
    def test_nobody_is_answered_before_it_is_known_who_asks(
        self, client: TestClient, make_key: MakeKey, header: str
    ) -> None:
        key = make_key(["admin"])
        who = {header: f"Bearer {key}" if header == "Authorization" else key}
        body = {"email": "one@example.test", "name": "One", "role": "viewer", "password": "long enough"}
        idempotent = {"Idempotency-Key": "mine"}
        assert client.post("/api/v1/users", json=body, headers=idempotent).status_code == 401
        assert client.post("/api/v1/users", json=body, headers=who | idempotent).status_code == 201
        for other in ({}, bearer("tvt_nobody"), bearer(make_key(["read"]))):
            assert client.post("/api/v1/users", json=body, headers=other | idempotent).status_code in {401, 403}

    def test_a_refusal_is_not_kept(self, client: TestClient, admin: dict[str, str]) -> None:
        headers = admin | {"Idempotency-Key": "again"}
        body = {"email": "one@example.test", "name": "One", "role": "viewer", "password": "long enough"}
        client.post("/api/v1/users", json=body, headers=admin)
        assert client.post("/api/v1/users", json=body, headers=headers).status_code == 409
        with db.transaction() as session:
            session.execute(text("DELETE FROM user_account"))
        assert client.post("/api/v1/users", json=body, headers=headers).status_code == 201

    def test_work_that_was_done_is_not_done_again_where_its_answer_was_lost(
        self, client: TestClient, admin: dict[str, str]
    ) -> None:
        headers = admin | {"Idempotency-Key": "lost"}
        body = {"name": "one", "scopes": ["read"]}
        client.post("/api/v1/keys", json=body, headers=headers)
        with db.transaction() as session:
            session.execute(text("UPDATE idempotency_key SET status = NULL, created_at = now() - interval '1 hour'"))
        assert client.post("/api/v1/keys", json=body, headers=headers).status_code == 409

    def test_a_key_too_long_is_refused_and_not_cut(self, client: TestClient, admin: dict[str, str]) -> None:
        answer = client.post("/api/v1/users", json={}, headers=admin | {"Idempotency-Key": "k" * 201})
        assert answer.status_code == 422
        assert "200" in answer.json()["detail"]

    def test_another_body_is_refused(self, client: TestClient, admin: dict[str, str]) -> None:
        headers = admin | {"Idempotency-Key": "second"}
        client.post("/api/v1/keys", json={"name": "a", "scopes": ["read"]}, headers=headers)
        other = client.post("/api/v1/keys", json={"name": "b", "scopes": ["read"]}, headers=headers)
        assert other.status_code == 422
        assert other.json()["errors"][0]["field"] == "Idempotency-Key"

    def test_the_same_body_at_another_address_is_refused(self, client: TestClient, admin: dict[str, str]) -> None:
        once = admin | {"Idempotency-Key": "look, then do"}
        body = "tenant,cost_centre\nacme,CC-7\n"
        client.post("/api/v1/cost-centres", json={"name": "CC-7"}, headers=admin)
        looked = client.post("/api/v1/tenants/mapping?preview=true", content=body, headers=once)
        assert looked.status_code == 200, looked.text
        done = client.post("/api/v1/tenants/mapping?preview=false", content=body, headers=once)
        assert done.status_code == 422
        assert "another address or body" in done.json()["detail"]

    def test_one_still_in_flight_is_a_conflict(self, client: TestClient, admin: dict[str, str]) -> None:
        headers = admin | {"Idempotency-Key": "third"}
        body = {"name": "a", "scopes": ["read"]}
        client.post("/api/v1/keys", json=body, headers=headers)
        with db.transaction() as session:
            session.execute(text("UPDATE idempotency_key SET status = NULL, body = NULL, done = false"))
        assert client.post("/api/v1/keys", json=body, headers=headers).status_code == 409


class TestTheFront:
    def test_a_body_without_end_is_refused_before_it_is_read(self, client: TestClient, admin: dict[str, str]) -> None:
        long = b'{"name": "' + b"x" * (2 << 20) + b'"}'
        answer = client.post("/api/v1/tenants", content=long, headers=admin)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")

        def pieces() -> Iterator[bytes]:
            yield from (long[i : i + 65536] for i in range(0, len(long), 65536))

        assert client.post("/api/v1/tenants", content=pieces(), headers=admin).status_code == 413
        assert client.post("/api/v1/tenants", content=long).status_code == 401

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("PUT", "/api/v1/keys", 405), ("GET", "/v1/traces", 405), ("GET", "/api/v1/nothing", 404)],
    )
    def test_a_path_or_method_that_is_not_there_is_a_problem_and_no_page(
        self, client: TestClient, admin: dict[str, str], method: str, path: str, status: int
    ) -> None:
        answer = client.request(method, path, headers=admin)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/api/v1/audit?subject=%00", None),
            ("DELETE", "/api/v1/keys/99999999999999999999", None),
            ("GET", "/api/v1/users?cursor=WzQ2MTE2ODYwMTg0MjczODc5MDRd", None),
            ("POST", "/api/v1/keys", {"name": "a\0b", "scopes": ["read"]}),
            ("POST", "/api/v1/keys", {"name": "\ud800", "scopes": ["read"]}),
            ("POST", "/api/v1/users", {"email": "a\0@b.c", "name": "a", "role": "sre", "password": "long enough"}),
        ],
    )
    def test_what_the_database_cannot_hold_is_refused_as_the_callers_mistake(
        self, client: TestClient, admin: dict[str, str], method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        answer = client.request(method, path, content=json.dumps(body) if body else None, headers=admin)
        assert answer.status_code == 422, answer.text


class TestKeysOfFinance:
    def test_book_and_do_not_administer(self, client: TestClient, make_key: MakeKey) -> None:
        headers = {"Authorization": f"Bearer {make_key(['read', 'finance'])}"}
        assert client.post("/api/v1/cost-centres", json={"name": "CC-7"}, headers=headers).status_code == 201
        assert client.get("/api/v1/keys", headers=headers).status_code == 403


class TestKeysOfOneTenant:
    def test_cannot_book(self, client: TestClient, admin: dict[str, str]) -> None:
        body = {"name": "acme", "tenant": "acme", "scopes": ["finance"]}
        assert client.post("/api/v1/keys", json=body, headers=admin).status_code == 422

    def test_cannot_be_admin(self, client: TestClient, admin: dict[str, str]) -> None:
        body = {"name": "x", "tenant": "acme", "scopes": ["admin"]}
        assert client.post("/api/v1/keys", json=body, headers=admin).status_code == 422

    @pytest.mark.parametrize("body", [{"tennant": "acme"}, {"tenant": ""}])
    def test_a_slip_of_the_pen_does_not_make_a_key_of_the_platform(
        self, client: TestClient, admin: dict[str, str], body: dict[str, str]
    ) -> None:
        answer = client.post("/api/v1/keys", json={"name": "x", "scopes": ["read"], **body}, headers=admin)
        assert answer.status_code == 422


class TestTheAuditChain:
    def test_every_change_has_a_who_and_the_chain_verifies(self, client: TestClient, admin: dict[str, str]) -> None:
        client.post("/api/v1/keys", json={"name": "k", "scopes": ["read"]}, headers=admin)
        newest = client.get("/api/v1/audit", headers=admin).json()["items"][0]
        assert (newest["actor"], newest["action"]) == ("key:test", "key.create")
        verified = client.get("/api/v1/audit/verification", headers=admin).json()
        assert (verified["intact"], verified["first_broken"]) == (True, None)
        assert verified["verified"] == verified["rows"] == newest["id"]

    def test_a_row_changed_behind_our_back_is_found(self, client: TestClient, admin: dict[str, str]) -> None:
        client.post("/api/v1/keys", json={"name": "k", "scopes": ["read"]}, headers=admin)
        with db.transaction() as session:
            session.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_only_grows"))
            session.execute(text("UPDATE audit SET actor = 'nobody' WHERE id = 2"))
            session.execute(text("ALTER TABLE audit ENABLE TRIGGER audit_only_grows"))
        verified = client.get("/api/v1/audit/verification", headers=admin).json()
        assert (verified["intact"], verified["first_broken"], verified["verified"]) == (False, 2, 1)


class TestReadiness:
    def test_it_is_not_ready_before_a_canary_has_come_back_and_ready_after(self, client: TestClient) -> None:
        from trivet import selfwatch

        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 503
        selfwatch.canary_control()
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["queues"]["control"]["state"] == "ok"

    def test_it_says_when_guards_were_last_judged(self, client: TestClient) -> None:
        from trivet.guard import tasks

        assert client.get("/readyz").json()["guards_judged_at"] is None
        tasks.evaluate()
        assert client.get("/readyz").json()["guards_judged_at"]

    def test_the_brokers_state_is_told_and_does_not_decide(
        self, client: TestClient, broker_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from trivet import selfwatch
        from trivet.settings import get_settings

        selfwatch.canary_work()
        for url, state in (("", "not set"), (broker_url, "ok"), ("redis+socket:///nowhere.sock", "away")):
            monkeypatch.setenv("TRIVET_BROKER_URL", url)
            get_settings.cache_clear()
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["broker"]) == (200, state)


class TestAKeyOfTheOverflowTenant:
    def test_is_refused_for_it_would_read_what_many_tenants_used(
        self, client: TestClient, admin: dict[str, str]
    ) -> None:
        asked = {"name": "curious", "scopes": ["read"], "tenant": names.OVERFLOW}
        answer = client.post("/api/v1/keys", json=asked, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "tenant"
