"""Word of a new policy: a stream that says *ask again*, at once, and loses nothing when it is lost itself."""

import contextlib
import json
import time

import httpx
import pytest
from sqlalchemy import select, text, update
from tests.support.commanding import issue, met

from trivet import db
from trivet.command import events
from trivet.command import hub as hubs
from trivet.fleet import service as fleet
from trivet.identity.models import ApiKey
from trivet.ingest.models import Denial
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

PATH = "/ofrep/v1/events"
BULK = "/ofrep/v1/evaluate/flags"


class Backend:
    """What backends do at this address, with a key of theirs."""

    def __init__(self, server, key):
        self.headers = {"Authorization": f"Bearer {key}"}
        self.url = server

    def etag(self, name="gw-1"):
        body = {"context": {"backend": name}}
        return httpx.post(self.url + BULK, json=body, headers=self.headers).headers["etag"]

    def stream(self):
        return httpx.stream("GET", self.url + PATH, headers=self.headers, timeout=10)


@pytest.fixture
def backend(server, make_key):
    return Backend(server, make_key(["policy"]))


@pytest.fixture
def search(chat, client, admin):
    """Id of a second scenario."""
    return client.post("/api/v1/scenarios", json={"name": "search", "preset": "rag"}, headers=admin).json()["id"]


def register(name, *scenarios):
    with db.transaction() as session:
        fleet.register_backend(session, name=name, scenarios=list(scenarios), actor="test", now=utc_now())


@pytest.fixture
def listen(backend):
    """`listen(name)` -> an iterator of what a listener hears."""
    with (
        contextlib.ExitStack() as open_streams,
        httpx.Client(base_url=backend.url, timeout=10, headers=backend.headers) as http,
    ):

        def start(name="gw-1", **more):
            answer = open_streams.enter_context(http.stream("GET", PATH, params={"backend": name}, headers=more))
            assert answer.status_code == 200, answer.read()
            return heard(answer)

        yield start


