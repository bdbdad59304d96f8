"""Who trickles, who sends much, and who reads much: none of them keeps another's exports out."""

import asyncio
import gzip
import http.client
import random
import select
import socket
import threading
import tracemalloc
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import anyio
import pytest
from google.rpc.status_pb2 import Status
from sqlalchemy import text
from tests.support.otlp import JSON, PROTOBUF, as_json, body, export, span

from trivet import db
from trivet.ingest import service
from trivet.ingest.errors import BodyTooLarge, TooSlow
from trivet.ingest.line import body as bodies
from trivet.ingest.line import bounds, gate
from trivet.settings import get_settings

MIB = 1 << 20


def head(key, length, path="/v1/traces"):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "Content-Type: application/x-protobuf", "", ""]).encode()


def status_of(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status


@pytest.mark.timeout(120)
class TestTricklingConnections:
    def test_of_one_tenant_hold_up_nobody_else(self, server, make_key):
        mean, other = (make_key(["ingest"], tenant=t) for t in ("mean", "other"))
        at = urlsplit(server)
        with ExitStack() as open_:

            def connect():
                return open_.enter_context(closing(socket.create_connection((at.hostname, at.port))))

            slow = [connect() for _ in range(gate.BODIES_EACH + 1)]
            for connection in slow:
                connection.sendall(head(mean, 1000) + b"\x0a")
            [refused], _, _ = select.select(slow, [], [], 30)  # one over its share: the others are being read
            assert status_of(refused) == 503
            fast, content = connect(), body(span())
            fast.sendall(head(other, len(content)) + content)
            assert status_of(fast) == 200
            ended, _, _ = select.select([each for each in slow if each is not refused], [], [], 0)
            assert ended == []  # it was answered while the others were still being read

    def test_are_ended_after_a_while(self, monkeypatch):
        monkeypatch.setattr(bodies, "PATIENCE_S", 0.05)
        pieces = iter([{"type": "http.request", "body": b"x", "more_body": True}])

        async def receive():
            piece = next(pieces, None)
            if piece is None:
                await anyio.sleep_forever()
            return piece

        with pytest.raises(TooSlow) as ended:
            anyio.run(bodies.read, {}, receive, 100, lambda size: None)
        assert (ended.value.status, ended.value.retry_after_s) == (503, 2)


class TestShares:
    def test_of_a_sender_end_where_the_others_begin(self):
        with ExitStack() as held:
            for _ in range(gate.BODIES_EACH):
                held.enter_context(gate.body("a", 8 * MIB, MIB))
            with pytest.raises(gate.Busy), gate.body("a", 8 * MIB, MIB):
                pass
            with gate.body("b", 8 * MIB, MIB) as grow:
                grow(MIB)
        with gate.body("a", 8 * MIB, MIB):
            pass

    def test_of_bytes_too(self):
        with gate.body("a", 8 * MIB, MIB) as first, gate.body("a", 8 * MIB, MIB) as second:
            first(MIB)
            second(MIB)
            with pytest.raises(gate.Busy):
                second(1)
            with gate.body("b", 8 * MIB, MIB) as other:
                other(2 * MIB)
        with gate.body("a", 8 * MIB, MIB) as after:
            after(2 * MIB)

    def test_hold_one_whole_body_at_least(self):
        with gate.body("a", 3 * MIB, 2 * MIB) as grow:
            grow(2 * MIB)

    def test_end_together_where_the_memory_does(self):
        with ExitStack() as held:
            for sender in "abcd":
                held.enter_context(gate.body(sender, 8 * MIB, MIB))(2 * MIB)
            with gate.body("e", 8 * MIB, MIB) as grow, pytest.raises(gate.Busy):
                grow(1)
            for n in range(gate.BODIES_MAX - 4):
                held.enter_context(gate.body(f"s{n}", 8 * MIB, MIB))
            with pytest.raises(gate.Busy), gate.body("e", 8 * MIB, MIB):
                pass

    def test_a_body_over_its_share_is_503_and_another_may_come(self, sender, key, monkeypatch):
        monkeypatch.setattr(gate, "BODIES_EACH", 0)
        answer = sender.post("/v1/traces", content=body(span()), headers=key | PROTOBUF)
        assert (answer.status_code, Status.FromString(answer.content).code) == (503, 14)
        assert int(answer.headers["retry-after"]) > 0
        monkeypatch.undo()
        get_settings.cache_clear()


class TestBombs:
    def test_twenty_at_once_take_memory_for_a_step_each_and_are_refused(self):
        bomb = gzip.compress(bytes(64 * MIB))

        async def once():
            yield bomb

        async def inflate(grow):
            await bodies.inflate(once(), bodies.WINDOW["gzip"], 8 * MIB, grow)

        async def main():
            with ExitStack() as held:
                grows = [held.enter_context(gate.body(f"s{n}", 256 * MIB, 8 * MIB)) for n in range(20)]
                return await asyncio.gather(*map(inflate, grows), return_exceptions=True)

        tracemalloc.start()
        try:
            refused = anyio.run(main)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert [type(error) for error in refused] == [BodyTooLarge] * 20
        assert peak < 20 * 2 * MIB  # kept until they were too large, they would have taken 160

    @pytest.mark.parametrize("cut", [None, 1_000], ids=["one member", "two members"])
    def test_a_body_of_many_steps_that_is_within_the_limit_comes_out_whole(self, cut):
        whole = random.Random(20261121).randbytes(3 * MIB) + bytes(2 * MIB)
        packed = b"".join(gzip.compress(part) for part in ([whole] if cut is None else [whole[:cut], whole[cut:]]))
        kept = []

        async def pieces():
            for at in range(0, len(packed), 100_000):
                yield packed[at : at + 100_000]

        async def main():
            return await bodies.inflate(pieces(), bodies.WINDOW["gzip"], 8 * MIB, kept.append)

        assert anyio.run(main) == whole
        assert sum(kept) == len(packed) + len(whole)  # both forms are held


class TestLargeBodies:
    def test_have_few_places_and_leave_the_others_to_small_ones(self, monkeypatch):
        monkeypatch.setattr(gate, "PATIENCE_S", 0.01)
        monkeypatch.setenv("TRIVET_OTLP_CONCURRENT_EXPORTS", "8")
        get_settings.cache_clear()

        async def main():
            async with gate.place(gate.LARGE_BYTES + 1), gate.place(gate.LARGE_BYTES + 1):
                with pytest.raises(gate.Busy):
                    async with gate.place(gate.LARGE_BYTES + 1):
                        pass
                async with gate.place(gate.LARGE_BYTES):
                    pass
            async with gate.place(gate.LARGE_BYTES + 1):
                pass

        anyio.run(main)
        monkeypatch.undo()
        get_settings.cache_clear()


@pytest.mark.timeout(60)
class TestSlowReports:
    def test_that_take_every_connection_leave_ingest_its_own(self, client, make_key):
        headers = {"Authorization": f"Bearer {make_key(['ingest'])}"} | PROTOBUF
        pool = db.engine().pool
        with ExitStack() as busy:
            for _ in range(pool.size() + pool._max_overflow):
                busy.enter_context(db.engine().connect()).execute(text("SELECT 1"))
            assert client.post("/v1/traces", content=body(span()), headers=headers).status_code == 200

    def test_that_take_every_thread_leave_ingest_its_own(self, client, make_key):
        headers = {"Authorization": f"Bearer {make_key(['ingest'])}"} | PROTOBUF
        holders = [object() for _ in range(40)]

        async def take():
            limiter = anyio.to_thread.current_default_thread_limiter()
            assert limiter.total_tokens == len(holders)
            for holder in holders:
                limiter.acquire_on_behalf_of_nowait(holder)

        async def leave():
            for holder in holders:
                anyio.to_thread.current_default_thread_limiter().release_on_behalf_of(holder)

        client.portal.call(take)
        try:
            assert client.post("/v1/traces", content=body(span()), headers=headers).status_code == 200
        finally:
            client.portal.call(leave)


class TestASmallBody:
    """Read in the event loop, where it keeps everybody else waiting: so only where that is over at once."""

    @pytest.fixture
    def threads(self, monkeypatch):
        """The names of the threads in which bodies were read."""
        seen, read = [], service._read

        def watched(*given):
            seen.append(threading.current_thread().name)
            return read(*given)

        monkeypatch.setattr(service, "_read", watched)
        return seen

    def test_of_common_spans_is_read_in_the_loop(self, client, admin, threads):
        made = export(*(span() for _ in range(20)))
        for content, media_type in ((made.SerializeToString(), PROTOBUF), (as_json(made), JSON)):
            assert len(content) < bounds.SMALL_BYTES
            assert client.post("/v1/traces", content=content, headers=admin | media_type).status_code == 200
        assert not [name for name in threads if name.startswith("ingest")]
        assert len(threads) == 2

    def test_of_thousands_of_empty_spans_is_not(self, client, admin, threads):
        many = body(*(({}, {}) for _ in range(10_000)))
        many_json = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([b"{}"] * 20_000) + b"]}]}]}"
        for content, media_type in ((many, PROTOBUF), (many_json, JSON)):
            assert len(content) < bounds.SMALL_BYTES
            assert client.post("/v1/traces", content=content, headers=admin | media_type).status_code == 200
        assert [name.split("_")[0] for name in threads] == ["ingest", "ingest"]
