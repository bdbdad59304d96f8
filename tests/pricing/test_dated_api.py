"""Discounts, GPU hours, unit prices, quantities and ended overrides over the real app."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, text
from tests.support.bound import bound_headers
from tests.support.calls import call, ingest

from trivet import db
from trivet.identity.models import Audit
from trivet.ingest.store import reprice
from trivet.pricing import gpu
from trivet.pricing.rate import canonical
from trivet.pricing.service import add_price

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FROM = {"effective_from": "2026-11-01T00:00:00Z"}
BODIES = {
    "discounts": FROM | {"provider": "openai", "percent": "12.5"},
    "gpu-prices": FROM | {"gpu_type": "H100", "purchase": "spot", "currency": "USD", "price_per_hour": "1.99"},
    "unit-prices": FROM | {"unit": "tool_calls", "name": "search", "currency": "USD", "price": "0.01"},
}


def post(client, headers, path, **more):
    return client.post(f"/api/v1/{path}", headers=headers, json=BODIES.get(path, {}) | more)


class TestDatedRows:
    """Of three kinds alike: one app serves them all."""

    def test_are_read_as_they_were_written_and_never_edited(self, client, admin):
        for path, body in BODIES.items():
            assert [post(client, admin, path).status_code for _ in range(2)] == [201, 409]
            assert post(client, admin, path, effective_from="2026-11-02T00:00:00Z").status_code == 201
            items = client.get(f"/api/v1/{path}", headers=admin).json()["items"]
            assert [item["effective_from"] for item in items] == ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"]
            assert {name: items[0][name] for name in body} == body
            assert items[0]["author"] == "key:test"
        with db.transaction() as session:
            audited = session.scalars(select(Audit.action).where(Audit.action.like("%.add"))).all()
        assert sorted(audited) == ["discount.add"] * 2 + ["gpu_price.add"] * 2 + ["unit_price.add"] * 2

    def test_are_the_platforms_alone(self, client, make_key):
        bound, own = bound_headers(make_key, "finance"), {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        for path in BODIES:
            assert post(client, bound, path).status_code == 403
            assert client.get(f"/api/v1/{path}", headers=own).status_code == 403

    def test_a_wrong_field_is_refused(self, client, admin):
        wrong = [
            ("discounts", {"percent": "101"}), ("discounts", {"percent": "-1"}), ("discounts", {"ends": FROM["effective_from"]}),
            ("gpu-prices", {"purchase": "stolen"}), ("gpu-prices", {"price_per_hour": "1e3"}),
            ("unit-prices", {"unit": "miles"}), ("unit-prices", {"currency": "usd"}),
        ]  # fmt: skip
        assert [(case, post(client, admin, case[0], **case[1]).status_code) for case in wrong] == [
            (c, 422) for c in wrong
        ]

    def test_of_gpu_hours_the_regions_own_comes_first_then_the_newest(self, client, admin):
        post(client, admin, "gpu-prices")
        post(client, admin, "gpu-prices", effective_from="2026-11-10T00:00:00Z", price_per_hour="1.50")
        post(client, admin, "gpu-prices", region="eu", price_per_hour="2.20")
        with db.transaction() as session:
            asked = [
                gpu.price_at(session, "H100", "spot", NOON), gpu.price_at(session, "H100", "spot", NOON, "eu"),
                gpu.price_at(session, "H100", "spot", NOON - timedelta(days=15), "us"),
                gpu.price_at(session, "H100", "reserved", NOON), gpu.price_at(session, "H100", "spot", NOON - timedelta(days=60)),
            ]  # fmt: skip
        assert [found and str(found.price_per_hour.normalize()) for found in asked] == [
            "1.5",
            "2.2",
            "1.99",
            None,
            None,
        ]


class TestContracts:
    def test_a_request_costs_the_contracted_rate_at_once_and_late_and_keeps_the_list_price(self, client, admin):
        # list 2.50 and 10; 12.5 % off is 2.1875 and 8.75: 1000 x 2.1875 + 100 x 8.75 = 3062.5 per million
        post(client, admin, "discounts")
        spans = [
            call(NOON, provider="openai", model="contracted", input_tokens=1000, output_tokens=100) for _ in range(2)
        ]
        ingest(spans[0])
        price = {
            "model": "contracted",
            "provider": "openai",
            "currency": "USD",
            "per_million": {"input": "2.50", "output": "10"},
        }
        made = client.post("/api/v1/prices", headers=admin, json=price | FROM).json()
        with db.transaction() as session:
            assert reprice.price_batch(session) == 1
        ingest(spans[1])
        with db.transaction() as session:
            found = session.execute(text("SELECT cost_picos, price_id FROM request")).all()
        assert found == [(3_062_500_000, made["id"])] * 2


class TestEnding:
    PRICE = {"model": "m", "provider": "p", "currency": "USD", "per_million": {"input": "1", "output": "1"}} | FROM

    def test_what_nobody_entered_cannot_end_and_what_ends_is_told(self, client, admin):
        end = {"model": "m", "provider": "p", "effective_from": "2026-11-05T00:00:00Z"}
        assert client.post("/api/v1/prices/end", headers=admin, json=end).status_code == 404
        assert client.post("/api/v1/prices", headers=admin, json=self.PRICE).status_code == 201
        asked = [client.post("/api/v1/prices/end", headers=admin, json=end).status_code for _ in range(2)]
        assert asked == [201, 409]

    def test_requests_after_the_end_stay_unpriced_and_are_not_read_again(self, client, admin):
        client.post("/api/v1/prices", headers=admin, json=self.PRICE)
        end = {"model": "m", "provider": "p", "effective_from": "2026-11-20T11:00:00Z"}
        client.post("/api/v1/prices/end", headers=admin, json=end)
        ingest(call(NOON, provider="p", model="m", input_tokens=5))
        with db.transaction() as session:
            assert session.scalar(text(f"SELECT count(*) {reprice.COVERED}")) == 0
            assert session.scalar(text("SELECT count(*) FROM request WHERE cost_picos IS NULL")) == 1
            add_price(
                session, provider="p", model="m", pool="", effective_from=NOON - timedelta(minutes=30), currency="USD",
                rates=canonical({"input": "2", "output": "2"}), actor="finance",
            )  # fmt: skip
        with db.transaction() as session:
            assert reprice.price_batch(session) == 1

    def test_tiers_are_said_by_their_one_name(self, client, admin):
        made = client.post(
            "/api/v1/prices", headers=admin, json=self.PRICE | {"tier": "batches", "source": "contract 7"}
        )
        assert (made.json()["tier"], made.json()["layer"], made.json()["source"]) == ("batch", "entered", "contract 7")
        assert client.post("/api/v1/prices", headers=admin, json=self.PRICE | {"tier": "a b"}).status_code == 422


ONE = {"key": "k1", "hour": "2026-11-20T07:00:00Z", "tenant": "acme", "unit": "bandwidth_gb", "amount": "12.5"}


class TestQuantities:
    def tell(self, client, headers, *told):
        return client.post("/api/v1/quantities", headers=headers, json={"quantities": list(told)})

    def test_count_once(self, client, admin):
        assert self.tell(client, admin, ONE).json() == {"new": 1, "known": 0}
        assert self.tell(client, admin, ONE).json() == {"new": 0, "known": 1}
        assert self.tell(client, admin, ONE | {"amount": "13"}).status_code == 409
        (item,) = client.get("/api/v1/quantities", headers=admin).json()["items"]
        assert (item["key"], item["amount"], item["hour"]) == ("k1", "12.5", "2026-11-20T07:00:00Z")

    def test_a_tenants_key_tells_and_sees_its_own(self, client, admin, make_key):
        self.tell(client, admin, ONE)
        own = {"Authorization": f"Bearer {make_key(['ingest'], 'bolt')}"}
        assert self.tell(client, own, {k: v for k, v in ONE.items() if k != "tenant"}).json()["new"] == 1
        assert self.tell(client, own, ONE | {"key": "k2"}).status_code == 403
        for names in ({"scenario": "new"}, {"pool": "new"}, {"provider": "p", "model": "new"}):
            told = {k: v for k, v in (ONE | {"key": "k3"} | names).items() if k != "tenant"}
            assert self.tell(client, own, told).status_code == 422
        reader = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert len(client.get("/api/v1/quantities", headers=reader).json()["items"]) == 1

    def test_what_cannot_be_is_refused(self, client, admin):
        wrong = [
            {"amount": "1e3"},
            {"amount": "--1"},
            {"unit": "miles"},
            {"hour": "2026-11-20T07:30:00Z"},
            {"tenant": None},
        ]
        assert [(case, self.tell(client, admin, ONE | case).status_code) for case in wrong] == [(c, 422) for c in wrong]
