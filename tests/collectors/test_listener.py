"""The stream of events as a client takes it: cut up anyhow, silent, lost, refused; polling goes on whatever becomes of it."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collectors.ofrep_server import KEY, OfrepServer, Said, document, eventually

from trivet_collectors.policy import listener, poller
from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.listener import NO_STREAM_S, RETRY_AFTER_MAX_S, is_news, wait_s
from trivet_collectors.policy.stream import HELD_BYTES_MAX, Message, Messages, TooLongError

NEWS = b'id: "b"\nevent: message\ndata: {"type": "refetchEvaluation", "etag": "b"}\n\n'


class TestMessages:
    def test_have_data_over_several_lines_and_the_id_said_last(self) -> None:
        told = b"retry: 1500\n\n: comment\nid: 1\ndata: a\ndata:b\n\nevent: x\nid\ndata\n\ndata: never ended"
        stream = Messages()
        assert stream.feed(told) == [Message("a\nb", "1"), Message("", "")]
        assert stream.retry_s == 1.5

    @pytest.mark.parametrize(("said", "s"), [("0", 0.1), ("9" * 30, 300.0), ("-1", None), ("1.5", None), ("٣", None)])
    def test_wish_of_when_to_come_back_is_bounded(self, said: str, s: float | None) -> None:
        stream = Messages()
        stream.feed(f"retry: {said}\n".encode())
        assert stream.retry_s == s

    @given(st.lists(st.sampled_from(["data: x", "id: 7", ": c", "", "data: é", "event: e"]), max_size=30), st.data())
    def test_are_the_same_however_the_bytes_were_cut_and_lines_end(self, lines: list[str], data: st.DataObject) -> None:
        plain = "".join(line + "\n" for line in lines)
        ends = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
        raw = "".join(line + ends for line in lines).encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
        stream, found = Messages(), []
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            found += stream.feed(raw[start:end])
        found += stream.feed(b"\n") if ends == "\r" and lines and not lines[-1] else []
        assert found == Messages().feed(plain.encode())

    def test_without_end_are_not_waited_for(self) -> None:
        with pytest.raises(TooLongError):
            Messages().feed(b"data: " + b"x" * HELD_BYTES_MAX)
        with pytest.raises(TooLongError):
            Messages().feed((b"data: " + b"x" * 100 + b"\n") * (HELD_BYTES_MAX // 100 + 1))

    @pytest.mark.parametrize("data", ["", "{", "[1]", "7", '{"type": "other"}', "{}", "[" * 100_000])
    def test_of_types_that_nobody_knows_are_no_news(self, data: str) -> None:
        assert not is_news(data)
        assert is_news('{"type": "refetchEvaluation"}')


class TestTheWaitUntilTheNextStream:
    @pytest.mark.parametrize("status", [401, 403, 404, 405])
    def test_is_long_where_the_server_serves_none(self, status: int) -> None:
        assert wait_s(status, None, failures=1, share=0.5) == NO_STREAM_S

    @given(st.sampled_from([None, 200, 408, 429, 500, 503]), st.integers(0, 10_000), st.floats(0, 0.999))
    def test_grows_and_is_bounded(self, status: int | None, failures: int, share: float) -> None:
        assert 0.5 <= wait_s(status, None, failures=failures, share=share) <= 30

    @given(st.floats(0, 1e9), st.integers(0, 100), st.floats(0, 0.999))
    def test_is_never_shorter_than_asked_for_nor_without_bound(
        self, wish_s: float, failures: int, share: float
    ) -> None:
        waited = wait_s(503, wish_s, failures=failures, share=share)
        assert min(wish_s, RETRY_AFTER_MAX_S) <= waited <= 1.1 * RETRY_AFTER_MAX_S


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are minutes for people are moments here."""
    monkeypatch.setattr(listener, "BACK_OFF_S", (0.05, 0.1))
    monkeypatch.setattr(listener, "SILENT_S", 0.3)
    monkeypatch.setattr(poller, "DENIED_S", 0.1)


@pytest.fixture
def client(server: OfrepServer, fast: None) -> Iterator[PolicyClient]:
    server.streams = True
    made = PolicyClient(server.url, KEY, "demo-1", None, poll_interval_s=0.05)
    yield made
    server.release.set()
    made.stop()


def level(client: PolicyClient) -> object:
    return client.policy(tenant="acme", scenario="support-chat")["degrade.level"]


class TestAClientThatListens:
    def test_polls_at_once_when_there_is_news_and_seldom_otherwise(
        self, server: OfrepServer, client: PolicyClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listener, "SILENT_S", 20.0)
        client.start()
        eventually(lambda: client.status().listening)
        polls = settled(server)
        assert polls == len(server.requests)
        server.document = document(generation=2, level=3)
        server.say(NEWS)
        eventually(lambda: level(client) == 3, within_s=5)
        eventually(lambda: server.statuses[polls:] == [200, 304])

    def test_says_what_it_holds_so_that_it_is_told_only_what_is_new(
        self, server: OfrepServer, client: PolicyClient
    ) -> None:
        client.start()
        eventually(lambda: len(server.listened) >= 2)  # the first was silent for too long
        assert server.listened[-1]["Last-Event-ID"] == server.etag
        assert server.listened[-1]["Authorization"] == f"Bearer {KEY}"

    def test_polls_as_before_when_the_stream_is_lost_and_listens_again(
        self, server: OfrepServer, client: PolicyClient
    ) -> None:
        server.streams = False
        client.start()
        eventually(lambda: len(server.requests) >= 5)
        assert not client.status().listening
        server.document = document(generation=2, level=2)
        eventually(lambda: level(client) == 2)

    def test_stops_at_once_though_nothing_is_said(self, server: OfrepServer, client: PolicyClient) -> None:
        client.start()
        eventually(lambda: client.status().listening)
        began = time.monotonic()
        client.stop()
        assert time.monotonic() - began < 4
        assert not [t for t in threading.enumerate() if t.name.startswith("trivet-policy")]


class TestADeniedKey:
    def test_is_tried_again_by_and_by_so_that_nobody_must_restart_a_backend(
        self, server: OfrepServer, client: PolicyClient
    ) -> None:
        heard: list[str] = []
        client.listen(heard.append)
        server.script.extend([Said(401)] * 3)
        client.start()
        eventually(lambda: client.status().phase == "following")
        assert heard[:1] == ["denied"]
        assert "fresh" in heard and heard.count("denied") == 1


def settled(server: OfrepServer) -> int:
    """How many polls there were once a while passed without one."""
    while True:
        count = len(server.requests)
        time.sleep(0.3)
        if count == len(server.requests):
            return count


def test_news_is_what_the_protocol_says() -> None:
    (message,) = Messages().feed(NEWS)
    assert (is_news(message.data), message.id, json.loads(message.data)["etag"]) == (True, '"b"', "b")
