"""Shared costs over REST: entered, changed, ended, refused at their fields."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support import books
from tests.support.bound import bound_headers

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.clock import floor, rfc3339, utc_now

pytestmark = pytest.mark.usefixtures("database")

START = floor(utc_now(), 86_400)


def at(days):
    """Midnight so many days from today."""
    return rfc3339(START + timedelta(days=days))


BODY = {
    "name": "support", "recurs": "monthly", "from": at(0), "amount": "1000", "currency": "USD",
    "rule": {"kind": "proportional", "usage_of": "month", "among": [{"cost_centre": "CC-7"}, {"tenant": "bolt"}]},
    "note": "contract 4711",
}  # fmt: skip


def fixed(*percents):
    return {
        "kind": "fixed",
        "shares": [{"cost_centre": name, "percent": p} for name, p in zip(("CC-7", "CC-9"), percents, strict=False)],
    }


SENSELESS = [
    ({"recurs": "once"}, "to"),
    ({"to": at(0)}, "to"),
    ({"from": at(0).replace("00:00Z", "30:00Z")}, "from"),
    ({"from": at(-401)}, "from"),
    ({"amount": "0"}, "amount"),
    ({"amount": "-1"}, "amount"),
    ({"amount": "1e3"}, "amount"),
    ({"currency": "usd"}, "currency"),
    ({"rule": fixed("60", "41")}, "rule"),
    ({"rule": fixed("0")}, "rule"),
    ({"rule": {"kind": "even", "among": [{"cost_centre": "CC-7"}, {"cost_centre": "CC-7"}]}}, "rule"),
    ({"rule": {"kind": "even", "among": [{"cost_centre": "CC-1"}]}}, "rule"),
    ({"rule": {"kind": "even", "among": [{"tenant": "nobody"}]}}, "rule"),
    ({"rule": {"kind": "even", "among": [{}]}}, "rule"),
    ({"rule": {"kind": "even", "among": [{"tenant": "bolt", "cost_centre": "CC-7"}]}}, "rule"),
    ({"rule": {"kind": "even", "among": []}}, "rule"),
    ({"rule": {"kind": "proportional", "usage_of": "week"}}, "rule"),
    ({"rule": {"kind": "by taste"}}, "rule"),
]


class TestOverRest:
    @pytest.fixture(autouse=True)
    def company(self):
        books.tenants(acme="CC-7", bolt="CC-9")

    def test_one_is_entered_changed_and_ended_and_every_step_is_kept(self, client, admin):
        made = client.post("/api/v1/shared-costs", headers=admin, json=BODY)
        assert made.status_code == 201
        address = "/api/v1/shared-costs/support"
        raised = client.post(f"{address}/terms", headers=admin, json={"from": at(60), "amount": "1100"})
        ruled = client.post(f"{address}/rules", headers=admin, json={"from": at(30), "rule": fixed("60", "40")})
        ended = client.post(f"{address}/end", headers=admin, json={"at": at(200)})
        assert {answer.status_code for answer in (raised, ruled, ended)} == {200}
        (item,) = client.get("/api/v1/shared-costs", headers=admin).json()["items"]
        assert item == ended.json()
        assert [(t["from"], t["amount"], t["currency"]) for t in item["terms"]] == [
            (at(0), "1000.000000000000", "USD"),
            (at(60), "1100.000000000000", "USD"),
            (at(200), "0.000000000000", "USD"),
        ]
        assert [(r["kind"], r["usage_of"], [s["percent"] for s in r["shares"]]) for r in item["rules"]] == [
            ("proportional", "month", [None, None]),
            ("fixed", None, ["60", "40"]),
        ]
        with db.transaction() as session:
            actions = list(
                session.scalars(select(Audit.action).where(Audit.subject == "shared_cost:support").order_by(Audit.id))
            )
        assert actions == ["shared_cost.add", "shared_cost.amount", "shared_cost.rule", "shared_cost.end"]

    def test_what_makes_no_sense_is_refused_at_its_field(self, client, admin):
        for change, field in SENSELESS:
            refused = client.post("/api/v1/shared-costs", headers=admin, json=BODY | change)
            assert (refused.status_code, change) == (422, change)
            assert (refused.json()["errors"][0]["field"].split(".")[0], change) == (field, change)

    def test_a_name_is_taken_once_and_a_one_off_ends_by_itself(self, client, admin):
        once = BODY | {"recurs": "once", "to": at(30)}
        assert [client.post("/api/v1/shared-costs", headers=admin, json=once).status_code for _ in range(2)] == [
            201,
            409,
        ]
        assert client.post("/api/v1/shared-costs/support/end", headers=admin, json={}).status_code == 422
        assert client.post("/api/v1/shared-costs/nothing/end", headers=admin, json={}).status_code == 404

    def test_it_is_for_finance(self, client, make_key):
        read = {"Authorization": f"Bearer {make_key(['read'])}"}
        for headers in (read, bound_headers(make_key, "admin")):
            assert client.post("/api/v1/shared-costs", headers=headers, json=BODY).status_code == 403
        assert client.get("/api/v1/shared-costs", headers=bound_headers(make_key, "read")).status_code == 403
