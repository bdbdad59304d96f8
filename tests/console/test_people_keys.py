"""Keys: made and shown once, revoked with a reason after a look at what that stops, at once and everywhere:
`tests/embed/test_serve.py`."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from tests.console.conftest import csrf_token

from trivet import db
from trivet.console.people import keys
from trivet.identity import auth, service
from trivet.identity.models import ApiKey

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def post(client, path, **form):
    return client.post(path, data={"csrf_token": csrf_token(), **form}, follow_redirects=False)


class TestKeys:
    def test_made_is_shown_exactly_once_and_works(self, sign_in):
        client = sign_in("admin")
        made = post(client, "/keys", name="gateway", scopes=["ingest", "read"], tenant="acme")
        assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
        secret = re.search(r"tvt_[\w-]{40,}", made.text)[0]
        assert client.get("/api/v1/interactions", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
        page = client.get("/keys").text
        assert secret not in page and secret[:8] in page and "acme" in page
        assert "1 key is in force; 0 are revoked." in page
        assert secret not in client.get("/keys.csv").text

    def test_refused_says_so_at_the_field_and_keeps_what_was_written(self, sign_in):
        client = sign_in("admin")
        refused = post(client, "/keys", name="gateway", scopes=["admin"], tenant="acme")
        assert refused.status_code == 422 and 'id="wrong-scopes"' in refused.text and 'value="gateway"' in refused.text
        assert post(client, "/keys", name="gateway").status_code == 422

    def test_used_says_when_to_the_minute(self, client, make_key):
        secret = make_key(["read"])
        auth.key_principal(secret)
        with db.transaction() as session:
            key = service.find_key(session, secret)
            first = key.last_used_at
            service.note_use(session, key, first + timedelta(seconds=59))
            session.refresh(key)
            assert key.last_used_at == first
            service.note_use(session, key, first + timedelta(seconds=60))
            session.refresh(key)
            assert key.last_used_at == first + timedelta(seconds=60)

    def test_revoked_after_a_look_ends_here_at_once(self, sign_in, make_key):
        secret = make_key(["read", "policy"], tenant="acme")
        client = sign_in("admin")
        own = {"Authorization": f"Bearer {secret}"}
        assert client.get("/api/v1/interactions", headers=own).status_code == 200
        with db.transaction() as session:
            key_id = service.find_key(session, secret).id
        look = client.get(f"/keys/{key_id}/revoke").text
        assert "Once the key test of acme is revoked" in look and "It was last used" in look
        assert post(client, f"/keys/{key_id}/revoke", reason=" ").status_code == 422
        assert post(client, f"/keys/{key_id}/revoke", reason="leaked").headers["location"] == "/keys?state=revoked"
        client.cookies.clear()
        assert client.get("/api/v1/interactions", headers=own).status_code == 401

    def test_revoked_are_listed_with_who_and_why(self, sign_in, make_key):
        make_key(["read"])
        client = sign_in("admin")
        with db.transaction() as session:
            key_id = session.query(ApiKey).one().id
        post(client, f"/keys/{key_id}/revoke", reason="leaked")
        page = client.get("/keys?state=revoked").text
        assert "admin@example.com: leaked" in page
        assert f"/keys/{key_id}/revoke" not in page
        assert client.get(f"/keys/{key_id}/revoke").status_code == 404

    @pytest.mark.parametrize("role", ["finance", "sre", "product_owner", "viewer"])
    def test_are_for_admins(self, sign_in, role):
        client = sign_in(role)
        assert client.get("/keys").status_code == post(client, "/keys", name="x", scopes=["read"]).status_code == 403


class TestAKeysTime:
    def test_is_solid_until_it_was_last_used_and_hollow_from_there(self):
        def life(**when):
            return keys.life(ApiKey(**when), NOON - timedelta(days=100), NOON)

        made = NOON - timedelta(days=50)
        assert life(created_at=made, last_used_at=None, revoked_at=None) == keys.Life("50.00", "0.00", "50.00")
        used = NOON - timedelta(days=10)
        assert life(created_at=made, last_used_at=used, revoked_at=None) == keys.Life("50.00", "40.00", "10.00")
        ended = NOON - timedelta(days=20)
        assert life(created_at=made, last_used_at=used, revoked_at=ended) == keys.Life("50.00", "30.00", "0.00")
