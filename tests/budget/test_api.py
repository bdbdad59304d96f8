"""Budgets over REST: made, read, ended; a tenant's key sees its own."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support import governed
from tests.support.budgets import known, prices, refresh, spend

from trivet import db
from trivet.budget import acting
from trivet.identity import service as identity
from trivet.identity.models import Audit
from trivet.kit.clock import utc_now

DAILY = {"name": "daily", "scope": "tenant", "limit": "5", "currency": "USD", "window": "day", "zone": "Europe/Berlin"}


@pytest.fixture
def made(client, admin):
    def make(**more):
        return client.post("/api/v1/budgets", json=DAILY | more, headers=admin)

    return make


class TestMaking:
    def test_says_what_holds_and_leaves_who_did_it(self, made):
        answer = made(hard=True, action="break", owners=["ole@example.com"], reason="agreed in November")
        assert answer.status_code == 201
        said = answer.json()
        assert (said["each"], said["subject"], said["in_force"]) == (True, None, True)
        assert said["terms"] | {"effective_from": ""} == {
            "effective_from": "", "limit": {"amount": "5.000000000000", "unit": "USD"}, "lines": [50, 80, 90, 100],
            "hard": True, "action": "break", "level": None, "way_back": "next_window", "owners": ["ole@example.com"],
            "unknown_price": "closed", "unreachable": "closed", "ended": False, "author": "key:test",
            "reason": "agreed in November",
        }  # fmt: skip
        with db.transaction() as session:
            audit = session.scalars(select(Audit).order_by(Audit.id.desc()).limit(1)).one()
        assert (audit.action, audit.subject, audit.after["limit"]) == ("budget.terms", "budget:daily", "5.000000000000")

    def test_of_a_name_that_is_there_adds_its_next_terms(self, made, client, admin):
        made()
        later = (utc_now() + timedelta(days=9)).replace(microsecond=0).isoformat()
        assert made(limit="9", effective_from=later).status_code == 201
        assert client.get("/api/v1/budgets/daily", headers=admin).json()["terms"]["limit"]["amount"].startswith("5.")
        assert made(limit="7").status_code == 409  # earlier than what was said for later
        assert made(window="month", effective_from=later).status_code == 409

    def test_of_nobody_known_is_refused_with_its_field(self, made):
        refused = made(subject="nobody")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "subject"

    def test_in_the_past_is_refused(self, made):
        assert made(effective_from="2026-01-01T00:00:00Z").json()["errors"][0]["field"] == "effective_from"

    def test_needs_finance(self, client, make_key):
        key = {"Authorization": f"Bearer {make_key(['read'])}"}
        assert client.post("/api/v1/budgets", json=DAILY, headers=key).status_code == 403

    def test_of_a_key_that_is_nobodys_cannot_cut_off(self, made):
        with db.transaction() as session:
            identity.create_key(session, name="gateway", scopes=["ingest"], tenant=None, actor="test")
        refused = made(scope="key", subject="gateway", hard=True, action="break")
        assert refused.json()["errors"][0]["field"] == "action"
        assert made(scope="key", subject="gateway", hard=True).status_code == 201


class TestReading:
    def test_shows_windows_lines_and_what_was_done(self, made, client, admin):
        prices()
        governed.register("chat")
        known("acme", "bolt")
        made(hard=True, action="break")
        now = utc_now()
        spend("6", at=now)
        spend("1", at=now, tenant="bolt")
        refresh(now)
        acting.act(now)
        [item] = client.get("/api/v1/budgets", headers=admin).json()["items"]
        assert (item["windows_open"], item["foremost"]["of"], item["foremost"]["percent"]) == (
            2,
            "tenant acme",
            "120.00",
        )
        said = client.get("/api/v1/budgets/daily", headers=admin).json()
        assert {w["of"]: w["spent"]["amount"] for w in said["windows"]} == {
            "tenant acme": "6.000000000000",
            "tenant bolt": "1.000000000000",
        }
        assert [c["line"] for c in said["crossings"]] == [100, 90, 80, 50]
        full = said["crossings"][0]
        assert (full["over"]["amount"], full["told"], full["hard"]) == ("1.000000000000", True, True)
        assert full["breach_to_command_ms"] >= 0
        assert [(a["scenario"], a["tenant"], a["kind"]) for a in full["actions"]] == [("chat", "acme", "break")]
        restored = client.post("/api/v1/budgets/daily/restore", json={"reason": "paid"}, headers=admin)
        assert restored.json() == {"restored": 1}
        assert client.get("/api/v1/budgets/daily", headers=admin).json()["crossings"][0]["returned_at"]

    def test_pages_by_name_and_windows_by_age(self, made, client, admin):
        prices()
        for name in ("c", "a", "b"):
            made(name=name)
        first = client.get("/api/v1/budgets?limit=2", headers=admin).json()
        assert [i["name"] for i in first["items"]] == ["a", "b"]
        rest = client.get(f"/api/v1/budgets?limit=2&cursor={first['next_cursor']}", headers=admin).json()
        assert ([i["name"] for i in rest["items"]], rest["next_cursor"]) == (["c"], None)
        now = utc_now()
        spend("1", at=now)
        spend("1", at=now, tenant="bolt")
        refresh(now)
        one = client.get("/api/v1/budgets/a?limit=1", headers=admin).json()
        two = client.get(f"/api/v1/budgets/a?limit=1&cursor={one['next_cursor']}", headers=admin).json()
        assert {one["windows"][0]["of"], two["windows"][0]["of"]} == {"tenant acme", "tenant bolt"}
        assert two["next_cursor"] is None

    def test_a_tenants_key_sees_its_own_and_no_owners(self, made, client, make_key):
        prices()
        known("acme", "bolt")
        made(owners=["ole@example.com"])
        made(name="bolt", subject="bolt")
        made(name="everyone", scope="global")
        now = utc_now()
        spend("1", at=now)
        spend("4", at=now, tenant="bolt")
        refresh(now)
        key = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        [item] = client.get("/api/v1/budgets", headers=key).json()["items"]
        assert (item["name"], item["windows_open"], item["foremost"]["of"]) == ("daily", 1, "tenant acme")
        assert item["terms"]["owners"] == []
        said = client.get("/api/v1/budgets/daily", headers=key).json()
        assert [w["of"] for w in said["windows"]] == ["tenant acme"]
        assert client.get("/api/v1/budgets/bolt", headers=key).status_code == 404
        assert client.get("/api/v1/budgets/everyone", headers=key).status_code == 404


class TestEnding:
    def test_ends_by_a_row_and_may_begin_again(self, made, client, admin):
        made()
        assert client.post("/api/v1/budgets/daily/end", json={"reason": ""}, headers=admin).status_code == 422
        ended = client.post("/api/v1/budgets/daily/end", json={"reason": "moved"}, headers=admin)
        assert (ended.status_code, ended.json()["in_force"]) == (200, False)
        assert client.post("/api/v1/budgets/daily/end", json={"reason": "again"}, headers=admin).status_code == 409
        assert client.post("/api/v1/budgets/none/end", json={"reason": "moved"}, headers=admin).status_code == 404
        assert made(limit="8").json()["in_force"] is True
