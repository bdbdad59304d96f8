"""The price book over the real app."""

import pytest
from sqlalchemy import select

from trivet import db
from trivet.identity.models import Audit

PRICE = {
    "model": "demo-large", "provider": "demo", "effective_from": "2026-11-01T00:00:00Z", "currency": "USD",
    "per_million": {"input": "2.50", "output": "10"},
}  # fmt: skip


def post(client, admin, **more):
    return client.post("/api/v1/prices", headers=admin, json=PRICE | more)


class TestPrices:
    def test_a_price_is_read_as_it_was_written(self, client, admin):
        steps = [{"from_input_tokens": 0, "price": "1.25"}, {"from_input_tokens": 200_000, "price": "2.50"}]
        given = {"input": steps, "output": "10", "cache_read": "0"}
        assert post(client, admin, per_million=given).status_code == 201
        (item,) = client.get("/api/v1/prices", headers=admin).json()["items"]
        assert item["per_million"] == given
        assert (item["model"], item["provider"], item["pool"]) == ("demo-large", "demo", None)
        assert (item["source"], item["author"]) == ("entered", "key:test")

    def test_a_price_is_never_edited(self, client, admin):
        assert [post(client, admin).status_code for _ in range(2)] == [201, 409]
        assert post(client, admin, pool="h100").status_code == 201
        assert post(client, admin, effective_from="2026-11-02T00:00:00Z").status_code == 201

    def test_the_audit_keeps_who_entered_it(self, client, admin):
        post(client, admin)
        with db.transaction() as session:
            row = session.scalars(select(Audit).where(Audit.action == "price.add")).one()
        assert row.actor == "key:test"
        assert row.after["rates"] == {"input": [[0, "2.50"]], "output": [[0, "10"]]}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"per_million": {"input": "1"}},
            {"per_million": {"input": 1.5, "output": "1"}},
            {"currency": "dollars"},
            {"effective_from": "yesterday"},
            {"model": ""},
            {"per_thousand": "1"},
        ],
    )
    def test_a_wrong_field_is_refused(self, client, admin, wrong):
        answer = post(client, admin, **wrong)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    def test_entering_one_needs_admin_and_a_tenants_key_sees_no_pool_prices(self, client, admin, make_key):
        post(client, admin)
        post(client, admin, pool="h100")
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert post(client, own).status_code == 403
        assert [i["pool"] for i in client.get("/api/v1/prices", headers=own).json()["items"]] == [None]
        assert len(client.get("/api/v1/prices", headers=admin).json()["items"]) == 2
