"""Keys kept in memory for a moment: few look-ups, and no key that outlives its end."""

import pytest
from fastapi.testclient import TestClient

from trivet import db
from trivet.identity import auth, service
from trivet.kit.clock import utc_now
from trivet.kit.errors import Unauthenticated


def revoke(secret: str) -> None:
    with db.transaction() as session:
        key = service.find_key(session, secret)
        assert key is not None
        service.revoke_key(session, key.id, actor="test", now=utc_now())


class TestKeysInMemory:
    @pytest.fixture
    def secret(self, database: str) -> str:
        with db.transaction() as session:
            return service.create_key(session, name="a", scopes=["ingest"], tenant=None, actor="test").secret

    def test_are_looked_up_once_in_a_while(self, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert auth.known(secret) is None
        first = auth.key_principal(secret)
        monkeypatch.setattr(service, "find_key", None)  # a look-up would fail
        assert auth.key_principal(secret) is auth.known(secret) is first

    def test_are_looked_up_again_after_their_seconds(self, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auth, "KEY_CACHE_S", 0.0)
        auth.key_principal(secret)
        assert auth.known(secret) is None
        revoke(secret)  # elsewhere
        with pytest.raises(Unauthenticated):
            auth.key_principal(secret)

    def test_revoked_through_this_process_end_at_once(self, client: TestClient, admin: dict[str, str]) -> None:
        made = client.post("/api/v1/keys", headers=admin, json={"name": "b", "scopes": ["read"]}).json()
        own = {"Authorization": f"Bearer {made['key']}"}
        assert client.get("/api/v1/scenarios", headers=own).status_code == 200
        assert client.delete(f"/api/v1/keys/{made['id']}", headers=admin).status_code == 204
        assert client.get("/api/v1/scenarios", headers=own).status_code == 401

    def test_revoked_while_they_are_looked_up_are_not_kept(self, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        find = service.find_key

        def find_and_lose(session: object, given: str) -> object:
            found = find(session, given)  # type: ignore[arg-type]  # a session
            auth.forget_keys()  # now, between the look and the keeping
            return found

        monkeypatch.setattr(service, "find_key", find_and_lose)
        assert auth.key_principal(secret).scopes == {"ingest"}
        assert auth.known(secret) is None

    def test_are_so_many_at_most(self, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auth, "KEY_CACHE_SIZE", 1)
        auth.key_principal(secret)
        with db.transaction() as session:
            other = service.create_key(session, name="c", scopes=["ingest"], tenant=None, actor="test").secret
        auth.key_principal(other)
        assert auth.known(secret) is None
        assert auth.known(other) is not None
