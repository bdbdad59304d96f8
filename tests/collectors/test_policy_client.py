"""The policy client against a real server on loopback that keeps to the contract, and one that does not."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collectors.ofrep_server import KEY, OfrepServer, Said, document, eventually, rfc3339

from trivet_collectors.policy import transport
from trivet_collectors.policy.client import PolicyClient, attributes_of
from trivet_collectors.policy.evaluate import DEFAULTS
from trivet_collectors.policy.poller import BACK_OFF_MAX_S, RETRY_AFTER_MAX_S, next_wait_s
from trivet_collectors.policy.transport import Failed, retry_after_s

Start = Callable[..., PolicyClient]


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    return tmp_path / "policy.json"


@pytest.fixture
def start(server: OfrepServer, state_path: Path) -> Iterator[Start]:
    """Starts a client of `server` that polls fast; stops it after the test."""
    clients = []

    def start(
        api_key: str = KEY, *, poll_interval_s: float = 0.05, stale_after_s: float = 0.4, **more: float
    ) -> PolicyClient:
        client = PolicyClient(
            server.url, api_key, "demo-1", state_path, poll_interval_s, stale_after_s=stale_after_s, **more
        )
        clients.append(client)
        client.start()
        return client

    yield start
    server.release.set()
    for client in clients:
        client.stop()


def level(client: PolicyClient) -> object:
    return client.policy(tenant="acme", scenario="support-chat")["degrade.level"]


class TestFollowing:
    def test_is_under_the_policy_from_the_first_call_on(self, server: OfrepServer, start: Start) -> None:
        server.document = document(generation=4, level=2, flags={"output.max_tokens": 256})
        policy = start().policy(tenant="acme", scenario="support-chat")
        assert (policy["degrade.level"], policy["policy.generation"], policy["output.max_tokens"]) == (2, 4, 256)

    def test_takes_a_change_at_the_next_poll(self, server: OfrepServer, start: Start) -> None:
        client = start()
        assert level(client) == 0
        server.document = document(generation=2, level=3)
        eventually(lambda: level(client) == 3)

    def test_proves_what_it_holds_with_the_etag(self, server: OfrepServer, start: Start) -> None:
        client = start()
        eventually(lambda: 304 in server.statuses)
        assert "If-None-Match" not in server.requests[0]["headers"]
        assert server.requests[1]["headers"]["If-None-Match"] == server.etag == client.status().etag

    def test_confirms_a_change_without_waiting_for_the_interval(self, server: OfrepServer, start: Start) -> None:
        start(poll_interval_s=30.0)
        eventually(lambda: server.statuses == [200, 304], within_s=2.0)

    def test_does_not_run_wild_when_the_etag_never_settles(self, server: OfrepServer, start: Start) -> None:
        client = start(poll_interval_s=0.2)
        for generation in range(2, 40):
            server.document = document(generation=generation)
            time.sleep(0.02)
        assert len(server.requests) <= 2 * (0.8 / 0.2) + 4
        assert client.status().phase == "following"

    def test_sends_the_key_and_the_backend_and_no_targeting_key(self, server: OfrepServer, start: Start) -> None:
        start()
        assert server.requests[0]["headers"]["Authorization"] == f"Bearer {KEY}"
        assert server.requests[0]["body"] == {"context": {"backend": "demo-1"}}

    def test_extends_the_time_limit_from_the_header_of_a_304(self, server: OfrepServer, start: Start) -> None:
        client = start()
        far = rfc3339(datetime.now(UTC) + timedelta(hours=2))
        server.valid_for = timedelta(hours=2, seconds=1)
        eventually(lambda: (client.situation.document or {})["valid_until"] > far)
        assert set(server.statuses[1:]) == {304}

    def test_takes_what_the_server_says_even_where_a_generation_went_back(
        self, server: OfrepServer, start: Start, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.document = document(generation=9, level=3)
        client = start()
        server.document = document(generation=4, level=1)
        eventually(lambda: level(client) == 1)
        assert "went back for support-chat" in caplog.text

    def test_says_on_a_span_what_the_call_ran_under(self, server: OfrepServer, start: Start) -> None:
        server.document = document(generation=4, level=2)
        client = start()
        said = {"trivet.policy.revision": 2, "trivet.policy.generation": 4, "trivet.degrade.level": 2}
        assert client.span_attributes(tenant="acme", scenario="support-chat") == said
        assert attributes_of(client.policy(tenant="acme", scenario="support-chat")) == said

    def test_says_when_it_last_heard(self, server: OfrepServer, start: Start) -> None:
        status = start().status()
        assert (status.phase, status.stale, status.failures, status.problem) == ("following", False, 0, None)
        assert status.last_contact_at is not None
        assert datetime.now(UTC) - status.last_contact_at < timedelta(seconds=5)


class TestAServerInTrouble:
    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            (Said(503), "HTTP 503"),
            (Said(500), "HTTP 500"),
            (Said(404), "HTTP 404"),
            (Said(302, {"Location": "http://127.0.0.1:9/"}), "HTTP 302"),
            (Said(200, {"ETag": '"bad"'}, b"{not json"), "not a bulk OFREP answer"),
            (Said(200, {"ETag": '"bad"'}, b"[" * 50_000), "not a bulk OFREP answer"),
            (Said(200, {"ETag": '"bad"'}, b'{"flags": []}'), "no flag `policy`"),
            (
                Said(200, {"ETag": '"bad"'}, b'{"flags": [{"key": "policy", "errorCode": "GENERAL"}]}'),
                "not a bulk OFREP",
            ),
            (
                Said(200, {"ETag": '"bad"'}, b'{"flags": [{"key": "policy", "value": {"scenarios": 7}}]}'),
                "not an object",
            ),
            (Said(200, {"ETag": '"bad"', "Content-Encoding": "gzip"}, b"not gzip"), "DecodingError"),
        ],
    )
    def test_leaves_the_last_state_and_its_etag_in_place(
        self, server: OfrepServer, start: Start, said: Said, problem: str
    ) -> None:
        server.document = document(generation=4, level=2)
        client = start()
        etag = client.status().etag
        server.script.extend([said] * 1000)
        eventually(lambda: client.status().phase == "failing")
        assert problem in (client.status().problem or "")
        assert (level(client), client.status().etag) == (2, etag)
        server.script.clear()
        eventually(lambda: client.status().phase == "following")
        assert client.status().problem is None

    def test_is_asked_ever_less_often(self, server: OfrepServer, start: Start) -> None:
        client = start()
        server.script.extend([Said(503)] * 1000)
        time.sleep(1.5)
        # 0.05 s doubling, jittered to no less than half: at most 0.05 + 0.1 + 0.2 + 0.4 + 0.8 s in.
        assert 3 <= client.status().failures <= 7

    def test_becomes_stale_and_fresh_again(self, server: OfrepServer, start: Start) -> None:
        client = start()
        events: list[str] = []
        client.listen(events.append)
        server.script.extend([Said(503)] * 6)
        eventually(lambda: client.stale)
        eventually(lambda: not client.stale, within_s=10.0)
        eventually(lambda: events == ["stale", "fresh"])

    @pytest.mark.parametrize("status", [429, 503])
    def test_is_left_alone_for_as_long_as_it_asks(self, server: OfrepServer, start: Start, status: int) -> None:
        start()
        eventually(lambda: 304 in server.statuses)
        server.script.append(Said(status, {"Retry-After": "1"}))
        eventually(lambda: status in server.statuses)
        asked = time.monotonic()
        count = len(server.requests)
        eventually(lambda: len(server.requests) > count)
        assert 0.95 <= time.monotonic() - asked < 10

    def test_that_hangs_is_given_up_on_and_the_last_state_stays(self, server: OfrepServer, start: Start) -> None:
        server.document = document(level=2)
        client = start(timeout_s=0.2)
        server.script.append(Said(200, hold_s=30.0))
        eventually(lambda: "Timeout" in (client.status().problem or ""))
        assert level(client) == 2

    def test_that_drips_is_given_up_on(self, server: OfrepServer, start: Start) -> None:
        client = start(timeout_s=0.3)
        server.script.append(Said(200, body=b" " * 1000, drip_s=0.05))
        eventually(lambda: "not complete after 0.3 s" in (client.status().problem or ""))

    def test_that_says_too_much_is_not_heard_out(
        self, server: OfrepServer, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = start()
        monkeypatch.setattr(transport, "ANSWER_BYTES_MAX", 10_000)
        server.script.extend([Said(200, {"ETag": '"big"'}, b" " * 10_001)] * 1000)
        eventually(lambda: "larger than 10000 bytes" in (client.status().problem or ""))

    def test_that_hangs_at_the_start_does_not_keep_the_backend_from_starting(
        self, server: OfrepServer, start: Start
    ) -> None:
        server.script.append(Said(200, hold_s=30.0))
        before = time.monotonic()
        client = start(timeout_s=20.0)
        assert 1.9 <= time.monotonic() - before < 15
        assert client.policy(scenario="support-chat") == DEFAULTS

    def test_that_says_304_to_who_holds_nothing_is_not_believed(self, server: OfrepServer, start: Start) -> None:
        server.script.extend([Said(304)] * 1000)
        client = start()
        assert client.status().problem == "HTTP 304 though nothing is held"
        server.script.clear()
        eventually(lambda: client.status().phase == "following")

    @pytest.mark.parametrize("header", ["tomorrow", "2026-11-21T09:00:00", ""])
    def test_whose_time_limit_cannot_be_read_leaves_the_old_one(
        self, server: OfrepServer, start: Start, header: str
    ) -> None:
        client = start()
        server.script.extend([Said(304, {"Trivet-Valid-Until": header})] * 1000)
        polls = len(server.requests)
        eventually(lambda: len(server.requests) >= polls + 3)
        before = client.situation.document
        eventually(lambda: len(server.requests) >= polls + 6)
        assert client.situation.document == before
        assert client.status().phase == "following"

    @pytest.mark.parametrize("status", [401, 403])
    def test_that_denies_the_key_is_not_asked_again_and_that_is_said(
        self, server: OfrepServer, start: Start, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.document = document(level=2)
        client = start()
        server.script.append(Said(status))
        eventually(lambda: client.status().phase == "denied")
        count = len(server.requests)
        time.sleep(0.3)
        assert len(server.requests) == count
        assert level(client) == 2
        assert f"HTTP {status}" in (client.status().problem or "")
        assert [r.levelno for r in caplog.records if "polling stopped" in r.message] == [logging.ERROR]
        eventually(lambda: client.stale)

    def test_does_not_fill_the_log(self, server: OfrepServer, start: Start, caplog: pytest.LogCaptureFixture) -> None:
        client = start()
        server.script.extend([Said(503)] * 4)
        eventually(lambda: client.status().failures >= 3)
        assert len([r for r in caplog.records if r.name == "trivet.policy"]) == 1


class TestARestart:
    def test_without_trivet_starts_from_the_state_on_disk(self, server: OfrepServer, start: Start) -> None:
        server.document = document(generation=5, level=2, fallback={"level": 1, "flags": {}})
        start().stop()
        server.script.extend([Said(503)] * 1000)
        client = start()
        assert (level(client), client.stale) == (2, True)

    def test_without_trivet_falls_to_the_fallback_once_the_time_limit_is_reached(
        self, server: OfrepServer, start: Start
    ) -> None:
        server.document = document(generation=5, level=2, fallback={"level": 1, "flags": {"tools.mode": "off"}})
        server.valid_for = timedelta(seconds=1)
        start().stop()
        server.script.extend([Said(503)] * 1000)
        client = start()
        assert level(client) == 2
        eventually(lambda: level(client) == 1)
        assert client.policy(scenario="support-chat")["tools.mode"] == "off"
        server.script.clear()  # and Trivet is back
        eventually(lambda: level(client) == 2, within_s=10.0)

    def test_tells_the_server_at_once_what_it_still_holds(self, server: OfrepServer, start: Start) -> None:
        start().stop()
        count = len(server.requests)
        start()
        assert server.requests[count]["headers"]["If-None-Match"] == server.etag
        assert server.requests[count]["status"] == 304

    def test_in_good_order_loses_nothing_of_the_time_limit(
        self, server: OfrepServer, start: Start, state_path: Path
    ) -> None:
        client = start()
        eventually(lambda: server.statuses.count(304) >= 3)
        client.stop()
        assert client.situation.document == json.loads(state_path.read_text())["document"]

    def test_with_a_corrupt_file_asks_anew(self, server: OfrepServer, start: Start, state_path: Path) -> None:
        server.document = document(level=2)
        start().stop()
        state_path.write_text("{half a")
        count = len(server.requests)
        client = start()
        assert server.requests[count]["status"] == 200
        assert level(client) == 2
        assert json.loads(state_path.read_text())["document"]["scenarios"] == server.document["scenarios"]

    def test_on_a_new_machine_without_trivet_has_the_defaults(self, server: OfrepServer, start: Start) -> None:
        server.script.extend([Said(503)] * 1000)
        assert start().policy(tenant="acme", scenario="support-chat") == DEFAULTS

    def test_of_the_client_itself_goes_on(self, server: OfrepServer, start: Start) -> None:
        client = start()
        client.stop()
        assert (client.stale, client.status().phase) == (True, "stopped")
        client.start()
        client.start()
        assert (client.stale, client.status().phase) == (False, "following")


class TestTheWaitBetweenPolls:
    @given(st.integers(0, 10_000), st.floats(0, 0.999), st.floats(0.1, 10), st.none() | st.floats(0, 1e9))
    def test_is_bounded_whatever_the_server_wishes(
        self, failures: int, share: float, interval_s: float, retry: float | None
    ) -> None:
        wait_s = next_wait_s(Failed("x", retry), interval_s=interval_s, failures=failures, share=share)
        assert interval_s / 2 <= wait_s <= max(BACK_OFF_MAX_S, 1.1 * RETRY_AFTER_MAX_S)

    @given(st.integers(0, 100), st.floats(0, 0.999), st.floats(0, RETRY_AFTER_MAX_S))
    def test_is_never_shorter_than_asked_for(self, failures: int, share: float, retry: float) -> None:
        assert next_wait_s(Failed("x", retry), interval_s=1.0, failures=failures, share=share) >= retry

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("7", 7.0), ("Sat, 21 Nov 2026 07:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 06:00:00 GMT", 0.0), ("soon", None)],
    )
    def test_reads_seconds_and_dates(self, header: str, seconds: float | None) -> None:
        assert retry_after_s(header, datetime(2026, 11, 21, 7, 0, tzinfo=UTC)) == seconds
