"""Commands over the API: who may, what comes back, what is said beforehand."""

import pytest
from sqlalchemy import select
from tests.support.commanding import met
from tests.support.governed import traffic

from trivet import db
from trivet.command import polls, sweep
from trivet.fleet.models import Backend
from trivet.kit.clock import utc_now
from trivet.tenant.models import Tenant

DEGRADE = {"kind": "degrade", "scenario": "chat", "level": 1, "reason": "P95 is too high"}


@pytest.fixture
def give(client, admin, chat):
    def post(**more):
        return client.post("/api/v1/commands", json=DEGRADE | more, headers=admin)

    return post


class TestGiving:
    def test_answers_with_id_status_and_generation(self, give):
        answer = give()
        assert answer.status_code == 201
        assert answer.json() == {"id": 1, "status": "pending", "generation": 1}

    @pytest.mark.parametrize(
        ("wrong", "status", "field"),
        [
            ({"reason": ""}, 422, "reason"),
            ({"level": 9}, 422, "level"),
            ({"kind": "explode"}, 422, "kind"),
            ({"tenant": "nobody"}, 422, "tenant"),
            ({"backend": "nowhere"}, 422, "backend"),
            ({"tennant": "acme"}, 422, "tennant"),
            ({"kind": "break", "level": None}, 422, "tenant"),
            ({"scenario": "nowhere"}, 404, None),
            ({"reason": "a\0b"}, 422, "reason"),
            ({"tenant": "a\0b"}, 422, "tenant"),
            ({"expires_in_s": "soon"}, 422, "expires_in_s"),
            ({"kind": "rollback", "level": None}, 409, None),
        ],
    )
    def test_what_cannot_be_is_refused_with_the_field(self, give, wrong, status, field):
        answer = give(**wrong)
        assert answer.status_code == status
        if field:
            assert answer.json()["errors"][0]["field"] == field
        assert give().json()["generation"] == 1
        with db.transaction() as session:
            assert session.scalars(select(Backend)).all() == []

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("commands/preview", {"kind": "degrade", "scenario": "chat", "level": 1, "tennant": "acme"}),
            ("cards/chat/rollback", {"reason": "worse", "revison": 1}),
            ("cards/chat/revisions/1/activate", {"reason": "better", "at": "once"}),
        ],
    )
    def test_a_misspelt_field_is_refused_and_not_left_out(self, client, admin, chat, path, body):
        answer = client.post(f"/api/v1/{path}", json=body, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] in ("tennant", "revison", "at")

    @pytest.mark.parametrize("scopes", [["read"], ["policy"], ["ingest"]])
    def test_takes_more_than_a_key_that_reads(self, client, make_key, chat, scopes):
        headers = {"Authorization": f"Bearer {make_key(scopes)}"}
        assert client.post("/api/v1/commands", json=DEGRADE, headers=headers).status_code == 403

    def test_is_for_sre_product_owner_and_admin(self):
        from trivet.identity.auth import person

        may = {r for r in ("admin", "finance", "sre", "product_owner", "viewer") if person("x", r).may("command")}
        assert may == {"admin", "sre", "product_owner"}


class TestLooking:
    def test_at_one_shows_what_each_backend_was_seen_to_hold(self, give, client, admin, chat):
        now = utc_now()
        id_ = give().json()["id"]
        met("gw-1", "gw-2")
        with db.transaction() as session:
            etag = polls.answer(session, "gw-1", [], now).etag
            polls.answer(session, "gw-1", [etag], now)
            polls.answer(session, "gw-2", [], now)
        with db.transaction() as session:
            sweep.judge(session, now, 60)
        found = client.get(f"/api/v1/commands/{id_}", headers=admin).json()
        assert (found["status"], found["kind"], found["scenario"], found["level"]) == ("pending", "degrade", "chat", 1)
        assert found["outcome"] == "Waiting for gw-2: 1 of 2 hold it."
        one, two = found["backends"]
        assert (one["backend"], one["generation"], one["effective_at"]) == ("gw-1", 1, None)
        assert one["observed_at"] is not None
        assert two == {"backend": "gw-2", "generation": 0, "observed_at": None, "effective_at": None}

    def test_at_all_comes_newest_first_in_pages(self, give, client, admin):
        for level in (1, 2, 3):
            give(level=level)
        first = client.get("/api/v1/commands?limit=2", headers=admin).json()
        rest = client.get(f"/api/v1/commands?limit=2&cursor={first['next_cursor']}", headers=admin).json()
        assert [c["generation"] for c in first["items"] + rest["items"]] == [3, 2, 1]
        assert [c["status"] for c in first["items"] + rest["items"]] == ["pending", "superseded", "superseded"]

    def test_with_a_tenants_key_shows_that_tenants_alone(self, give, client, make_key):
        bound = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        with db.transaction() as session:
            db.named_ids(session, Tenant, ["acme", "bolt"])
        give()
        give(kind="break", level=None, tenant="acme")
        give(kind="break", level=None, tenant="bolt")
        assert [c["tenant"] for c in client.get("/api/v1/commands", headers=bound).json()["items"]] == ["acme"]
        assert client.get("/api/v1/commands/3", headers=bound).status_code == 404

    @pytest.mark.parametrize(
        "query",
        [
            "commands?cursor=zzz",
            "commands?cursor=WyJhIl0",
            "commands?limit=0",
            "breaches?cursor=WyJhIl0",
            "guards?cursor=WzFd",
            "scenarios?cursor=WyJhIl0",
            "cards/chat/revisions?cursor=W10",
            "commands?scenario=%00",
        ],
    )
    def test_with_a_cursor_or_filter_that_is_not_ours_is_422(self, client, admin, chat, query):
        assert client.get(f"/api/v1/{query}", headers=admin).status_code == 422

    def test_at_a_scenario_that_no_name_can_be_is_404(self, client, admin, chat):
        assert client.get("/api/v1/cards/%00", headers=admin).status_code == 404

    def test_at_one_that_is_not_there_is_404(self, client, admin, chat):
        assert client.get("/api/v1/commands/99", headers=admin).status_code == 404


