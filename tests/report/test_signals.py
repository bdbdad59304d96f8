"""GET /api/v1/signals: by metric and what else is asked for, whatever was folded, and to a tenant's key its own alone."""

from datetime import timedelta

import pytest
from sqlalchemy import insert
from tests.support.bound import bound_headers

from trivet import db
from trivet.fleet.models import Backend, SignalDelta
from trivet.ingest.signal.deltas import DELTA_COLUMNS, Amount, deltas_of, one
from trivet.kit import histogram
from trivet.kit.clock import floor, rfc3339, utc_now
from trivet.rollup import tasks
from trivet.tenant.models import Tenant

START = floor(utc_now(), 3600) - timedelta(hours=1)
RUNNING, LOOKUPS, TTFT = "trivet.requests.running", "trivet.cache.lookups", "trivet.engine.ttft"


def add(*given):
    """(seconds, metric, amount, names) into the rollups and deltas."""
    with db.transaction() as session:
        points = []
        for seconds, metric, amount, names in given:
            tenant = db.named_ids(session, Tenant, [names["tenant"]])[names["tenant"]] if "tenant" in names else 0
            backend = db.named_ids(session, Backend, [names["backend"]])[names["backend"]] if "backend" in names else 0
            key = (tenant, 0, 0, backend, 0, metric, names.get("detail", ""))
            points.append((key, int((START.timestamp() + seconds) * 1e6), amount))
        rows = [dict(zip(DELTA_COLUMNS, row, strict=True)) for row in deltas_of(points)]
        session.execute(insert(SignalDelta), rows)


def get(client, headers, **asked):
    asked = {"from": rfc3339(START), "to": rfc3339(START + timedelta(hours=1))} | asked
    return client.get("/api/v1/signals", headers=headers, params=asked)


def items(client, headers, **asked):
    return get(client, headers, **asked).json()["items"]


class TestSignals:
    def test_say_unit_kind_and_all_that_was_measured(self, client, admin):
        add((5, RUNNING, one(3.0), {"backend": "a"}), (7, RUNNING, one(1.0), {"backend": "a"}))
        assert items(client, admin, group_by="backend") == [
            {
                "metric": RUNNING, "backend": "a", "unit": "{request}", "kind": "gauge", "samples": 2, "total": 4.0,
                "mean": 2.0, "least": 1.0, "most": 3.0, "last": 1.0, "last_at": rfc3339(START + timedelta(seconds=7)),
            }
        ]  # fmt: skip

    def test_are_by_metric_and_by_what_is_asked_for(self, client, admin):
        looks = [("prompt/true", 3.0), ("prompt/false", 1.0)]
        add(*((1, LOOKUPS, one(n), {"detail": detail}) for detail, n in looks), (1, RUNNING, one(9.0), {}))
        tasks.fold_signals()
        found = {(i["metric"], i["detail"]): i["total"] for i in items(client, admin, group_by="detail")}
        assert found == {(LOOKUPS, "prompt/false"): 1.0, (LOOKUPS, "prompt/true"): 3.0, (RUNNING, ""): 9.0}
        assert [i["total"] for i in items(client, admin, metric=LOOKUPS)] == [4.0]
        assert [i["total"] for i in items(client, admin, metric=LOOKUPS, detail="prompt/true")] == [3.0]

    def test_latencies_have_percentiles(self, client, admin):
        add((1, TTFT, Amount(1, 0.2, 0.2, 0.2, ((histogram.bin_of(200_000), 1),)), {}))
        [item] = items(client, admin)
        assert item["latency_ms"]["p95"] == pytest.approx(200, rel=0.01)

    def test_come_by_bucket(self, client, admin):
        add(*((minute * 60, RUNNING, one(float(minute)), {}) for minute in (0, 1, 1, 5)))
        found = {item["bucket"]: item["mean"] for item in items(client, admin, grain="1m")}
        assert found == {rfc3339(START + timedelta(minutes=minute)): float(minute) for minute in (0, 1, 5)}

    def test_come_in_pages(self, client, admin):
        add(*((1, RUNNING, one(1.0), {"backend": name}) for name in "dbeac"))
        seen, cursor = [], None
        for _ in range(3):
            page = get(client, admin, group_by="backend", limit=2, **({"cursor": cursor} if cursor else {})).json()
            seen += [item["backend"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert (seen, cursor) == (["a", "b", "c", "d", "e"], None)

    def test_a_tenants_key_sees_its_own_alone_whatever_it_asks_for(self, client, make_key):
        add(
            (1, RUNNING, one(1.0), {"tenant": "acme"}),
            (1, RUNNING, one(2.0), {"tenant": "globex"}),
            (1, RUNNING, one(4.0), {}),
        )
        own = bound_headers(make_key, "read", tenant="acme")
        assert [item["total"] for item in items(client, own)] == [1.0]
        assert items(client, own, tenant="globex") == []

    @pytest.mark.parametrize(
        "asked",
        [
            {"metric": "queue.size"},
            {"group_by": "colour"},
            {"grain": "2s"},
            {"cursor": "WzFd"},
            {"colour": "red"},
            {"from": "x"},
        ],
    )
    def test_what_cannot_be_asked_is_refused(self, client, admin, asked):
        answer = get(client, admin, **asked)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")

    def test_needs_the_scope_read(self, client, make_key):
        assert get(client, {"Authorization": f"Bearer {make_key(['ingest'])}"}).status_code == 403
