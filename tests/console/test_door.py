"""Signing in and out, and what every answer carries."""

import re

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from tests.console.conftest import PASSWORD, csrf_token

from trivet import db
from trivet.console import door
from trivet.console.shield import is_own
from trivet.identity import audit, brake
from trivet.identity.models import Audit, WebSession
from trivet.kit.clock import utc_now


class TestTheDoor:
    def test_who_is_not_signed_in_is_sent_to_the_door_and_back(self, client, person):
        answer = client.get("/?range=1h", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F%3Frange%3D1h")
        page = client.get(answer.headers["location"]).text
        assert 'name="next" value="/?range=1h"' in page
        entered = client.post(
            "/sign-in",
            data={"email": person("viewer"), "password": PASSWORD, "next": "/?range=1h"},
            follow_redirects=False,
        )
        assert entered.headers["location"] == "/?range=1h"

    def test_a_fragment_is_answered_with_401_so_that_the_page_reloads(self, client):
        assert client.get("/live", headers={"HX-Request": "true"}).status_code == 401

    def test_a_wrong_password_and_a_wrong_address_are_told_the_same(self, client, person):
        email = person("sre")
        wrong = [
            client.post("/sign-in", data={"email": e, "password": p})
            for e, p in ((email, "no"), ("nobody@example.com", PASSWORD))
        ]
        assert [a.status_code for a in wrong] == [401, 401]
        assert all(door.WRONG in a.text for a in wrong)
        assert "set-cookie" not in wrong[0].headers

    def test_what_the_database_cannot_hold_gets_a_page_that_says_so(self, client):
        for email in ("a\0@b.c", "a\ud800@b.c".encode("utf-8", "surrogatepass").decode("latin-1")):
            answer = client.post("/sign-in", data={"email": email, "password": "x"})
            assert answer.status_code in {401, 422}
            assert answer.headers["content-type"].startswith("text/html")

    def test_who_came_in_is_in_the_audit_log_and_who_did_not_is_only_counted(self, client, person):
        form = {"email": person("sre"), "password": PASSWORD}
        client.post("/sign-in", data=form | {"password": "wrong"})
        client.post("/sign-in", data=form)
        with db.transaction() as session:
            rows = session.scalars(select(Audit).where(Audit.action == "user.sign_in")).all()
            assert [(row.actor, row.subject, row.reason) for row in rows] == [
                (form["email"], f"user:{form['email']}", "by password")
            ]
            assert audit.first_broken(session) is None

    def test_guessing_is_slowed_down(self, client):
        tries = [client.post("/sign-in", data={"email": "a@b.c", "password": "x"}).status_code for _ in range(11)]
        assert tries == [401] * 10 + [429]

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self, client, person):
        answer = client.post("/sign-in", data={"email": person("sre"), "password": PASSWORD}, follow_redirects=False)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie

    def test_signing_out_ends_the_session_and_needs_the_sessions_token(self, sign_in):
        client = sign_in("viewer")
        assert client.post("/sign-out", data={"csrf_token": "someone else's"}).status_code == 403
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]
        cookie = dict(client.cookies)
        client.post("/sign-out", data={"csrf_token": token})
        client.cookies.update(cookie)
        assert client.get("/", follow_redirects=False).status_code == 303

    @pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\nx"])
    def test_signing_in_leads_nowhere_else(self, path):
        assert door.local(path) == "/"


