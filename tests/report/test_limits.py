"""What a report costs: pages read what they show, groups and reports at a time have a limit. And questions that no
database can be asked are refused before it is."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from tests.support import books
from tests.support.calls import call
from tests.support.seeded import seeded

from trivet import db
from trivet.ingest.models import COUNTS
from trivet.kit.clock import rfc3339
from trivet.kit.interval import Interval
from trivet.kit.page import to_cursor
from trivet.report import limits, names
from trivet.report import usage as using
from trivet.rollup.read import cost, usage
from trivet.settings import get_settings

WHOLE = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.NINE)}
MORNING = Interval(books.SEVEN, books.NINE)
TENANTS = ["", "none", "unattributed", "Zoë", "zoe", "\N{LATIN SMALL LETTER U WITH DIAERESIS}ni", "a", "ab", "A", "😀"]
MODELS = [("openai", "gpt-4o"), ("openai", "o9"), ("azure", "gpt-4o"), ("openai", ""), ("", "small")]


@pytest.fixture
def get(client, admin):
    def ask(path, status=200, **params):
        answer = client.get(f"/api/v1/{path}", params=WHOLE | params, headers=admin)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


@pytest.fixture
def refused():
    """How many reports were refused since for a reason."""

    def count(reason):
        return REGISTRY.get_sample_value("trivet_report_refused_total", {"reason": reason}) or 0

    before = {reason: count(reason) for reason in ("too-many-groups", "too-many-reports")}
    return lambda reason: count(reason) - before[reason]


def some_usage(count=80):
    rng = seeded()
    books.price("openai", "gpt-4o", input="2.50", output="10")

    def one(n):
        provider, model = rng.choice(MODELS)
        at = books.SEVEN + timedelta(seconds=10 * rng.randrange(720))
        tenant, level = TENANTS[n % len(TENANTS)], rng.randrange(3)  # each is there, whatever chance says
        return call(at, tenant=tenant, provider=provider, model=model, level=level, input_tokens=5)

    books.ingest(*(one(n) for n in range(count)))
    books.rollup.fold()


def walk(get, path, **params):
    items, cursor = [], None
    while True:
        answer = get(path, **params, **({"cursor": cursor} if cursor else {}))
        items += answer["items"]
        cursor = answer["next_cursor"]
        if cursor is None:
            return items


class TestPages:
    @pytest.mark.parametrize(
        "asked",
        [
            {"group_by": "tenant"},
            {"group_by": "tenant,model,level"},
            {"group_by": "model,tenant", "grain": "1h"},
            {"group_by": "provider,model", "grain": "10s"},
            {"group_by": "tenant", "tenant": ["unattributed", "zoe"]},
            {"group_by": "model", "provider": "openai"},
            {"group_by": "level,tenant"},
            {"group_by": "", "grain": "1m"},
            {"group_by": "pool,tenant"},
        ],
    )
    def test_one_after_the_other_are_the_whole(self, get, asked):
        some_usage(30)
        by = names.parse(asked["group_by"], names.USAGE_BY)
        with db.transaction() as session:
            where = names.where(
                session, {k: v if isinstance(v, list) else [v] for k, v in asked.items() if k in names.TABLES}
            )
            rows = using.usage(session, MORNING, by, where, asked.get("grain"))
        whole = [using.item(by, row) for row in rows]
        assert len(whole) > 1
        for limit in (1, 3, 500):
            assert walk(get, "usage", limit=limit, **asked) == whole

    def test_read_no_more_than_they_show(self, get, monkeypatch):
        some_usage(150)
        whole = walk(get, "usage", group_by="tenant,model,level")
        # Of one name there are at most 5 models × 3 levels, and two tenants go by the name of unattributed.
        monkeypatch.setattr(limits, "GROUPS_MAX", 30)
        assert len(whole) > 60
        assert walk(get, "usage", group_by="tenant,model,level", limit=7) == whole

    @pytest.mark.parametrize("key", [["a"], ["a", 1], [1, ""], ["a", "", ""], ["\ud800", ""], [float("inf"), ""]])
    @pytest.mark.parametrize("path", ["usage", "costs"])
    def test_do_not_follow_a_cursor_of_another_question(self, get, path, key):
        get(path, status=422, group_by="tenant", cursor=to_cursor(key))


def said(found):
    """What was found, whatever order the database joined histograms in."""
    return {k: ([getattr(u, n) for n in COUNTS], u.quantiles_ms("latency")) for k, u in found.items()}


class TestGroups:
    def test_more_than_the_limit_are_refused_by_name_and_counted(self, get, refused, monkeypatch):
        some_usage()
        monkeypatch.setattr(limits, "GROUPS_MAX", 3)
        for asked in ({"group_by": "level,tenant"}, {"group_by": "tenant", "grain": "10s", "limit": 500}):
            answer = get("usage", status=422, **asked)
            assert answer["type"] == "urn:trivet:problem:too-many-groups"
            assert "narrow the range, filter, or group by less" in answer["detail"]
        assert refused("too-many-groups") >= 2

    def test_of_costs_are_limited_both_where_posted_and_where_open(self, get, refused, monkeypatch):
        books.company()
        books.a_morning()
        monkeypatch.setattr(limits, "GROUPS_MAX", 2)
        get("costs", status=422, group_by="tenant")
        books.post(books.NINE + timedelta(minutes=2))
        get("costs", status=422, group_by="tenant,model")
        assert refused("too-many-groups") == 2
        monkeypatch.setattr(limits, "GROUPS_MAX", 100)
        assert len(get("costs", group_by="tenant,model")["items"]) > 2

    def test_are_limited_by_the_database(self, database):
        some_usage()
        with db.transaction() as session:
            whole = usage(session, MORNING, ["tenant_id", "level"])
            some = usage(session, MORNING, ["tenant_id", "level"], limit=4)
            assert len(some) == 4
            assert said(some).items() <= said(whole).items()
            spent = cost(session, MORNING, ["tenant_id", "currency"])
            by_currency = usage(session, MORNING, ["tenant_id", "currency"])
        assert spent == {key: each.cost for key, each in by_currency.items() if each.cost}
        assert spent

    @pytest.mark.parametrize("by", [[], ["model_id"], ["level", "bucket"], ["tenant_id", "model_id"]])
    def test_read_in_pieces_are_the_same(self, database, by):
        some_usage()
        with db.transaction() as session:
            whole = usage(session, MORNING, by)
            assert said(usage(session, MORNING, by, limit=1000)) == said(whole)
        assert whole

    def test_a_filter_may_come_to_more_ids_than_a_statement_has_parameters(self, database):
        some_usage(3)
        with db.transaction() as session:
            assert usage(session, MORNING, [], {"model_id": range(70_000)})[()].requests == 3


class TestReportsAtATime:
    @pytest.fixture
    def one_place(self, database, monkeypatch):
        monkeypatch.setenv("TRIVET_REPORT_CONCURRENT", "1")
        get_settings.cache_clear()
        monkeypatch.setattr(limits, "PATIENCE_S", 0.2)

    def test_are_few_and_the_next_is_told_to_come_again(self, one_place, client, admin, refused):
        def ask(path):
            return client.get(f"/api/v1/{path}", params=WHOLE, headers=admin)

        with ThreadPoolExecutor(2) as threads:
            with db.transaction() as session:
                session.execute(text("LOCK TABLE usage_delta IN ACCESS EXCLUSIVE MODE"))
                slow = threads.submit(ask, "usage")
                deadline = time.monotonic() + 60
                while not _waits(session):
                    assert time.monotonic() < deadline
                for path in ("usage", "costs", "requests", "postings"):
                    answer = ask(path)
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
                    assert answer.json()["type"] == "urn:trivet:problem:too-many-reports"
                assert client.get("/healthz").status_code == 200
                assert client.get("/api/v1/usage", params=WHOLE).status_code == 401
            assert slow.result().status_code == 200
        assert refused("too-many-reports") == 4
        assert ask("postings").status_code == 200

    def test_a_refused_question_keeps_no_place(self, one_place, client, admin):
        for _ in range(3):
            answer = client.get("/api/v1/usage", params=WHOLE | {"group_by": "moon"}, headers=admin)
            assert answer.status_code == 422


def _waits(session):
    return session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))


class TestWhatCannotBeAsked:
    @pytest.mark.parametrize(
        ("path", "asked"),
        [
            *((path, {"to": at}) for path in ("usage", "costs", "requests", "postings") for at in (
                "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:50-14:00", "2100-01-01T00:00:10Z",
                "1", "1763700000",
            )),
            *((path, {"from": "0", "to": "1"}) for path in ("usage", "costs", "requests", "postings")),
            *((path, {"from": WHOLE["to"], "to": WHOLE["from"]}) for path in ("usage", "costs", "requests", "postings")),
            *((path, {"from": WHOLE["to"], "to": WHOLE["to"]}) for path in ("usage", "costs", "requests", "postings")),
            *((path, {"tenant": "\0"}) for path in ("usage", "costs", "requests")),
            *((path, {"model": "x" * 257}) for path in ("usage", "costs", "requests")),
            ("usage", {"level": 2**15}),
            ("usage", {"revision": 2**31}),
            ("usage", {"group_by": "\0"}),
            *(("postings", {"cursor": to_cursor(key)}) for key in ([2**63], [float("inf")], ["\ud800"])),
            *(("requests", {"cursor": to_cursor(key)}) for key in (
                ["2026-11-20T07:00:00Z", 2**31, "00", "00"],
                ["2026-11-20T07:00:00Z", float("inf"), "00", "00"],
                ["0001-01-01T00:00:00+14:00", 1, "00", "00"],
                ["2026-11-20T07:00:00", 1, "00", "00"],
                ["\ud800", 1, "00", "00"],
                ["2026-11-20T07:00:00Z", 1, "\ud800", "00"],
            )),
        ],
    )  # fmt: skip
    def test_is_refused(self, get, path, asked):
        get(path, status=422, **asked)

    def test_requests_up_to_the_year_one_are_refused(self, client, admin):
        answer = client.get("/api/v1/requests", params={"to": "0001-01-01T00:00:00Z"}, headers=admin)
        assert answer.status_code == 422

    def test_names_as_long_as_those_of_spans_are_found(self, get):
        long = "t" * 256
        books.ingest(call(books.clock("07:30"), tenant=long))
        assert [i["tenant"] for i in get("usage", group_by="tenant", tenant=long)["items"]] == [long]
        assert [i["tenant"] for i in get("requests", tenant=long)["items"]] == [long]
