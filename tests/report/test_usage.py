"""GET /usage, GET /requests and GET /postings over the real app."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.support import books
from tests.support.calls import call

from trivet.ingest.request.fact import ERROR, REJECTED, TIMEOUT
from trivet.kit.clock import rfc3339
from trivet.kit.interval import Interval
from trivet.report.export import export

WHOLE = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.NINE)}


@pytest.fixture
def get(client, admin):
    def ask(path, headers=admin, status=200, **params):
        answer = client.get(f"/api/v1/{path}", params=params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


def usage(get, **params):
    return get("usage", **(WHOLE | params))


class TestScores:
    def test_stand_with_the_scenario_and_make_no_row_under_a_model_that_nobody_called(self, get, client, admin):
        books.ingest(call(books.clock("07:30"), input_tokens=10))
        score = {
            "scenario": "chat",
            "tenant": "acme",
            "metric": "quality",
            "value": 0.5,
            "at": rfc3339(books.clock("07:30")),
        }
        assert client.post("/api/v1/scores", json=score, headers=admin).status_code == 201
        (by_scenario,) = usage(get, group_by="scenario")["items"]
        assert (by_scenario["requests"], by_scenario["scores"], by_scenario["score"]) == (1, 1, 0.5)
        assert [item["model"] for item in usage(get, group_by="model")["items"]] == ["gpt-4o"]


class TestUsage:
    def test_has_the_shape_that_others_build_on(self, get):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.ingest(
            call(
                books.clock("07:30"),
                seconds=2.0,
                ttft_ms=500,
                inter_token_us=10_000,
                input_tokens=400,
                output_tokens=10,
            )
        )
        (item,) = usage(get, group_by="tenant,model")["items"]
        about = {measure: item.pop(measure) for measure in ("latency_ms", "ttft_ms", "inter_token_ms")}
        assert item == {
            "tenant": "acme",
            "model": "gpt-4o",
            "requests": 1,
            "errors": 0,
            "timeouts": 0,
            "refusals": 0,
            "rejections": 0,
            "tokens": {"input": 400, "output": 10, "cache_read": 0, "cache_write": 0, "reasoning": 0},
            "cost": {"amount": "0.001100000000", "currency": "USD"},
            "unpriced_requests": 0,
            "scores": 0,
            "score": None,
        }
        for measure, expected in (("latency_ms", 2000), ("ttft_ms", 500), ("inter_token_ms", 10)):
            assert set(about[measure]) == {"p50", "p90", "p95", "p99"}
            assert about[measure]["p95"] == pytest.approx(expected, rel=0.01)

    def test_groups_by_every_dimension(self, get):
        books.ingest(call(books.clock("07:30"), level=2, revision=7))
        by = "tenant,model,provider,scenario,backend,pool,level,revision"
        (item,) = usage(get, group_by=by)["items"]
        assert [item[name] for name in by.split(",")] == ["acme", "gpt-4o", "openai", "chat", "b1", "none", 2, 7]

    def test_outcomes_are_counted_apart(self, get):
        at = books.clock("07:30")
        books.ingest(call(at), call(at, outcome=ERROR), call(at, outcome=TIMEOUT), call(at, outcome=REJECTED))
        (item,) = usage(get)["items"]
        assert [item[n] for n in ("requests", "errors", "timeouts", "refusals", "rejections")] == [4, 1, 1, 0, 1]

    def test_without_a_price_there_is_no_cost_and_never_zero(self, get):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.ingest(
            call(books.clock("07:30"), input_tokens=10),
            call(books.clock("07:30"), provider="nobody", model="unheard-of", input_tokens=10),
        )
        items = usage(get, group_by="model")["items"]
        assert [(i["model"], i["cost"], i["unpriced_requests"]) for i in items] == [
            ("gpt-4o", {"amount": "0.000025000000", "currency": "USD"}, 0),
            ("unheard-of", None, 1),
        ]
        (both,) = usage(get)["items"]
        assert (both["requests"], both["unpriced_requests"]) == (2, 1)
        assert both["cost"]["amount"] == "0.000025000000"

    def test_a_grain_gives_buckets(self, get):
        for minute in ("07:05", "07:06", "08:01"):
            books.ingest(call(books.clock(minute)))
        hours = usage(get, group_by="tenant", grain="1h")["items"]
        assert [(i["bucket"], i["requests"]) for i in hours] == [
            ("2026-11-20T07:00:00Z", 2),
            ("2026-11-20T08:00:00Z", 1),
        ]
        days = get("usage", grain="1d", **{"from": "2026-11-20T00:00:00Z", "to": "2026-11-22T00:00:00Z"})
        assert [(i["bucket"], i["requests"]) for i in days["items"]] == [("2026-11-20T00:00:00Z", 3)]
        books.rollup.fold()
        assert usage(get, group_by="tenant", grain="1h")["items"] == hours

    def test_filters_by_name_may_be_repeated(self, get):
        books.ingest(*(call(books.clock("07:30"), tenant=t, level=n) for n, t in enumerate(["a", "b", ""])))
        asked = usage(get, group_by="tenant", tenant=["b", "unattributed"])["items"]
        assert [i["tenant"] for i in asked] == ["b", "unattributed"]
        assert [i["tenant"] for i in usage(get, group_by="tenant", level=[0])["items"]] == ["a"]
        assert usage(get, model="no-such")["items"] == []
        assert usage(get, model="gpt-4o", provider="no-such")["items"] == []

    def test_pages_follow_the_cursor(self, get):
        books.ingest(*(call(books.clock("07:30"), tenant=t) for t in "abcde"))
        seen, cursor = [], None
        for _ in range(3):
            answer = usage(get, group_by="tenant,level", limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [i["tenant"] for i in answer["items"]]
            cursor = answer["next_cursor"]
        assert (seen, cursor) == (list("abcde"), None)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"from": "2026-11-20T07:00:05Z"},
            {"from": "2026-11-20T07:00:10Z", "grain": "1m"},
            {"to": "2026-11-20T08:30:00Z", "grain": "1h"},
            {"grain": "5m"},
            {"grain": "10s", "to": "2026-12-20T09:00:00Z"},
            {"group_by": "cost_centre"},
            {"group_by": "tenant;drop"},
            {"cursor": "WzEsMiwzXQ"},
            {"tennant": "acme"},
        ],
    )
    def test_a_question_that_cannot_be_answered_exactly_is_refused(self, get, wrong):
        books.ingest(call(books.clock("07:30")))
        usage(get, **({"status": 422, "group_by": "tenant"} | wrong))

    def test_a_bound_key_sees_its_own_usage(self, get, make_key):
        books.ingest(call(books.clock("07:30"), tenant="acme"), call(books.clock("07:30"), tenant="bolt"))
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert [i["tenant"] for i in usage(get, headers=own, group_by="tenant")["items"]] == ["bolt"]
        assert usage(get, headers=own, group_by="tenant", tenant="acme")["items"] == []

    def test_the_export_has_the_same_figures_and_runs_no_formula(self, get):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.ingest(call(books.clock("07:30"), tenant='=HYPERLINK("x")', input_tokens=400))
        out = io.StringIO()
        assert export("usage", Interval(books.SEVEN, books.NINE), ["tenant"], out) == 1
        header, row = out.getvalue().splitlines()
        assert header.startswith("tenant,requests,errors,timeouts,refusals,rejections,unpriced_requests,input_tokens")
        assert row.startswith('"\'=HYPERLINK(""x"")",1,0,0,0,0,0,400,0,0,0,0,0.001000000000,USD,')


class TestWhatPeopleAskBy:
    @pytest.fixture
    def calls(self):
        books.ingest(
            call(books.clock("07:10"), input_tokens=900, version="2024-08-06", region="eu-west-1", ttft_ms=5),
            call(books.clock("07:20"), input_tokens=900, cache_read_tokens=200, version="2024-08-06"),
            call(books.clock("07:30"), input_tokens=300_000, region="eu-west-1"),
        )

    @pytest.mark.parametrize(
        ("by", "requests"),
        [
            ("context_class", {"1k": 1, "4k": 1, "over": 1}),
            ("model_version", {"2024-08-06": 2, "none": 1}),
            ("region", {"eu-west-1": 2, "none": 1}),
            ("streamed", {"yes": 1, "no": 2}),
        ],
    )
    def test_groups_filters_and_exports(self, get, calls, by, requests):
        items = usage(get, group_by=by)["items"]
        assert {item[by]: item["requests"] for item in items} == requests
        for name, count in requests.items():
            (item,) = usage(get, **{by: name})["items"]
            assert item["requests"] == count
        assert usage(get, **{by: "nobody has this"})["items"] == []
        out = io.StringIO()
        assert export("usage", Interval(books.SEVEN, books.NINE), by, out) == len(requests)
        assert all(f"\n{name},{count}," in out.getvalue() for name, count in requests.items())

    def test_goes_together_with_other_dimensions(self, get, calls):
        (item,) = usage(get, group_by="tenant,context_class,region", streamed="yes")["items"]
        assert (item["tenant"], item["context_class"], item["region"]) == ("acme", "1k", "eu-west-1")


class TestRequests:
    def test_say_why_they_have_no_cost_and_what_is_known_of_them(self, get):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        shared = {"trace_id": b"t" * 16, "response_id": "r", "input_tokens": 5}
        books.ingest(
            call(books.clock("07:01"), input_tokens=5, model="unheard-of"),
            call(books.clock("07:02"), model="gpt-4o"),
            call(books.clock("07:03"), input_tokens=5, model=""),
            call(books.clock("07:04"), input_tokens=5, shape="unknown_operation"),
            call(books.clock("07:05"), input_tokens=5, version="v2", region="eu", cause=3, outcome=ERROR),
            call(books.clock("07:06"), span=b"inner---", **shared),
            call(books.clock("07:06"), span=b"outer---", seconds=2, **shared),
        )
        found = {
            item["ended_at"][11:16] + str(item["repeats"] or ""): item for item in get("requests", **WHOLE)["items"]
        }
        reasons = [found[f"07:0{n}"]["unpriced_reason"] for n in range(1, 7)]
        assert reasons == ["no_price", "no_tokens", "no_model", "unknown_operation", None, None]
        known = found["07:05"]
        assert (known["model_version"], known["region"], known["cause"], known["context_class"]) == (
            "v2",
            "eu",
            "refusal",
            "1k",
        )
        assert (found["07:06"]["response_id"], found["07:06"]["repeats"]) == ("r", None)
        assert found["07:06" + b"inner---".hex()]["span_id"] == b"outer---".hex()

    def test_filter_by_version_and_region(self, get):
        books.ingest(call(books.clock("07:01"), region="eu"), call(books.clock("07:02"), version="v1"))
        assert [
            len(get("requests", **WHOLE, **{k: v})["items"])
            for k, v in (("region", "eu"), ("region", "none"), ("model_version", "v1"))
        ] == [1, 1, 1]

    def test_come_newest_first_page_by_page(self, get):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.ingest(
            *(call(books.clock(f"07:{m:02}"), tenant="ab"[m % 2], seconds=1.5, input_tokens=m) for m in range(1, 8)),
            call(books.clock("07:03"), tenant="", model="unheard-of", provider="nobody"),
        )
        seen, cursor = [], None
        while True:
            answer = get("requests", limit=3, **WHOLE, **({"cursor": cursor} if cursor else {}))
            seen += answer["items"]
            cursor = answer["next_cursor"]
            if not cursor:
                break
        assert [i["started_at"] for i in seen] == sorted((i["started_at"] for i in seen), reverse=True)
        assert len({i["span_id"] for i in seen}) == 8
        newest = seen[0]
        assert (newest["tenant"], newest["model"], newest["outcome"]) == ("b", "gpt-4o", "ok")
        assert (newest["duration_ms"], newest["cost"]) == (1500.0, {"amount": "0.000017500000", "currency": "USD"})
        assert [i["cost"] for i in seen if i["model"] == "unheard-of"] == [None]

    def test_never_carry_a_prompt(self, get):
        books.ingest(call(books.clock("07:30"), prompt_hash=b"x" * 32))
        (item,) = get("requests", **WHOLE)["items"]
        assert not [name for name in item if "prompt" in name]

    def test_filter_by_name_and_by_the_key_that_asks(self, get, make_key):
        books.ingest(
            call(books.clock("07:30"), tenant="acme", scenario="chat"),
            call(books.clock("07:30"), tenant="bolt", scenario="search"),
        )
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        assert [i["tenant"] for i in get("requests", headers=own, **WHOLE)["items"]] == ["bolt"]
        assert get("requests", headers=own, tenant="acme", **WHOLE)["items"] == []
        assert [i["tenant"] for i in get("requests", scenario="chat", **WHOLE)["items"]] == ["acme"]

    @pytest.mark.parametrize("cursor", ["WyJ4IiwxLCJ6eiIsIjAwIl0", "WzFd", "x"])
    def test_a_foreign_cursor_is_refused(self, get, cursor):
        get("requests", status=422, cursor=cursor, **WHOLE)


class TestPostings:
    def test_are_shown_with_entries_that_balance(self, get):
        books.company()
        books.a_morning()
        books.post()
        pool, metered = get("postings")["items"]
        assert (metered["kind"], metered["hour"], metered["period"]) == ("metered", "2026-11-20T07:00:00Z", "2026-11")
        assert {"account": "idle", "pool": "h100", "amount": "4.000000000000", "currency": "USD"} in pool["entries"]
        assert "busy-union-1" in pool["method"]
        for posting in (pool, metered):
            assert sum(Decimal(e["amount"]) for e in posting["entries"]) == 0

    def test_are_paged_and_asked_for_by_hour(self, get):
        books.pool()
        books.post(books.SEVEN + timedelta(hours=3, minutes=5))
        first = get("postings", limit=2)
        second = get("postings", limit=2, cursor=first["next_cursor"])
        assert [p["hour"][11:13] for p in first["items"] + second["items"]] == ["09", "08", "07"]
        asked = get("postings", **{"from": "2026-11-20T08:00:00Z", "to": "2026-11-20T09:00:00Z"})
        assert [p["hour"][11:13] for p in asked["items"]] == ["08"]

    def test_a_bound_key_does_not_see_the_books(self, get, make_key):
        get("postings", status=403, headers={"Authorization": f"Bearer {make_key(['read'], 'bolt')}"})
