"""Backends, pools and GPUs over the real app."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.support.bound import bound_headers

from trivet import db
from trivet.fleet import service
from trivet.fleet.models import Gpu, GpuDelta, Pool
from trivet.identity.models import Audit
from trivet.kit.clock import floor, rfc3339, utc_now
from trivet.kit.interval import Interval
from trivet.kit.page import to_cursor
from trivet.outbox import Outbox
from trivet.rollup import tasks

POOL = {
    "name": "h100", "gpu_type": "H100", "gpus": 8, "price_per_gpu_hour": "2.50", "currency": "USD",
    "purchase": "on_demand", "effective_from": "2026-11-20T00:00:00Z",
}  # fmt: skip


class TestBackends:
    def test_one_is_registered_with_its_scenarios(self, client, admin):
        body = {"name": "gw-1", "scenarios": ["chat", "search"]}
        made = client.post("/api/v1/backends", headers=admin, json=body)
        assert made.status_code == 201
        (item,) = client.get("/api/v1/backends", headers=admin).json()["items"]
        assert (item["name"], item["scenarios"]) == ("gw-1", ["chat", "search"])
        assert item["registered_at"]

    def test_named_again_its_list_is_replaced_and_the_audit_says_what_was(self, client, admin):
        for scenarios in (["chat"], ["search"]):
            client.post("/api/v1/backends", headers=admin, json={"name": "gw-1", "scenarios": scenarios})
        (item,) = client.get("/api/v1/backends", headers=admin).json()["items"]
        assert item["scenarios"] == ["search"]
        with db.transaction() as session:
            rows = session.scalars(select(Audit).where(Audit.subject == "backend:gw-1").order_by(Audit.id)).all()
        assert rows[0].before is None
        assert rows[1].before == rows[0].after


class TestLists:
    @pytest.mark.parametrize("path", ["backends", "pools", "gpus"])
    def test_a_cursor_beyond_every_id_is_refused(self, client, admin, path):
        for key in ([2**31], [2**63], [float("inf")], ["\ud800"]):
            asked = client.get(f"/api/v1/{path}", params={"cursor": to_cursor(key)}, headers=admin)
            assert asked.status_code == 422


class TestPools:
    def test_a_second_term_supersedes_the_first_from_its_start(self, client, admin):
        for more in ({}, {"gpus": 16, "effective_from": "2026-11-21T00:00:00Z"}):
            assert client.post("/api/v1/pools", headers=admin, json=POOL | more).status_code == 201
        (item,) = client.get("/api/v1/pools", headers=admin).json()["items"]
        assert [(t["effective_from"], t["gpus"], t["price_per_gpu_hour"]) for t in item["terms"]] == [
            ("2026-11-20T00:00:00Z", 8, "2.500000000000"),
            ("2026-11-21T00:00:00Z", 16, "2.500000000000"),
        ]
        with db.transaction() as session:
            second = session.scalars(select(Audit).order_by(Audit.id.desc())).first()
            assert second.before["gpus"] == 8
            assert session.scalars(select(Outbox.task)).all() == ["ledger.pool_changed"] * 2

    def test_a_term_is_never_edited(self, client, admin):
        answers = [client.post("/api/v1/pools", headers=admin, json=POOL | {"gpus": n}) for n in (8, 9)]
        assert [a.status_code for a in answers] == [201, 409]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"gpus": -1},
            {"gpus": 1.5},
            {"price_per_gpu_hour": "-1"},
            {"price_per_gpu_hour": "NaN"},
            {"price_per_gpu_hour": "0.0000000000001"},
            {"price_per_gpu_hour": 2.5},
            {"currency": "usd"},
            {"purchase": "stolen"},
            {"effective_from": "2026-11-20T00:00:00"},
            {"effective_from": "2016-11-20T00:00:00Z"},
            {"gpu_count": 8},
        ],
    )
    def test_a_wrong_field_is_refused(self, client, admin, wrong):
        assert client.post("/api/v1/pools", headers=admin, json=POOL | wrong).status_code == 422

    def test_a_pool_only_seen_in_spans_has_no_terms(self, client, admin):
        with db.transaction() as session:
            db.named_ids(session, Pool, ["seen"])
        (item,) = client.get("/api/v1/pools", headers=admin).json()["items"]
        assert (item["name"], item["terms"], item["registered_at"]) == ("seen", [], None)


PLAIN = {name: POOL[name] for name in ("name", "gpu_type", "currency", "effective_from")}


class TestKindsOfPools:
    def add(self, client, admin, **told):
        return client.post("/api/v1/pools", headers=admin, json=PLAIN | told)

    def test_owned_cards_tell_their_purchase_and_what_running_them_costs(self, client, admin):
        told = {
            "purchase": "owned", "gpus": 8, "purchase_price": "260000", "residual": "44000", "amortisation_months": 30,
            "power_price_per_kwh": "0.20", "pue": "1.25", "watts_per_gpu": "700", "operations_per_month": "1440",
        }  # fmt: skip
        made = self.add(client, admin, **told)
        assert made.status_code == 201
        ((term,),) = [item["terms"] for item in client.get("/api/v1/pools", headers=admin).json()["items"]]
        assert {"id": made.json()["id"], "name": "h100"} | term == made.json()
        assert (term["price_source"], term["price_per_gpu_hour"], term["spread_from"]) == (
            "parts",
            None,
            "2026-11-20T00:00:00Z",
        )
        assert (term["purchase_price"], term["pue"]) == ("260000.000000000000", "1.250000000000")

    def test_a_commitment_is_spread_and_provisioned_throughput_has_units(self, client, admin):
        reserved = {"purchase": "reserved", "gpus": 4, "commitment_cost": "17280", "commitment_months": 12}
        assert self.add(client, admin, **reserved).json()["price_source"] == "parts"
        units = {"purchase": "provisioned", "units": 3, "price_per_unit_hour": "21.18", "work_per_unit_hour": "1000000"}
        made = self.add(client, admin, name="ptu", **units)
        assert (made.status_code, made.json()["units"], made.json()["gpus"]) == (201, 3, 0)

    def test_a_term_without_a_price_takes_the_books(self, client, admin):
        assert self.add(client, admin, purchase="spot", gpus=4).json()["price_source"] == "book"

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"purchase": "owned"}, "purchase_price"),
            ({"purchase": "owned", "purchase_price": "9"}, "amortisation_months"),
            ({"purchase": "owned", "purchase_price": "9", "amortisation_months": 3, "residual": "10"}, "residual"),
            ({"purchase": "owned", "purchase_price": "9", "amortisation_months": 3, "price_per_gpu_hour": "1"}, "purchase_price"),
            ({"purchase": "owned", "price_per_gpu_hour": "1", "pue": "0.9"}, "pue"),
            ({"purchase": "spot", "purchase_price": "9", "amortisation_months": 3}, "purchase_price"),
            ({"purchase": "on_demand", "commitment_cost": "9", "commitment_months": 3}, "commitment_cost"),
            ({"purchase": "provisioned"}, "units"),
            ({"purchase": "provisioned", "units": 1, "price_per_unit_hour": "1", "price_per_gpu_hour": "1"},
             "price_per_gpu_hour"),
            ({"purchase": "reserved", "gpus": 0, "commitment_cost": "9", "commitment_months": 3}, "gpus"),
            ({"planned_utilisation": "1.2"}, "planned_utilisation"),
            ({"planned_utilisation": "0"}, "planned_utilisation"),
            ({"load_test_tokens_per_gpu_hour": "0"}, "load_test_tokens_per_gpu_hour"),
            ({"idle_policy": "forgotten"}, "idle_policy"),
            ({"purchase": "reserved", "commitment_cost": "9", "commitment_months": 3,
              "effective_from": "2026-11-20T00:30:00Z"}, "effective_from"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_together_is_refused_by_name(self, client, admin, wrong, field):
        refused = self.add(client, admin, **{"gpus": 8} | wrong)
        assert refused.status_code == 422
        assert field in refused.json()["errors"][0]["field"]


class TestPlans:
    def test_say_what_each_pool_was_to_cost_and_to_serve(self, client, admin):
        planned = {"load_test_tokens_per_gpu_hour": "5000000", "planned_utilisation": "0.6"}
        client.post("/api/v1/pools", headers=admin, json=POOL | planned)
        client.post(
            "/api/v1/pools", headers=admin,
            json={
                "name": "own", "gpu_type": "H100", "gpus": 8, "currency": "EUR", "purchase": "owned",
                "purchase_price": "216000", "amortisation_months": 30, "effective_from": "2026-11-01T00:00:00Z",
                "power_price_per_kwh": "0.20", "pue": "1.25", "watts_per_gpu": "1000", "operations_per_month": "2880",
            },
        )  # fmt: skip
        start = datetime(2026, 11, 20, 12, tzinfo=UTC)
        with db.transaction() as session:
            first, second = service.plans(session, Interval(start, start + timedelta(hours=2))).values()
        ((plan,), (own,)) = first, second
        assert (plan.gpus, plan.price_per_gpu_hour, plan.purchase) == (8, Decimal("2.5"), "on_demand")
        assert (plan.load_test_tokens_per_gpu_hour, plan.planned_utilisation) == (Decimal(5_000_000), Decimal("0.6"))
        # an hour of November: 7,200 / 720 = 10, 8 kWh x 1.25 x 0.20 = 2, 2,880 / 720 = 4: 16 for 8 GPUs
        assert (own.price_per_gpu_hour, own.currency) == (Decimal(2), "EUR")


class TestGpus:
    def test_each_shows_its_newest_reading_of_each_metric(self, client, admin):
        now = floor(utc_now(), 10)
        with db.transaction() as session:
            pool_id = db.named_ids(session, Pool, ["h100"])["h100"]
            session.add_all([Gpu(uuid="GPU-a", model="H100", host="n1", pool_id=pool_id), Gpu(uuid="GPU-b")])
            session.flush()
            for seconds, metric, value in (
                (20, "hw.gpu.utilization", 0.2),
                (10, "hw.gpu.utilization", 0.9),
                (20, "hw.power", 400.0),
                (4000, "hw.temperature", 50.0),
            ):
                at = now - timedelta(seconds=seconds)
                session.add(
                    GpuDelta(bucket=at, gpu_id=1, metric=metric, samples=2, total=2 * value, least=value, most=value)
                )
        tasks.fold_gpu()
        first, second = client.get("/api/v1/gpus", headers=admin).json()["items"]
        assert (first["uuid"], first["pool"], first["host"]) == ("GPU-a", "h100", "n1")
        assert {name: each["value"] for name, each in first["readings"].items()} == {
            "hw.gpu.utilization": 0.9,
            "hw.power": 400.0,
        }
        assert second["readings"] == {}

    def test_each_shows_what_holds_it_back_who_uses_it_and_what_it_counted(self, client, admin):
        now = floor(utc_now(), 10)
        with db.transaction() as session:
            session.add_all(
                [Gpu(uuid="GPU-a", seen_at=now), Gpu(uuid="MIG-1", parent="GPU-a"), Gpu(uuid="MIG-2", parent="GPU-a")]
            )
            session.flush()
            for seconds, metric, value in (
                (10, "trivet.gpu.throttle:hw_slowdown", 1.0),
                (10, "trivet.gpu.throttle:idle", 0.0),
                (10, "trivet.gpu.row_remap:pending", 1.0),
                (10, "trivet.gpu.process.memory:77", 5e9),
                (10, "trivet.gpu.process.memory:other", 7e9),
                (10, "hw.energy", 300.0),
                (20, "hw.energy", 200.0),
                (7200, "hw.errors:corrected", 3.0),
                (10, "hw.errors:uncorrected", 0.0),
                (7200, "trivet.gpu.xid:79", 1.0),
                (100, "trivet.gpu.xid:79", 1.0),
                (100, "trivet.gpu.throttle.time:hw_slowdown", 2.5),
                (2 * 86_400, "trivet.gpu.xid:48", 1.0),
            ):
                at = now - timedelta(seconds=seconds)
                session.add(
                    GpuDelta(bucket=at, gpu_id=1, metric=metric, samples=1, total=value, least=value, most=value)
                )
        tasks.fold_gpu()
        whole, one, two = client.get("/api/v1/gpus", headers=admin).json()["items"]
        at = rfc3339(now - timedelta(seconds=10))
        assert whole["readings"] == {}, "counters are no readings"
        assert (whole["throttled_by"], whole["row_remap"]) == (["hw_slowdown"], ["pending"])
        assert whole["processes"] == [
            {"pid": "other", "memory_bytes": 7_000_000_000, "at": at},
            {"pid": "77", "memory_bytes": 5_000_000_000, "at": at},
        ]
        assert whole["last_day"] == {
            "energy_j": 500.0,
            "ecc_errors": {"corrected": 3},
            "xid": {"79": 2},
            "throttled_s": {"hw_slowdown": 2.5},
        }
        assert (whole["instances"], whole["parent"], whole["last_seen_at"]) == (["MIG-1", "MIG-2"], None, rfc3339(now))
        assert {one["parent"], two["parent"]} == {"GPU-a"}
        assert one["last_day"] == {"energy_j": None, "ecc_errors": {}, "xid": {}, "throttled_s": {}}


def test_a_key_bound_to_a_tenant_does_not_see_the_fleet(client, make_key):
    own = bound_headers(make_key, "admin")
    for path in ("backends", "pools", "gpus"):
        assert client.get(f"/api/v1/{path}", headers=own).status_code == 403
    assert client.post("/api/v1/pools", headers=own, json=POOL).status_code == 403
