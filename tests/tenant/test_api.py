"""Who pays: over the real app."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support.bound import bound_headers
from tests.support.calls import call, ingest

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.clock import floor, rfc3339, utc_now
from trivet.kit.page import to_cursor
from trivet.outbox import Outbox
from trivet.tenant import service
from trivet.tenant.models import Tenant, TenantCostCentre


def register(client, admin, name, cost_centre=None, **more):
    return client.post("/api/v1/tenants", headers=admin, json={"name": name, "cost_centre": cost_centre} | more)


class TestRegistering:
    @pytest.mark.parametrize("seen", [False, True])
    def test_the_first_cost_centre_holds_for_all_usage(self, client, admin, seen):
        if seen:
            ingest(call(utc_now() - timedelta(days=2), tenant="acme"), now=utc_now())
        answer = register(client, admin, "acme", "CC-7")
        assert answer.status_code == 201
        body = answer.json()
        assert (body["name"], body["cost_centre"]) == ("acme", "CC-7")
        assert body["effective_from"] == "1970-01-01T00:00:00Z"
        assert "all its usage" in body["reason"]

    def test_another_cost_centre_keeps_what_came_before(self, client, admin):
        with db.transaction() as session:
            past = floor(utc_now(), 3600) - timedelta(days=30)
            service.register(session, name="acme", cost_centre="CC-1", effective_from=past, actor="t", now=past)
        body = register(client, admin, "acme", "CC-2").json()
        assert "keeps" in body["reason"]
        assert body["effective_from"] == rfc3339(floor(utc_now(), 3600))
        with db.transaction() as session:
            tenant_id = session.scalar(select(Tenant.id))
            now = utc_now()
            assert service.current(session, tenant_id, now) == "CC-2"
            assert service.current(session, tenant_id, now - timedelta(days=1)) == "CC-1"
            assert service.current(session, tenant_id, past - timedelta(hours=1)) is None

    def test_the_same_again_changes_nothing(self, client, admin):
        first, second = (register(client, admin, "acme", "CC-7").json() for _ in range(2))
        assert second["effective_from"] == first["effective_from"]
        with db.transaction() as session:
            assert len(session.scalars(select(TenantCostCentre)).all()) == 1

    def test_a_mapping_is_not_overwritten(self, client, admin):
        for cost_centre in ("CC-1", "CC-2"):
            assert register(client, admin, "acme", cost_centre).status_code == 201
        refused = register(client, admin, "acme", "CC-3")
        assert refused.status_code == 409
        assert "later effective_from" in refused.json()["detail"]

    def test_a_mapping_starts_with_a_whole_hour(self, client, admin):
        assert register(client, admin, "acme", "CC-1", effective_from="2026-11-01T00:30:00Z").status_code == 422
        assert register(client, admin, "acme", "CC-1", effective_from="2026-11-01T01:00:00+01:00").status_code == 201

    def test_asks_for_the_hours_before_to_be_posted_anew(self, client, admin):
        made = register(client, admin, "acme", "CC-1", effective_from="2026-11-01T00:00:00Z").json()
        with db.transaction() as session:
            sent = session.execute(select(Outbox.task, Outbox.args)).all()
        assert sent == [("ledger.tenant_changed", [made["id"], "2026-11-01T00:00:00Z"])]

    def test_leaves_an_audit_row_with_who_and_why(self, client, admin):
        register(client, admin, "acme", "CC-1")
        with db.transaction() as session:
            row = session.scalars(select(Audit).where(Audit.subject == "tenant:acme")).one()
        assert (row.actor, row.action, row.before) == ("key:test", "tenant.register", {"cost_centre": None})
        assert row.after["cost_centre"] == "CC-1"

    @pytest.mark.parametrize("name", ["", " ", "\u200b", "x" * 257, "nul\0", None, 7])
    def test_a_bad_name_is_refused(self, client, admin, name):
        assert register(client, admin, name, "CC-1").status_code == 422

    def test_a_name_as_long_as_those_of_spans_can_be_mapped(self, client, admin):
        assert register(client, admin, "x" * 256, "CC-1").status_code == 201

    @pytest.mark.parametrize(
        "at",
        ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z", "9999-12-31T23:00:00-14:00", 0],
    )
    def test_a_mapping_starts_in_a_year_that_anyone_means(self, client, admin, at):
        assert register(client, admin, "acme", "CC-1", effective_from=at).status_code == 422

    def test_a_key_bound_to_a_tenant_maps_nobody_whatever_its_scopes(self, client, make_key):
        for scope in ("admin", "finance"):
            bound = bound_headers(make_key, scope)
            assert register(client, bound, "acme", "CC-1").status_code == 403
            assert client.post("/api/v1/cost-centres", headers=bound, json={"name": "x"}).status_code == 403

    def test_a_field_nobody_knows_is_refused(self, client, admin):
        assert register(client, admin, "acme", cost_center="CC-1").status_code == 422
        answer = client.post("/api/v1/cost-centres", headers=admin, json={"name": "x", "nmae": "y"})
        assert answer.status_code == 422


class TestReading:
    def test_an_unmapped_tenant_has_no_cost_centre(self, client, admin):
        with db.transaction() as session:
            db.named_ids(session, Tenant, ["seen-only"])
        (item,) = client.get("/api/v1/tenants", headers=admin).json()["items"]
        assert (item["name"], item["cost_centre"], item["registered_at"]) == ("seen-only", None, None)

    def test_pages_follow_the_cursor(self, client, admin):
        for name in "abc":
            register(client, admin, name)
        first = client.get("/api/v1/tenants?limit=2", headers=admin).json()
        second = client.get(f"/api/v1/tenants?limit=2&cursor={first['next_cursor']}", headers=admin).json()
        assert [i["name"] for i in first["items"] + second["items"]] == ["a", "b", "c"]
        assert second["next_cursor"] is None

    @pytest.mark.parametrize(
        "cursor",
        ["x", "é", "W10", "WyJ4Il0", "WzFlOTld", "WzFdWzFd", *(to_cursor([n]) for n in (2**31, 2**63, float("inf")))],
    )
    @pytest.mark.parametrize("path", ["tenants", "cost-centres"])
    def test_a_foreign_cursor_is_refused(self, client, admin, path, cursor):
        assert client.get(f"/api/v1/{path}", params={"cursor": cursor}, headers=admin).status_code == 422

    def test_a_bound_key_sees_only_its_tenant_and_cost_centre(self, client, admin, make_key):
        register(client, admin, "acme", "CC-1")
        register(client, admin, "bolt", "CC-2")
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        for path, name in (("tenants", "bolt"), ("cost-centres", "CC-2")):
            assert [i["name"] for i in client.get(f"/api/v1/{path}", headers=own).json()["items"]] == [name]

    def test_reading_needs_read_and_writing_admin(self, client, make_key):
        read = {"Authorization": f"Bearer {make_key(['read'])}"}
        ingest_only = {"Authorization": f"Bearer {make_key(['ingest'])}"}
        assert register(client, read, "acme", "CC-1").status_code == 403
        assert client.post("/api/v1/cost-centres", headers=read, json={"name": "x"}).status_code == 403
        assert client.get("/api/v1/tenants", headers=ingest_only).status_code == 403
        assert client.get("/api/v1/tenants").status_code == 401


class TestCostCentres:
    def test_one_is_made_once(self, client, admin):
        answers = [client.post("/api/v1/cost-centres", headers=admin, json={"name": "CC-1"}) for _ in range(2)]
        assert [a.status_code for a in answers] == [201, 409]
        assert [i["name"] for i in client.get("/api/v1/cost-centres", headers=admin).json()["items"]] == ["CC-1"]