class TestAPreview:
    def ask(self, client, admin, **more):
        body = {key: value for key, value in (DEGRADE | more).items() if key != "reason"}
        return client.post("/api/v1/commands/preview", json=body, headers=admin)

    def test_says_in_one_sentence_what_will_change_for_whom(self, client, admin, chat):
        now = utc_now()
        for tenant in ("acme", "bolt"):
            traffic(now.replace(microsecond=0), seconds=0.5, count=30, tenant=tenant)
        met("gw-1")
        with db.transaction() as session:
            polls.answer(session, "gw-1", [], now)
        found = self.ask(client, admin, level=2, expires_in_s=600).json()
        assert found["sentence"].startswith(
            "Chat goes from level 0 to 2 (medium: context cut to three turns, the small model), on 1 backend; it touches"
        )
        assert found["sentence"].endswith("; it ends by itself in 10 min.")
        assert found["level"] == {"from": 0, "to": 2}
        assert found["flags"]["context.max_turns"] == {"from": "as the app wishes", "to": 3}
        assert found["backends"] == ["gw-1"]

    def test_of_a_break_names_the_tenant(self, client, admin, chat):
        with db.transaction() as session:
            db.named_ids(session, Tenant, ["acme"])
        found = self.ask(client, admin, kind="break", level=None, tenant="acme").json()
        assert found["sentence"] == (
            "Every request of acme in chat is turned away, as soon as a backend asks (none does now); "
            "it touches 0.0 requests/s of 0 tenants; it stays until somebody restores it."
        )
        assert found["flags"] == {"admission": {"from": "admit", "to": "reject"}}

    def test_refuses_what_the_command_would_be_refused_for(self, client, admin, chat):
        assert self.ask(client, admin, level=9).status_code == 422
        assert self.ask(client, admin, kind="rollback", level=None).status_code == 409

    def test_changes_nothing(self, client, admin, chat):
        self.ask(client, admin, level=2)
        assert client.get("/api/v1/commands", headers=admin).json()["items"] == []


class TestACardsWay:
    def test_activation_and_rollback_are_commands_with_generations(self, client, admin, make_key, chat):
        from trivet.card import service as cards
        from trivet.identity.auth import person

        body = client.get("/api/v1/cards/chat", headers=admin).json()["card"]
        body["flags"] = {"model.route": "large"}
        made = client.post("/api/v1/cards/chat/revisions", json={"card": body}, headers=admin).json()
        assert (made["revision"], made["status"]) == (2, "draft")
        url = "/api/v1/cards/chat/revisions/2"
        assert client.post(f"{url}/submit", headers=admin).json()["status"] == "in_review"
        refused = client.post(f"{url}/activate", json={"reason": "better answers"}, headers=admin)
        assert refused.status_code == 409
        assert "product and operations" in refused.json()["detail"]
        approved = client.post(f"{url}/approve", json={"for": "product"}, headers=admin)
        assert approved.json()["approved_product_by"] == "key:test"
        assert client.post(f"{url}/approve", json={"for": "operations"}, headers=admin).status_code == 409
        with db.transaction() as session:
            cards.approve(session, scenario="chat", number=2, side=None, principal=person("ole@example.com", "sre"))
        active = client.post(f"{url}/activate", json={"reason": "better answers"}, headers=admin)
        assert active.status_code == 201
        assert active.json() | {"id": 1} == {
            "id": 1, "status": "pending", "generation": 1, "scenario": "chat", "revision": 2,
        }  # fmt: skip
        back = client.post("/api/v1/cards/chat/rollback", json={"reason": "worse answers"}, headers=admin)
        assert (back.json()["generation"], back.json()["revision"]) == (2, 1)
        assert client.get("/api/v1/cards/chat", headers=admin).json()["revision"] == 1
        again = client.post("/api/v1/cards/chat/rollback", json={"reason": "still"}, headers=admin)
        assert again.json()["generation"] == 2, "asked again within a minute: the one that stands"
