"""The price book over the real app."""

import pytest
from sqlalchemy import select
from tests.support.bound import bound_headers

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.page import to_cursor

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
            {"model": " \u200b "},
            {"effective_from": "0001-01-01T00:00:00+14:00"},
            {"effective_from": "9999-12-31T23:59:50-14:00"},
            {"effective_from": 0},
            {"per_million": {"input": "0e-999999", "output": "1"}},
        ],
    )
    def test_a_wrong_field_is_refused(self, client, admin, wrong):
        answer = post(client, admin, **wrong)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    def test_a_short_body_makes_no_long_answer(self, client, admin):
        steps = [{"from_input_tokens": n, "price": "0e-999999"} for n in range(20)]
        answer = post(client, admin, per_million=dict.fromkeys(("input", "output", "cache_read"), steps))
        assert (answer.status_code, len(answer.content) < 1000) == (422, True)

    @pytest.mark.parametrize(
        "asked",
        [{"provider": "\0"}, {"model": "a\0b"}, {"model": "x" * 257}]
        + [{"cursor": to_cursor(key)} for key in ([2**31], [-(2**63)], [2**63], ["\ud800"], [float("inf")])],
    )
    def test_what_no_column_can_hold_is_refused(self, client, admin, asked):
        assert client.get("/api/v1/prices", params=asked, headers=admin).status_code == 422

    def test_names_as_long_as_those_of_spans_are_found(self, client, admin):
        long = "m" * 256
        assert post(client, admin, model=long).status_code == 201
        found = client.get("/api/v1/prices", params={"model": long}, headers=admin).json()["items"]
        assert [item["model"] for item in found] == [long]

    def test_a_key_bound_to_a_tenant_enters_none_whatever_its_scopes(self, client, make_key):
        for scope in ("finance", "admin"):
            assert post(client, bound_headers(make_key, scope)).status_code == 403

    def test_entering_one_needs_admin_and_a_tenants_key_sees_no_pool_prices(self, client, admin, make_key):
        post(client, admin)
        post(client, admin, pool="h100")
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert post(client, own).status_code == 403
        assert [i["pool"] for i in client.get("/api/v1/prices", headers=own).json()["items"]] == [None]
        assert len(client.get("/api/v1/prices", headers=admin).json()["items"]) == 2
