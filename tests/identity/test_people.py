"""What becomes of people: changed, disabled, let in again; never without an admin; a link is good once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from trivet import db
from trivet.identity import audit, people, service, sessions
from trivet.identity.models import User, WebSession
from trivet.kit.errors import Conflict, Forbidden, Invalid, NotFound

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = sessions.Rules(timedelta(hours=12), timedelta(hours=12), timedelta(minutes=15))
OLD, NEW = "long enough", "longer than enough"


def add(name: str, role: str, **more: Any) -> int:
    with db.transaction() as session:
        email = f"{name}@example.test"
        return service.create_user(session, email=email, name=name, role=role, password=OLD, actor="test", **more).id


def enter(user_id: int) -> str:
    with db.transaction() as session:
        return sessions.begin(session, session.get_one(User, user_id), NOON, RULES).token


def held(token: str) -> WebSession | None:
    with db.transaction() as session:
        found = sessions.who(session, token, NOON, RULES)
        return found[1] if found else None


def change(user_id: int, **given: Any) -> User:
    with db.transaction() as session:
        return people.change(session, user_id, actor="test", now=NOON, **given)


@pytest.fixture
def ada(database: str) -> int:
    return add("ada", "admin")


@pytest.fixture
def bob(database: str) -> int:
    return add("bob", "sre")


class TestAChange:
    def test_of_role_or_tenant_gives_new_tokens_and_one_of_the_name_does_not(self, bob: int) -> None:
        token = enter(bob)
        change(bob, name="Robert")
        found = held(token)
        assert found is not None
        assert found.rotates_at > NOON
        change(bob, tenant="acme")
        found = held(token)
        assert found is not None
        assert found.rotates_at == NOON

    def test_is_written_down_with_what_it_was_before(self, bob: int) -> None:
        change(bob, role="viewer", tenant="acme")
        with db.transaction() as session:
            row = session.scalars(audit.select(audit.Audit).order_by(audit.Audit.id.desc())).first()
            assert row is not None
            assert (row.before, row.after) == ({"role": "sre", "tenant": None}, {"role": "viewer", "tenant": "acme"})
            assert audit.first_broken(session) is None

    @pytest.mark.parametrize(("role", "field"), [("root", "role"), ("finance", "tenant")])
    def test_to_what_cannot_be_is_refused(self, bob: int, role: str, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            change(bob, role=role, tenant="acme")
        assert refused.value.field == field


class TestTheLastAdmin:
    def test_stays_one(self, ada: int, bob: int) -> None:
        with pytest.raises(Conflict, match="last admin"):
            change(ada, role="viewer")
        with db.transaction() as session, pytest.raises(Conflict, match="last admin"):
            people.disable(session, ada, actor="test", reason="gone", now=NOON)
        change(bob, role="admin")
        assert change(ada, role="viewer").role == "viewer"

    def test_is_whoever_can_come_in(self, ada: int) -> None:
        add("eve", "admin", signs_in_here=False)
        with pytest.raises(Conflict, match="last admin"):
            change(ada, role="viewer")


class TestSomebodyDisabled:
    def test_is_out_at_once_and_cannot_come_back_until_let_in(self, ada: int, bob: int) -> None:
        token = enter(bob)
        with db.transaction() as session:
            people.disable(session, bob, actor="test", reason="left", now=NOON)
        assert held(token) is None
        with db.transaction() as session:
            assert service.right_password(session, "bob@example.test", OLD) is None
            people.enable(session, bob, actor="test")
            assert service.right_password(session, "bob@example.test", OLD) is not None

    def test_needs_a_reason(self, ada: int, bob: int) -> None:
        with db.transaction() as session, pytest.raises(Invalid) as refused:
            people.disable(session, bob, actor="test", reason=" ", now=NOON)
        assert refused.value.field == "reason"


class TestAPassword:
    def test_is_changed_with_the_one_that_holds_and_ends_every_other_session(self, bob: int) -> None:
        here, there = enter(bob), enter(bob)
        mine = held(here)
        assert mine is not None
        with db.transaction() as session:
            people.change_password(session, bob, old=OLD, new=NEW, keep=mine.family, actor="bob", now=NOON)
            assert service.right_password(session, "bob@example.test", NEW) is not None
            assert service.right_password(session, "bob@example.test", OLD) is None
        assert held(there) is None
        kept = held(here)
        assert kept is not None
        assert kept.rotates_at == NOON

    @pytest.mark.parametrize(("old", "new", "refusal"), [("wrong", NEW, Forbidden), (OLD, "short", Invalid)])
    def test_is_not_changed_otherwise(self, bob: int, old: str, new: str, refusal: type[Exception]) -> None:
        with db.transaction() as session, pytest.raises(refusal):
            people.change_password(session, bob, old=old, new=new, keep="", actor="bob", now=NOON)


class TestAOneTimeLink:
    def test_sets_a_password_once(self, bob: int) -> None:
        token = enter(bob)
        with db.transaction() as session:
            link = people.make_link(session, bob, actor="test", now=NOON)
        with db.transaction() as session:
            assert people.use_link(session, link.token, NEW, NOON).email == "bob@example.test"
            assert service.right_password(session, "bob@example.test", NEW) is not None
        assert held(token) is None
        with db.transaction() as session, pytest.raises(NotFound):
            people.use_link(session, link.token, NEW, NOON)

    def test_is_dead_after_a_day_and_once_there_is_a_newer_one(self, bob: int) -> None:
        with db.transaction() as session:
            first = people.make_link(session, bob, actor="test", now=NOON)
            second = people.make_link(session, bob, actor="test", now=NOON)
        with db.transaction() as session, pytest.raises(NotFound):
            people.of_link(session, first.token, NOON)
        with db.transaction() as session, pytest.raises(NotFound):
            people.of_link(session, second.token, NOON + timedelta(hours=24))


class TestOverRest:
    def test_somebody_is_changed_disabled_and_let_in_again(
        self, client: TestClient, admin: dict[str, str], ada: int, bob: int
    ) -> None:
        url = f"/api/v1/users/{bob}"
        changed = client.patch(url, json={"role": "viewer", "tenant": "acme"}, headers=admin)
        assert (changed.json()["role"], changed.json()["tenant"], changed.json()["name"]) == ("viewer", "acme", "bob")
        assert client.patch(url, json={"tenant": None}, headers=admin).json()["tenant"] is None
        assert client.patch(url, json={"rolle": "viewer"}, headers=admin).status_code == 422
        out = client.post(f"{url}/disable", json={"reason": "left"}, headers=admin).json()
        assert out["disabled_at"]
        assert client.post(f"{url}/disable", json={"reason": "left"}, headers=admin).status_code == 409
        assert client.post(f"{url}/enable", headers=admin).json()["disabled_at"] is None
        enter(bob)
        assert client.post(f"{url}/end-sessions", headers=admin).json() == {"ended": 1}
        assert client.post("/api/v1/users/999999/enable", headers=admin).status_code == 404

    def test_somebody_new_comes_by_a_link_that_is_shown_once(self, client: TestClient, admin: dict[str, str]) -> None:
        body = {"email": "new@example.test", "name": "New", "role": "viewer"}
        made = client.post("/api/v1/users", json=body, headers=admin).json()
        assert made["signs_in"] == "not_yet"
        link = client.post(f"/api/v1/users/{made['id']}/link", headers=admin)
        assert link.headers["cache-control"] == "no-store"
        token = link.json()["url"].rpartition("/")[2]
        with db.transaction() as session:
            people.use_link(session, token, NEW, datetime.now(UTC))
        assert client.get("/api/v1/users", headers=admin).json()["items"][0]["signs_in"] == "password"
