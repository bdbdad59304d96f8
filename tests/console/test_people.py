"""The pages about people: yourself, everybody, one of them, and coming in by a link that is shown once."""

import re

import pytest
from tests.console.conftest import PASSWORD, csrf_token

from trivet import db
from trivet.console.people import browser
from trivet.identity import audit, people, service
from trivet.identity.models import User, WebSession
from trivet.kit.clock import utc_now

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
NASTY = '"><img src=x onerror=alert(1)>'


def post(client, path, **form):
    return client.post(path, data={"csrf_token": csrf_token(), **form}, follow_redirects=False)


def add(name, role="viewer", **more):
    with db.transaction() as session:
        return service.create_user(
            session, email=f"{name}@example.test", name=name, role=role, password=PASSWORD, actor="test", **more
        ).id


def changes():
    with db.transaction() as session:
        assert audit.first_broken(session) is None
        return [(row.action, row.actor) for row in session.query(audit.Audit).order_by(audit.Audit.id)]


class TestYourself:
    def test_says_who_you_are_and_where_you_are_signed_in(self, client, person):
        form = {"email": person("sre"), "password": PASSWORD}
        client.post("/sign-in", data=form, headers={"User-Agent": FIREFOX})
        page = client.get("/settings").text
        assert "You are Sre, sre. You are signed in at 1 place." in page
        assert "Firefox on Linux" in page and "this one" in page
        file = client.get("/settings.csv").text.splitlines()
        assert file[0] == "since,last_seen_at,browser,here" and file[1].endswith("Firefox on Linux,yes")

    def test_is_open_to_somebody_of_one_tenant_too(self, sign_in):
        page = sign_in("viewer", tenant="acme").get("/settings")
        assert page.status_code == 200 and "see what concerns acme" in page.text

    def test_is_called_otherwise(self, sign_in):
        client = sign_in("viewer")
        assert post(client, "/settings/name", name="Robin").status_code == 303
        assert "You are Robin" in client.get("/settings").text
        assert post(client, "/settings/name", name=" ").status_code == 422

    def test_changes_the_password_with_the_one_that_holds(self, sign_in):
        client = sign_in("viewer")
        wrong = post(client, "/settings/password", old="no", new="a new password")
        assert wrong.status_code == 403 and "not the password that holds now" in wrong.text
        assert post(client, "/settings/password", old=PASSWORD, new="short").status_code == 422
        first = client.cookies["trivet_session"]
        assert post(client, "/settings/password", old=PASSWORD, new="a new password").status_code == 303
        assert client.get("/settings?done=password").status_code == 200
        assert client.cookies["trivet_session"] != first
        assert ("user.password", "viewer@example.com") in changes()

    def test_is_asked_for_the_password_that_holds_as_seldom_as_at_the_door(self, sign_in):
        client = sign_in("viewer")
        given = {"csrf_token": csrf_token(), "old": "wrong", "new": "another long one"}
        said = [client.post("/settings/password", data=given).status_code for _ in range(11)]
        assert said == [403] * 10 + [429]

    def test_signs_out_elsewhere_and_everywhere(self, client, person):
        form = {"email": person("viewer"), "password": PASSWORD}
        client.post("/sign-in", data=form)
        there = client.cookies["trivet_session"]
        client.cookies.clear()
        client.post("/sign-in", data=form)
        assert "signed in at 2 places" in client.get("/settings").text
        assert post(client, "/settings/sessions/end", which="others").headers["location"] == "/settings"
        old = {"Cookie": f"trivet_session={there}"}
        here = dict(client.cookies)
        client.cookies.clear()
        assert client.get("/settings", headers=old, follow_redirects=False).status_code == 303
        client.cookies.update(here)
        assert post(client, "/settings/sessions/end", which="all").headers["location"] == "/sign-in"
        client.cookies.update(here)
        assert client.get("/settings", follow_redirects=False).status_code == 303

    def test_what_ended_by_ones_own_hand_is_in_the_audit_log(self, client, person):
        form = {"email": person("viewer"), "password": PASSWORD}
        client.post("/sign-in", data=form)
        with db.transaction() as session:
            family = session.query(WebSession).one().family
        client.cookies.clear()
        client.post("/sign-in", data=form)
        for _again in range(2):  # the second time there is nothing to end
            post(client, "/settings/sessions/end", which="one", family=family)
        post(client, "/sign-out")
        own = [action for action, actor in changes() if actor == form["email"]]
        assert own == ["user.sign_in", "user.sign_in", "user.end_session", "user.sign_out"]

    def test_ends_no_session_of_somebody_else(self, sign_in):
        add("bob")
        with db.transaction() as session:
            made = service.sign_in(session, email="bob@example.test", password=PASSWORD, now=utc_now(), hours=1)
            family = session.query(WebSession).filter_by(user_id=made.user.id).one().family
        client = sign_in("viewer")
        with db.transaction() as session:
            mine = session.query(WebSession).join(User, User.id == WebSession.user_id).filter(User.role == "viewer")
            token = mine.filter(User.email == "viewer@example.com").one().csrf_token
        client.post("/settings/sessions/end", data={"csrf_token": token, "family": family, "which": "one"})
        with db.transaction() as session:
            assert session.query(WebSession).filter_by(family=family).count() == 1

    @pytest.mark.parametrize("path", ["name", "password", "sessions/end"])
    def test_changes_nothing_without_the_sessions_own_token(self, sign_in, path):
        assert sign_in("viewer").post(f"/settings/{path}", data={"csrf_token": "other", "name": "x"}).status_code == 403


