"""Baselines: frozen once, compared on the same terms. Numbers worked out by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.support.calls import call, ingest
from tests.support.governed import register

from trivet import db
from trivet.compare.measured import differences, kept, measured, read, values
from trivet.kit import histogram
from trivet.kit.clock import rfc3339, utc_now
from trivet.rollup.read import Usage

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def usage(n=100, ms=1000, cost="2", **more):
    given = {"errors": 3, "timeouts": 1, "scores": 10, "score_total": 9.0, "input_tokens": 5_000} | more
    return Usage(requests=n, cost=Decimal(cost), latency=histogram.of([ms * 1000] * n), **given)


def of(*parts):
    return measured(parts)


BEFORE = of((("gpt-4o", 1, 0, "USD"), usage()))
AFTER = of(
    (("gpt-4o", 2, 0, "USD"), usage(cost="1")),
    (("small", 2, 1, "USD"), usage(100, 500, "0.5", errors=0, timeouts=0, score_total=8.0)),
)


def told(found):
    return {each.measure.key: each for each in found}


class TestWhatIsMeasured:
    def test_is_sums_of_which_rates_are_made(self):
        found = {each.measure.key: each.value for each in values(BEFORE)}
        assert (found["quality"], found["error_rate"], found["timeout_rate"]) == (0.9, 0.04, 0.01)
        assert (found["cost_per_request"], found["cost_per_1k_tokens"], found["requests"]) == (0.02, 0.4, 100)
        assert found["p95_latency_ms"] == pytest.approx(1000, rel=0.01) and found["p95_ttft_ms"] is None

    def test_is_the_same_after_it_was_kept(self):
        assert read(kept(AFTER)) == AFTER

    def test_says_which_models_revisions_and_levels_it_saw(self):
        assert (AFTER.models, AFTER.revisions, AFTER.levels) == ({"gpt-4o": 100, "small": 100}, {"2": 200}, {"0": 100, "1": 100})  # fmt: skip


class TestTwoTimes:
    def test_differ_by_measure_with_which_way_it_went(self):
        """2 for 100 became 1.5 for 200; 4 of 100 failed, then 4 of 200; 0.90 became 17 of 20."""
        currency, found = differences(BEFORE, AFTER)
        by = told(found)
        assert currency == "USD"
        assert by["cost_per_request"].after.value == 0.0075 and by["cost_per_request"].relative == pytest.approx(-0.625)
        assert (by["cost_per_request"].verdict, by["error_rate"].verdict, by["quality"].verdict) == (
            "better",
            "better",
            "worse",
        )
        assert by["quality"].difference == pytest.approx(-0.05) and by["requests"].verdict == ""
        assert by["p95_ttft_ms"].verdict == "unknown"

    def test_that_share_no_currency_say_nothing_of_money(self):
        euros = of((("gpt-4o", 1, 0, "EUR"), usage()))
        currency, found = differences(BEFORE, euros)
        assert currency == "" and told(found)["cost_per_request"].verdict == "unknown"


def body(**changes):
    return {"scenario": "chat", "name": "before", "from": rfc3339(START), "to": rfc3339(START + timedelta(minutes=5)), "reason": "a new model comes"} | changes  # fmt: skip


@pytest.fixture
def chat(database):
    register("chat")
    ingest(*(call(START + timedelta(seconds=s), seconds=2) for s in range(100)), now=START)


class TestFreezing:
    def test_keeps_it_and_compares_it_with_now(self, client, admin, chat):
        made = client.post("/api/v1/baselines", headers=admin, json=body())
        assert made.status_code == 201 and made.json()["requests"] == 100
        now = utc_now()
        ingest(*(call(now - timedelta(seconds=60 + s), seconds=1) for s in range(50)), now=now)
        answer = client.get(f"/api/v1/comparisons?baseline={made.json()['id']}", headers=admin).json()
        by = {each["measure"]: each for each in answer["measures"]}
        assert (answer["before"]["requests"], answer["after"]["requests"]) == (100, 50)
        assert by["p95_latency_ms"]["verdict"] == "better"
        assert by["p95_latency_ms"]["relative"] == pytest.approx(-0.5, abs=0.02)
        listed = client.get("/api/v1/baselines?scenario=chat", headers=admin).json()["items"]
        assert [each["name"] for each in listed] == ["before"]

    @pytest.mark.parametrize(
        ("changes", "status", "field"),
        [
            ({"to": "2099-01-01T00:00:00Z"}, 422, "to"),
            ({"from": "2026-01-01T00:00:00Z"}, 422, "from"),
            ({"scenario": "none"}, 404, None),
            ({"from": "2026-11-19T00:00:00Z", "to": "2026-11-19T01:00:00Z"}, 409, None),
            ({"reason": " "}, 422, "reason"),
        ],
    )
    def test_refuses_what_says_nothing(self, client, admin, chat, changes, status, field):  # noqa: PLR0917  # three fixtures and a row
        answer = client.post("/api/v1/baselines", headers=admin, json=body(**changes))
        assert answer.status_code == status
        assert field is None or field in answer.json()["errors"][0]["field"]

    def test_happens_once_a_name_and_the_database_lets_nobody_change_it(self, client, admin, chat):
        assert client.post("/api/v1/baselines", headers=admin, json=body()).status_code == 201
        assert client.post("/api/v1/baselines", headers=admin, json=body()).status_code == 409
        for statement in ("UPDATE baseline SET name = 'x'", "DELETE FROM baseline"):
            with pytest.raises(DBAPIError, match="only grows"), db.transaction() as session:
                session.execute(text(statement))

    def test_is_not_for_who_only_reads(self, client, make_key, chat):
        key = make_key(["read"])
        answer = client.post("/api/v1/baselines", headers={"Authorization": f"Bearer {key}"}, json=body())
        assert answer.status_code == 403

    def test_baselines_of_two_scenarios_are_not_compared(self, client, admin, chat):
        register("rag")
        ingest(call(START, scenario="rag"), now=START)
        ids = [client.post("/api/v1/baselines", headers=admin, json=body(scenario=name)).json()["id"] for name in ("chat", "rag")]  # fmt: skip
        answer = client.get(f"/api/v1/comparisons?baseline={ids[0]}&with={ids[1]}", headers=admin)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "with")
        assert client.get("/api/v1/comparisons?baseline=999", headers=admin).status_code == 404