def heard(answer):
    """Messages as (id, data); comments and hints are no messages."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    block = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            block[name] = value
        else:
            if "data" in block:
                yield block["id"], json.loads(block["data"])
            block = {}


class TestAListener:
    def test_is_told_first_what_holds_and_then_of_each_change_the_etag_that_its_poll_will_get(
        self, chat, backend, listen
    ):
        met("gw-1")
        told = listen()
        assert next(told) == (
            backend.etag(),
            {"type": "refetchEvaluation", "etag": backend.etag()},
        )
        issue(utc_now(), level=2)
        assert next(told)[1]["etag"] == backend.etag()
        issue(utc_now(), "restore")
        assert next(told)[1]["etag"] == backend.etag()

    def test_who_comes_back_with_what_it_was_told_last_hears_only_what_changed_since(self, chat, backend, listen):
        met("gw-1")
        before, _ = next(listen())
        told = listen(**{"Last-Event-ID": before})
        issue(utc_now())
        assert next(told)[0] == backend.etag() != before

    def test_who_missed_a_change_is_told_on_coming_back(self, chat, backend, listen):
        met("gw-1")
        before, _ = next(listen())
        issue(utc_now())
        assert next(listen(**{"Last-Event-ID": before}))[0] == backend.etag()

    def test_of_other_scenarios_hears_nothing(self, search, backend, listen):
        register("gw-1", "search")
        told = listen()
        first = next(told)
        issue(utc_now())
        issue(utc_now(), scenario_id=search)
        assert first != next(told) == (backend.etag(), {"type": "refetchEvaluation", "etag": backend.etag()})

    def test_hears_when_its_own_list_of_scenarios_changes(self, search, backend, listen):
        met("gw-1")
        told = listen()
        next(told)
        register("gw-1", "search")
        assert next(told)[0] == backend.etag()

    def test_hears_of_a_scenario_that_was_registered_though_nobody_notified(self, chat, client, admin, listen):
        told = listen()
        first = next(told)
        client.post("/api/v1/scenarios", json={"name": "search", "preset": "rag"}, headers=admin)
        assert next(told) != first

    def test_hears_a_change_that_came_while_the_database_did_not_let_us_listen(self, chat, backend, listen):
        met("gw-1")
        told = listen()
        next(told)
        with db.transaction() as session:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trivet-policy'"
            assert session.execute(text(ended)).all()
        issue(utc_now())
        assert next(told)[0] == backend.etag()

    def test_holds_no_connection_of_the_pool(self, chat, listen):
        told = [listen(f"gw-{n}") for n in range(5)]
        for one in told:
            next(one)
        until(lambda: db.engine().pool.checkedout() == 0)


class TestABulkAnswer:
    def test_names_the_stream(self, chat, client, make_key):
        headers = {"X-API-Key": make_key(["policy"])}

        def streams(context):
            return client.post(BULK, json={"context": context}, headers=headers).json()["eventStreams"]

        (one,) = streams({"backend": "gw 1&x"})
        assert one == {
            "type": "sse",
            "endpoint": {"requestUri": "/ofrep/v1/events?backend=gw%201%26x"},
            "inactivityDelaySec": 45,
        }
        assert streams({"targetingKey": "acme", "scenario": "chat"})[0]["endpoint"] == {"requestUri": PATH}


@pytest.fixture
def one_listener(monkeypatch):
    """`one_listener(setting)`: of what the setting limits there may be one."""

    def limit(setting):
        monkeypatch.setenv(setting, "1")
        get_settings.cache_clear()

    return limit


class TestWhatIsRefused:
    def test_a_stream_needs_a_key_that_may_ask(self, chat, server, make_key):
        assert httpx.get(server + PATH).status_code == 401
        assert httpx.get(server + PATH, headers={"X-API-Key": make_key(["read"])}).status_code == 403

    @pytest.mark.parametrize(
        ("setting", "status", "reason"),
        [
            ("TRIVET_LISTENERS_LIMIT", 503, "too_many_listeners"),
            ("TRIVET_LISTENERS_PER_KEY_LIMIT", 429, "too_many_listeners_of_key"),
        ],
    )
    def test_one_listener_too_many_is_named_counted_and_told_when_to_come_back(
        self, chat, backend, one_listener, *, setting, status, reason
    ):
        one_listener(setting)
        with backend.stream() as answer:
            told = heard(answer)
            next(told)
            refused = httpx.get(backend.url + PATH, headers=backend.headers)
        assert refused.status_code == status
        assert 5 <= int(refused.headers["retry-after"]) <= 30
        assert setting in refused.json()["errorDetails"]
        with db.transaction() as session:
            assert session.execute(select(Denial.reason, Denial.items)).all() == [(reason, 1)]

    def test_its_place_is_free_again_when_a_listener_has_gone(self, chat, backend, one_listener):
        one_listener("TRIVET_LISTENERS_LIMIT")
        for _ in range(3):
            with backend.stream() as answer:
                next(heard(answer))
            until(lambda: not events._open)


class TestARevokedKey:
    def test_hears_no_change_after_it_was_revoked_and_its_stream_ends(self, chat, backend):
        with backend.stream() as answer:
            told = heard(answer)
            next(told)
            with db.transaction() as session:
                session.execute(update(ApiKey).values(revoked_at=utc_now()))
            issue(utc_now())
            assert list(told) == []


class TestTheEnd:
    def test_streams_say_good_bye_when_the_process_stops(self, chat, backend):
        with backend.stream() as answer:
            told = heard(answer)
            next(told)
            ((loop, hub),) = ((loop, hub) for loop, hub in hubs._hubs.items() if hub.waiters)
            loop.call_soon_threadsafe(hub.end_streams)
            assert list(told) == []
        assert httpx.get(backend.url + PATH, headers=backend.headers).status_code == 503


def until(said, limit_s=20.0):
    deadline = time.monotonic() + limit_s
    while not said():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