class TestEverybody:
    def test_is_listed_with_role_tenant_and_way_in(self, sign_in):
        add("bob", tenant="acme")
        add("eve", role="sre", signs_in_here=False)
        page = sign_in("admin").get("/people").text
        assert "3 people may come in, 1 of them administers; nobody is kept out." in page
        assert "acme" in page and "not yet" in page
        assert len(re.findall(r'href="/people/\d+"', page)) == 3

    def test_comes_as_csv_and_is_found_by_a_part_of_a_name(self, sign_in):
        add("bob")
        client = sign_in("admin")
        assert "bob@example.test" in client.get("/people.csv?q=BO").text
        assert "bob@example.test" not in client.get("/people?q=%25").text

    @pytest.mark.parametrize("role", ["finance", "sre", "product_owner", "viewer"])
    def test_is_for_admins(self, sign_in, role):
        client = sign_in(role)
        assert client.get("/people").status_code == client.get("/people.csv").status_code == 403
        assert post(client, "/people", email="x@y.z", name="x", role="admin").status_code == 403
        assert "/people" not in client.get("/settings").text

    def test_grows_by_somebody_whose_link_is_shown_once_and_works_once(self, sign_in):
        client = sign_in("admin")
        made = post(client, "/people", email="new@example.test", name=NASTY, role="viewer", tenant="")
        assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
        assert NASTY not in made.text and "&lt;img src=x" in made.text
        link = re.search(r"http://127\.0\.0\.1(/sign-in/link/[\w-]+)", made.text)[1]
        assert link not in client.get("/people").text
        client.cookies.clear()
        assert "new@example.test" in client.get(link).text
        assert client.post(link, data={"new": "short"}).status_code == 422
        assert client.post(link, data={"new": "long enough"}, follow_redirects=False).status_code == 303
        assert client.get("/settings").status_code == 200
        assert client.get(link).status_code == client.post(link, data={"new": "long enough"}).status_code == 404

    def test_says_at_the_field_why_somebody_is_not_added(self, sign_in):
        client = sign_in("admin")
        refused = post(client, "/people", email="x@example.test", name="X", role="finance", tenant="acme")
        assert refused.status_code == 422 and "concerns the platform as a whole" in refused.text
        assert 'value="x@example.test"' in refused.text and 'id="wrong-tenant"' in refused.text


class TestOneOfThem:
    def test_is_changed_and_gets_a_new_token_with_the_new_role(self, sign_in):
        bob = add("bob")
        client = sign_in("admin")
        answer = post(client, f"/people/{bob}", name="Bob", role="sre", tenant="acme")
        assert answer.headers["location"] == f"/people/{bob}"
        assert "Bob comes in as sre and sees what concerns acme." in client.get(f"/people/{bob}").text
        refused = post(client, f"/people/{bob}", name="Bob", role="admin", tenant="acme")
        assert refused.status_code == 422 and 'id="wrong-tenant"' in refused.text

    def test_is_kept_out_with_a_reason_and_let_in_again(self, sign_in):
        bob = add("bob")
        client = sign_in("admin")
        assert post(client, f"/people/{bob}/disable", reason=" ").status_code == 422
        assert post(client, f"/people/{bob}/disable", reason="left").status_code == 303
        assert "is kept out since" in client.get(f"/people/{bob}").text
        assert post(client, f"/people/{bob}/link").status_code == 409
        assert post(client, f"/people/{bob}/enable").status_code == 303
        assert post(client, f"/people/{bob}/link").status_code == 201
        assert post(client, f"/people/{bob}/end-sessions").status_code == 303

    def test_is_never_the_last_admin(self, sign_in):
        client = sign_in("admin")
        with db.transaction() as session:
            me = service.find_user(session, "admin@example.com").id
        assert "last admin" in post(client, f"/people/{me}", name="A", role="viewer", tenant="").text
        assert "last admin" in post(client, f"/people/{me}/disable", reason="x").text

    def test_who_is_disabled_is_out_at_the_next_look(self, sign_in):
        client = sign_in("viewer")
        assert client.get("/settings").status_code == 200
        add("root", role="admin")
        with db.transaction() as session:
            me = service.find_user(session, "viewer@example.com").id
            people.disable(session, me, actor="root", reason="left", now=utc_now())
        assert client.get("/settings", follow_redirects=False).status_code == 303

    def test_is_not_found_where_there_is_nobody(self, sign_in):
        assert sign_in("admin").get("/people/999999").status_code == 404


class TestABrowser:
    @pytest.mark.parametrize(
        ("said", "kept", "shown"),
        [
            (FIREFOX, "Firefox/Linux", "Firefox on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", "Edge/Windows", "Edge on Windows"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Version/18 Safari/604.1", "Safari/iPhone", "Safari on iPhone"),
            ("curl/8.5.0", "curl/", "curl"),
            ("<script>", "", "a browser"),
            ("x" * 10_000 + "Firefox/1", "", "a browser"),
        ],
    )  # fmt: skip
    def test_is_called_coarsely(self, said, kept, shown):
        assert browser.called(said) == kept
        assert browser.words(kept) == shown
