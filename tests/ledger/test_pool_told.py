"""Pools' hours over REST: each explained line by line, with what interruptions cost and the energy it took.

The pool h100: 2 GPUs at 3.00, 6.00 an hour, from seven o'clock on; `books.a_morning` keeps it busy from 07:10 to 07:30.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text, update
from tests.support import books, pools
from tests.support.bound import bound_headers

from trivet import db
from trivet.fleet.models import GpuRollup
from trivet.ingest.request.fact import CAUSES, ERROR
from trivet.kit.interval import Interval
from trivet.ledger import energy
from trivet.ledger import service as ledger
from trivet.ledger.pool_models import InterruptedRequest, PoolHourSplit

pytestmark = pytest.mark.usefixtures("database")
ONE = {"from": "2026-11-20T07:00:00Z", "to": "2026-11-20T08:00:00Z"}
HOUR = Interval(books.SEVEN, books.EIGHT)


class TestInterruptions:
    def lose(self, client, admin, **more):
        body = {"interrupted_at": "2026-11-20T07:25:00Z", "cause": "spot capacity taken back"} | more
        return client.post("/api/v1/pools/h100/interruptions", headers=admin, json=body)

    def requests(self):
        """acme's stream is lost at 07:25 and done again elsewhere; crow's ends well."""
        lost = books.call(
            books.clock("07:26"), seconds=120, tenant="acme", provider="house", model="small", pool="h100",
            input_tokens=1_000_000, outcome=ERROR, trace_id=b"t" * 16,
        )  # fmt: skip
        again = books.call(
            books.clock("07:28"), seconds=60, tenant="acme", provider="house", model="small", pool="h100",
            input_tokens=1_000_000, output_tokens=500_000, trace_id=b"t" * 16,
        )  # fmt: skip
        books.ingest(lost, again, books.on_pool("crow", "07:24", "07:26", input_tokens=1_000_000))
        books.rollup.fold()

    def test_lost_work_and_its_retry_are_marked_and_what_they_cost_is_told(self, client, admin):
        # busy 07:24-07:26 and 07:27-07:28: 0.30 used; work 1 : 3 : 1, so 0.06 lost and 0.18 done again; at standard rate
        # 1.00 and 3.00
        books.company()
        self.requests()
        assert self.lose(client, admin).status_code == 201
        books.post()
        found = client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).json()
        assert found["interruptions"] == found["items"][0]["interruptions"] == {
            "lost": {
                "requests": 1,
                "standard": [{"amount": "1.000000000000", "currency": "USD"}],
                "of_used": [{"amount": "0.060000000000", "currency": "USD"}],
            },
            "retry": {
                "requests": 1,
                "standard": [{"amount": "3.000000000000", "currency": "USD"}],
                "of_used": [{"amount": "0.180000000000", "currency": "USD"}],
            },
        }  # fmt: skip
        with db.transaction() as session:
            assert session.scalars(select(InterruptedRequest.kind).order_by(InterruptedRequest.kind)).all() == [
                "lost",
                "retry",
            ]

    def test_a_spot_request_that_failed_for_want_of_its_pool_is_lost_without_being_told(self):
        pools.prices()
        pools.term(purchase="spot", per_hour=Decimal(3))
        books.ingest(
            books.call(
                books.clock("07:26"),
                seconds=60,
                tenant="acme",
                provider="house",
                model="small",
                pool="h100",
                input_tokens=5,
                outcome=ERROR,
                cause=CAUSES.index("unavailable"),
            )
        )
        books.rollup.fold()
        books.post()
        with db.transaction() as session:
            assert session.scalars(select(InterruptedRequest.kind)).all() == ["lost"]

    def test_a_pool_that_was_gone_is_down_where_nothing_ran(self, client, admin):
        books.company()
        books.a_morning()
        assert self.lose(client, admin, restored_at="2026-11-20T07:45:00Z").status_code == 201
        books.post()
        assert (pools.split().used_us, pools.split().down_us) == (1_200_000_000, 900_000_000)

    def test_gpus_that_come_back_are_told_once_when_they_are_back(self, client, admin):
        books.company()
        books.a_morning()
        assert self.lose(client, admin).status_code == 201
        again = self.lose(client, admin)
        assert again.status_code == 409
        assert "Say it again with `restored_at`" in again.json()["detail"]
        ended = self.lose(client, admin, restored_at="2026-11-20T07:45:00Z", cause="another word")
        assert ended.status_code == 201
        assert (ended.json()["restored_at"], ended.json()["cause"]) == (
            "2026-11-20T07:45:00Z",
            "spot capacity taken back",
        )
        assert self.lose(client, admin, restored_at="2026-11-20T07:50:00Z").status_code == 409
        books.post()
        assert pools.split().down_us == 900_000_000

    def test_a_pool_may_be_called_anything(self, client, admin):
        pools.term(name="eu/h100 ü", purchase="on_demand", per_hour=Decimal(3))
        path = "/api/v1/pools/eu%2Fh100%20%C3%BC"
        told = {"interrupted_at": "2026-11-20T07:25:00Z", "cause": "c"}
        assert client.post(f"{path}/interruptions", headers=admin, json=told).status_code == 201
        assert len(client.get(f"{path}/interruptions", headers=admin).json()["items"]) == 1
        assert client.get(f"{path}/hours", params=ONE, headers=admin).json()["pool"] == "eu/h100 ü"

    def test_are_told_once_listed_and_asked_for_again_by_the_ledger(self, client, admin):
        books.company()
        assert self.lose(client, admin, gpus=1).status_code == 201
        assert self.lose(client, admin).status_code == 409
        (item,) = client.get("/api/v1/pools/h100/interruptions", headers=admin).json()["items"]
        assert (item["gpus"], item["cause"]) == (1, "spot capacity taken back")

    @pytest.mark.parametrize(
        "wrong", [{"restored_at": "2026-11-20T07:25:00Z"}, {"interrupted_at": "2099-01-01T00:00:00Z"}, {"gpus": 0}]
    )
    def test_a_wrong_field_is_refused(self, client, admin, wrong):
        books.company()
        assert self.lose(client, admin, **wrong).status_code == 422

    def test_of_a_pool_nobody_knows_are_not_found(self, client, admin):
        assert self.lose(client, admin).status_code == 404


class TestEnergy:
    def test_is_told_by_pool_and_by_model_and_for_a_million_tokens(self, client, admin):
        # 7.2 MJ = 2 kWh for 6.25 million tokens of one model
        books.company()
        books.a_morning()
        pools.cards(7_200_000.0)
        books.post()
        found = client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).json()
        told = {"kwh": "2.000000000000", "tokens": 6_250_000, "kwh_per_million_tokens": "0.320000000000"}
        assert found["energy"] == found["items"][0]["energy"] == told
        assert found["energy_by_model"] == [{"provider": "house", "model": "small", **told}]

    def test_models_share_a_pools_energy_by_their_work(self):
        books.ingest(
            books.on_pool("acme", "07:10", "07:20", input_tokens=300),
            books.call(
                books.clock("07:20"), tenant="acme", provider="house", model="large", pool="h100", output_tokens=25
            ),
        )  # fmt: skip
        pools.cards(3_600_000.0)
        with db.transaction() as session:
            found = energy.by_model(session, HOUR)
        assert sorted((each.kwh, each.tokens) for each in found.values()) == [
            (Decimal("0.25"), 25),
            (Decimal("0.75"), 300),
        ]


class TestHours:
    def test_each_line_of_an_hour_is_explained(self, client, admin):
        books.company()
        books.a_morning()
        books.post()
        (hour,) = client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).json()["items"]
        assert (hour["hour"], hour["requests"], hour["work"]) == ("2026-11-20T07:00:00Z", 3, "9000000")
        (own,) = hour["stretches"]
        assert own["seconds"] == {"used": "1200", "headroom": "0", "idle": "2400", "down": "0"}
        assert own["cost"] == {
            "total": "6.000000000000", "used": "2.000000000000", "headroom": "0.000000000000",
            "idle": "4.000000000000", "down": "0.000000000000",
        }  # fmt: skip
        assert own["parts_per_hour"] == {"gpus": "6.000000000000"}
        assert (own["purchase"], own["unused"]) == ("on_demand", "4.000000000000")
        assert own["method"] == "busy-union-1, all-awake-1, work-units-1"

    def test_come_in_pages(self, client, admin):
        books.company()
        books.post(books.DAY + timedelta(hours=10, minutes=2))
        asked = {"from": "2026-11-20T07:00:00Z", "to": "2026-11-20T12:00:00Z", "limit": 2}
        first = client.get("/api/v1/pools/h100/hours", params=asked, headers=admin).json()
        rest = client.get(
            "/api/v1/pools/h100/hours", params=asked | {"cursor": first["next_cursor"]}, headers=admin
        ).json()
        assert [item["hour"][11:13] for item in first["items"] + rest["items"]] == ["07", "08", "09"]
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize(
        "wrong", [{"from": "2026-11-20T07:30:00Z"}, {"to": "2028-11-20T07:00:00Z"}, {"cursor": "WzFd"}]
    )
    def test_a_wrong_question_is_refused(self, client, admin, wrong):
        books.company()
        assert client.get("/api/v1/pools/h100/hours", params=ONE | wrong, headers=admin).status_code == 422

    def test_a_pool_nobody_knows_is_not_found_and_a_tenants_key_sees_none(self, client, admin, make_key):
        assert client.get("/api/v1/pools/h100/hours", params=ONE, headers=admin).status_code == 404
        own = bound_headers(make_key, "admin")
        assert client.get("/api/v1/pools/h100/hours", params=ONE, headers=own).status_code == 403


def test_what_a_tenant_pays_by_usage_does_not_move_with_its_neighbours():
    books.company()
    books.ingest(books.on_pool("acme", "07:10", "07:20", input_tokens=1_000_000))
    books.rollup.fold()
    books.post()
    alone = {key: amount for key, amount in pools.balances().items() if key[1] == "cost_centre"}
    books.ingest(*(books.on_pool("bolt", "07:00", "07:59", input_tokens=9_000_000) for _ in range(5)))
    books.rollup.fold()
    books.post()
    crowded = {
        key: amount
        for key, amount in pools.balances().items()
        if key[1] == "cost_centre" and key[3] == alone_tenant(alone)
    }
    assert crowded == alone
    assert list(alone.values()) == [Decimal(1)]


def alone_tenant(lines):
    return next(iter(lines))[3]


def test_a_term_that_ends_takes_its_hours_and_their_splits_back():
    books.company()
    books.post()
    with db.transaction() as session:
        session.execute(update(GpuRollup).values(total=0))
        session.execute(text("UPDATE pool_term SET gpus = 0"))
        ledger.post_hour(session, books.SEVEN)
        assert (
            session.scalar(select(func.count()).select_from(PoolHourSplit).where(PoolHourSplit.hour == books.SEVEN))
            == 0
        )
    assert {key for key in pools.balances() if key[0] == books.SEVEN} == set()
