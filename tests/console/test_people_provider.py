"""People sign in with a real OpenID provider; what does not fit lets nobody in and says so in words."""

import time
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from tests.console.conftest import csrf_token
from tests.support.provider import come_back, provider

from trivet import db
from trivet.console.people import provider as page
from trivet.identity import audit, service
from trivet.identity import provider as conversation
from trivet.settings import get_settings

ACCOUNTS = {
    "ada": {"email": "ada@example.test", "email_verified": True, "name": "Ada L", "groups": ["ops"], "tenant": "acme"},
    "mallory": {"email": "admin@example.test", "email_verified": False, "name": "M", "groups": ["ops"], "tenant": "*"},
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    with provider(tmp_path_factory.mktemp("provider"), ACCOUNTS) as address:
        yield address


@pytest.fixture
def settings(client, issuer, monkeypatch):
    """`settings(OIDC_CREATE="true")` sets more."""

    def put(**more):
        told = {
            "OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": "trivet", "OIDC_CLIENT_SECRET": "the-secret-of-this-client",
            "OIDC_ROLES": '{"ops": "sre"}', "OIDC_CREATE": "true", "OIDC_NAME": "Example ID", **more,
        }  # fmt: skip
        for name, value in told.items():
            monkeypatch.setenv(f"TRIVET_{name}", value)
        get_settings.cache_clear()

    put()
    return put


def go(client, next_path="/cards"):
    """The address at the provider that the button leads to."""
    answer = client.get(f"/sign-in/provider?{urlencode({'next': next_path})}", follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def back(client, where):
    parts = urlsplit(where)
    return client.get(f"{parts.path}?{parts.query}", follow_redirects=False)


def sign_in(client, account, next_path="/cards"):
    return back(client, come_back(go(client, next_path), account))


class TestSigningInWithAProvider:
    def test_adds_whoever_comes_in_the_role_of_their_group_and_leads_where_they_wanted(self, client, settings):
        assert "Sign in with Example ID" in client.get("/sign-in").text
        answer = sign_in(client, "ada", "/readiness?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/readiness?x=1")
        page = client.get("/readiness")
        assert page.status_code == 200 and "Ada L" in page.text
        with db.transaction() as session:
            assert service.find_user(session, "ada@example.test").role == "sre"
            assert audit.first_broken(session) is None

    def test_asks_for_a_code_that_only_this_browser_can_use(self, client, settings, issuer):
        asked = parse_qs(urlsplit(go(client)).query)
        assert asked["code_challenge_method"] == ["S256"] and len(asked["code_challenge"][0]) == 43
        assert asked["state"] != asked["nonce"] and asked["redirect_uri"] == ["http://127.0.0.1/sign-in/callback"]

    def test_binds_whoever_comes_to_the_tenant_that_the_provider_names(self, client, settings):
        settings(OIDC_TENANT_CLAIM="tenant")
        sign_in(client, "ada")
        with db.transaction() as session:
            user = service.find_user(session, "ada@example.test")
            assert service.tenant_name(session, user.tenant_id) == "acme"
        assert client.get("/readiness").status_code == 403

    def test_takes_over_no_account_by_an_address_that_nobody_verified(self, client, settings, person):
        with db.transaction() as session:
            service.create_user(
                session, email="admin@example.test", name="A", role="admin", password="long enough", actor="test"
            )
        answer = sign_in(client, "mallory")
        assert answer.status_code == 403 and "has not verified your email address" in answer.text
        assert client.get("/cards", follow_redirects=False).status_code == 303

    def test_is_not_done_with_a_code_that_another_browser_was_given(self, client, settings):
        where = come_back(go(client), "ada")
        client.cookies.clear()
        answer = back(client, where)
        assert answer.status_code == 403 and "begun in another browser" in answer.text
        go(client)
        assert "begun in another browser" in back(client, where).text

    def test_is_not_done_twice_with_one_code(self, client, settings):
        where = come_back(go(client), "ada")
        cookie = {"Cookie": f"{page.COOKIE}={client.cookies[page.COOKIE]}"}
        assert back(client, where).status_code == 303
        client.cookies.clear()
        parts = urlsplit(where)
        again = client.get(f"{parts.path}?{parts.query}", headers=cookie, follow_redirects=False)
        assert again.status_code == 403 and "could not be proven" in again.text

    @pytest.mark.parametrize("next_path", ["https://evil.example", "//evil.example", "/\\evil.example"])
    def test_leads_nowhere_else(self, client, settings, next_path):
        assert sign_in(client, "ada", next_path).headers["location"] == "/"

    def test_says_what_the_provider_refused(self, client, settings):
        state = parse_qs(urlsplit(go(client)).query)["state"][0]
        answer = client.get(f"/sign-in/callback?{urlencode({'error': 'access_denied', 'state': state})}")
        assert answer.status_code == 403 and "let nobody in" in answer.text

    def test_with_a_client_of_another_secret_lets_nobody_in(self, client, settings):
        settings(OIDC_CLIENT_SECRET="another secret")
        answer = sign_in(client, "ada")
        assert answer.status_code == 403 and "could not be proven" in answer.text

    def test_ends_here_when_they_sign_out_here(self, client, settings):
        sign_in(client, "ada")
        assert client.get("/cards").status_code == 200
        client.post("/sign-out", data={"csrf_token": csrf_token()})
        assert client.get("/cards", follow_redirects=False).status_code == 303

    def test_is_slowed_down_for_whoever_asks_without_end(self, client, settings):
        codes = [client.get("/sign-in/provider", follow_redirects=False).status_code for _ in range(31)]
        assert codes == [303] * 30 + [429]


class TestAProviderThatDoesNotAnswer:
    def test_is_told_in_words_and_the_password_still_works(self, client, settings, person):
        settings(OIDC_ISSUER="http://127.0.0.1:9")
        answer = client.get("/sign-in/provider")
        assert answer.status_code == 503 and "does not answer as it should" in answer.text

    def test_or_calls_itself_otherwise_is_not_spoken_to(self, client, settings, issuer):
        settings(OIDC_ISSUER=issuer.replace("127.0.0.1", "localhost"))
        assert client.get("/sign-in/provider").status_code == 503

    def test_or_talks_without_end_is_not_listened_to(self, monkeypatch):
        monkeypatch.setattr(conversation, "ANSWER_BYTES_MAX", 1_000)
        endless = httpx.MockTransport(lambda _: httpx.Response(200, stream=Drip(100, 0)))
        with pytest.raises(httpx.ReadError):
            httpx.Client(transport=bounded(endless)).get("http://127.0.0.1/")

    def test_or_answers_drop_by_drop_is_not_waited_for(self, monkeypatch):
        monkeypatch.setattr(conversation, "CALL_S", 0.05)
        slow = httpx.MockTransport(lambda _: httpx.Response(200, stream=Drip(100, 0.02)))
        began = time.monotonic()
        with pytest.raises(httpx.ReadError):
            httpx.Client(transport=bounded(slow)).get("http://127.0.0.1/")
        assert time.monotonic() - began < 1


class Drip(httpx.SyncByteStream):
    def __init__(self, pieces, pause_s):
        self.pieces, self.pause_s = pieces, pause_s

    def __iter__(self):
        for _ in range(self.pieces):
            time.sleep(self.pause_s)
            yield b"x" * 100


def bounded(inner):
    made = conversation.Bounded()
    made._inner = inner
    return made


class TestWithoutAProvider:
    def test_there_is_no_button_and_no_way(self, client):
        assert "Sign in with" not in client.get("/sign-in").text
        assert client.get("/sign-in/provider").status_code == 404
        assert client.get("/sign-in/callback?code=x&state=y").status_code == 403