class TestTheShield:
    def test_every_answer_carries_the_policy(self, client):
        for path in ("/sign-in", "/nowhere", "/static/none.js"):
            policy = client.get(path).headers["content-security-policy"]
            assert "default-src 'self'" in policy and "unsafe" not in policy

    def test_a_form_from_another_site_changes_nothing(self, client, person):
        data = {"email": person("sre"), "password": PASSWORD}
        assert client.post("/sign-in", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.post("/sign-in", data=data, headers={"Origin": "https://evil.example"}).status_code == 403

    def test_a_form_has_a_length_and_an_end(self, client):
        assert client.post("/sign-in", content=b"x" * (65 << 10)).status_code == 413

    @pytest.mark.parametrize(
        ("site", "origin", "own"),
        [
            ("same-origin", None, True), ("none", None, True), ("same-site", None, False), ("cross-site", None, False),
            (None, "http://127.0.0.1:8000", True), (None, "http://127.0.0.1:9", False), (None, "null", False), (None, None, True),
        ],
    )  # fmt: skip
    def test_whose_form_it_is(self, site, origin, own):
        assert is_own(site, origin, "127.0.0.1:8000") is own


class TestPagesThatSayWhatIsWrong:
    def test_an_address_without_a_page_says_so_in_words(self, client):
        answer = client.get("/nowhere")
        assert answer.status_code == 404 and "There is no page at this address." in answer.text

    def test_a_machines_address_gets_a_problem_not_a_page(self, client):
        answer = client.get("/v1/nowhere")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")

    def test_with_the_database_away_the_page_says_what_is_still_true(self, sign_in, monkeypatch):
        from sqlalchemy.exc import OperationalError

        from trivet.console import queries

        client = sign_in("viewer")

        def lost(*_):
            raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

        monkeypatch.setattr(queries, "load", lost)
        answer = client.get("/")
        assert answer.status_code == 503 and "Retry-After" in answer.headers
        assert "Backends keep the policy they hold" in answer.text


class TestSomebodyOfOneTenant:
    def test_sees_the_pages_that_show_their_own_rows_and_is_told_why_not_the_others(self, sign_in):
        client = sign_in("viewer", tenant="acme")
        assert client.get("/interactions").status_code == 200
        refused = client.get("/statements")
        assert refused.status_code == 403
        assert "You see what concerns acme; this page concerns the platform as a whole." in refused.text


class TestTheSession:
    def test_gets_a_new_token_at_each_sign_in_and_the_one_before_ends(self, client, person):
        form = {"email": person("sre"), "password": PASSWORD}
        client.post("/sign-in", data=form)
        first = client.cookies["trivet_session"]
        client.post("/sign-in", data=form)
        assert client.cookies["trivet_session"] != first
        client.cookies.clear()
        old = {"Cookie": f"trivet_session={first}"}
        assert client.get("/cards", headers=old, follow_redirects=False).status_code == 303

    def test_goes_on_under_the_next_token_that_an_answer_of_any_kind_carries(self, sign_in):
        client = sign_in("sre")
        first = client.cookies["trivet_session"]
        with db.transaction() as session:
            session.execute(update(WebSession).values(rotates_at=utc_now()))
        answer = client.get("/cards")
        cookie = answer.headers["set-cookie"].lower()
        assert client.cookies["trivet_session"] != first
        assert "httponly" in cookie and "samesite=lax" in cookie and "max-age=43" in cookie
        assert "set-cookie" not in client.get("/cards").headers

    def test_is_not_kept_by_what_a_page_asks_by_itself(self, sign_in):
        client = sign_in("sre")
        with db.transaction() as session:
            session.execute(update(WebSession).values(rotates_at=utc_now(), last_seen_at=utc_now()))
        by_itself = ({"HX-Request": "true"}, {"Sec-Fetch-Mode": "cors"})
        assert all("set-cookie" not in client.get("/cards", headers=headers).headers for headers in by_itself)

    def test_has_over_tls_a_cookie_that_no_other_host_can_set(self, client, person):
        with TestClient(client.app, base_url="https://trivet.test") as secure:
            form = {"email": person("sre"), "password": PASSWORD}
            answer = secure.post("/sign-in", data=form, follow_redirects=False)
            cookie = next(each for each in answer.headers.get_list("set-cookie") if "trivet_session" in each)
            assert cookie.startswith("__Host-trivet_session=")
            assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
            assert secure.get("/cards", follow_redirects=False).status_code == 200
            assert secure.get("/api/v1/scenarios").status_code == 200
            plain = {"Cookie": cookie.partition(";")[0].removeprefix("__Host-")}
            secure.cookies.clear()
            assert secure.get("/cards", headers=plain, follow_redirects=False).status_code == 303

    def test_has_over_tls_a_language_that_no_other_host_can_set(self, client, person):
        with TestClient(client.app, base_url="https://trivet.test") as secure:
            secure.post("/sign-in", data={"email": person("sre"), "password": PASSWORD})
            form = {"csrf_token": csrf_token(), "language": "zh"}
            chosen = secure.post("/language", data=form, follow_redirects=False)
            cookie = chosen.headers["set-cookie"]
            assert cookie.startswith("__Host-trivet_language=zh;") and "Secure" in cookie and "HttpOnly" in cookie
            assert '<html lang="zh">' in secure.get("/").text

    @pytest.mark.parametrize(
        ("scheme", "cookie", "zone"),
        [
            ("https", "__Host-trivet_zone=Asia%2FShanghai", "Asia/Shanghai"),
            ("https", "trivet_zone=Asia%2FTokyo", "UTC"),
            ("http", "trivet_zone=Asia%2FTokyo", "Asia/Tokyo"),
            ("http", "__Host-trivet_zone=Asia%2FShanghai", "Asia/Shanghai"),  # TLS ends at a proxy that is not trusted
        ],
    )
    def test_has_over_tls_a_zone_that_no_other_host_can_set(self, scheme, cookie, zone):
        lines = [(b"cookie", cookie.encode())]
        scope = {"type": "http", "scheme": scheme, "path": "/", "server": ("trivet.test", 443), "headers": lines}
        assert door.zone_of(Request(scope)).key == zone

    def test_of_a_browser_that_was_here_before_is_not_kept_out_by_strangers(self, client, person, monkeypatch):
        form = {"email": person("sre"), "password": PASSWORD}
        client.post("/sign-in", data=form)
        monkeypatch.setattr(brake, "from_address", lambda _: brake.Count("address", "address:any", 1000, brake.LONGEST))
        known = {name: value for name, value in client.cookies.items() if name == "trivet_known"}
        client.cookies.clear()
        with db.transaction() as session:
            for _ in range(31):
                brake.allows(session, [brake.at_account(form["email"])], utc_now())
        assert client.post("/sign-in", data=form).status_code == 429
        client.cookies.update(known)
        assert client.post("/sign-in", data=form, follow_redirects=False).status_code == 303
