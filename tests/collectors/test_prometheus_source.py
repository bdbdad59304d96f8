"""Scraping: a page is bounded in size and time, and whatever is wrong with it is said in one line."""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.collectors.agent_support import Said, Server, serving
from tests.collectors.pages import at_nothing, text_of, told

from trivet_collectors.config import PrometheusConfig
from trivet_collectors.receivers.prometheus import PrometheusSource
from trivet_collectors.receivers.source import SourceError

OPENMETRICS = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="m"} 4
# TYPE vllm:generation_tokens counter
vllm:generation_tokens_total{model_name="m"} %d
vllm:generation_tokens_created{model_name="m"} 1.7e9
# EOF
"""


@pytest.fixture
def target() -> Iterator[Server]:
    with serving(Server(Said(body=text_of("vllm-0.26-made").encode()))) as target:
        yield target


def source(target: Server, **more: Any) -> PrometheusSource:
    return PrometheusSource(PrometheusConfig(url=f"{target.url}/metrics", **more))


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """One connection, whose request is read and then answered by `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65_536)
            serve(peer)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(10)
        listener.close()


def drip(peer: socket.socket, ended: threading.Event) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    with contextlib.suppress(ConnectionError):  # whoever asked has gone
        while not ended.wait(0.05):
            peer.sendall(b"a")


class TestAScrape:
    def test_says_what_the_configuration_adds(self, target: Server) -> None:
        own = {"backend": "vllm-1", "scenario": "chat", "pool": "h200-a", "model": "llama"}
        read = source(target, **own).read()
        assert {tuple(sorted(r.attributes.items())) for r in read} == {
            (
                ("gen_ai.request.model", "llama"),
                ("trivet.backend", "vllm-1"),
                ("trivet.pool", "h200-a"),
                ("trivet.scenario", "chat"),
            )
        }

    def test_finds_out_whose_page_it_is(self, target: Server) -> None:
        scraped = source(target)
        scraped.read()
        assert scraped.engine == "vllm"

    def test_finds_out_when_another_engine_serves_there(self, target: Server) -> None:
        scraped = source(target)
        scraped.read()
        target.usual = Said(body=text_of("sglang-made").encode())
        assert told(list(scraped.read()))["trivet.requests.running", "qwen3-32b"] == 7
        assert scraped.engine == "sglang"

    def test_keeps_what_it_counted_while_the_engine_says_nothing_of_its_own(self, target: Server) -> None:
        page = b'vllm:generation_tokens_total{model_name="m"} %d\n'
        scraped = source(target)
        for body in (page % 100, b"process_open_fds 9\n", page % 130):
            target.script.append(Said(body=body))
        scraped.read()
        with pytest.raises(SourceError, match="no engine is known"):
            scraped.read()
        assert told(list(scraped.read())) == {("trivet.tokens", "m", "output"): 30}

    def test_takes_a_compressed_page(self, target: Server) -> None:
        target.usual = Said(headers={"Content-Encoding": "gzip"}, body=gzip.compress(target.usual.body))
        assert len(source(target).read()) == 3
        assert "gzip" in target.asked[0]["accept-encoding"]

    def test_takes_openmetrics(self, target: Server) -> None:
        kind = {"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
        target.script += [Said(headers=kind, body=(OPENMETRICS % count).encode()) for count in (10, 25)]
        scraped = source(target)
        scraped.read()
        assert told(list(scraped.read())) == {
            ("trivet.requests.running", "m"): 4,
            ("trivet.tokens", "m", "output"): 15,
        }

    def test_gives_a_second_scrape_its_growth(self, target: Server) -> None:
        target.script.append(Said(body=at_nothing(text_of("vllm-0.26-made")).encode()))
        scraped = source(target)
        scraped.read()
        assert told(list(scraped.read()))["trivet.tokens", "llama-70b", "output"] == 1200

    def test_keeps_what_is_not_a_number_out(self, target: Server) -> None:
        target.usual = Said(
            body=b"vllm:num_requests_running NaN\nvllm:kv_cache_usage_perc +Inf\nvllm:num_requests_waiting 1\n"
        )
        assert told(list(source(target).read())) == {("trivet.requests.waiting",): 1}

    def test_shows_the_token_it_was_given(self, target: Server, tmp_path: Any) -> None:
        (tmp_path / "token").write_text("s3cret\n")
        source(target, bearer_token_file=str(tmp_path / "token")).read()
        assert target.asked[0]["authorization"] == "Bearer s3cret"


class TestAPageThatCannotBeRead:
    def problem(self, scraped: PrometheusSource) -> str:
        with pytest.raises(SourceError) as raised:
            scraped.read()
        assert "\n" not in str(raised.value)
        return str(raised.value)

    def test_is_larger_than_the_limit(self, target: Server) -> None:
        assert "larger than 2048 bytes" in self.problem(source(target, bytes_max=2048))

    def test_is_a_bomb(self, target: Server) -> None:
        target.usual = Said(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(50_000_000)))
        assert "larger than 100000 bytes" in self.problem(source(target, bytes_max=100_000))

    def test_takes_too_long(self, target: Server) -> None:
        target.usual.hold = threading.Event()
        assert "took longer than 0.2 s" in self.problem(source(target, timeout_s=0.2))
        target.usual.hold.set()

    def test_drips_its_head(self) -> None:
        ended = threading.Event()
        with listening(lambda peer: drip(peer, ended)) as port:
            scraped = PrometheusSource(PrometheusConfig(url=f"http://127.0.0.1:{port}/metrics", timeout_s=0.2))
            began = time.monotonic()
            assert "took longer than 0.2 s" in self.problem(scraped)
            assert "took longer than 0.2 s" in self.problem(scraped)  # while the first still hangs
            assert time.monotonic() - began < 5
            ended.set()

    @pytest.mark.parametrize(
        "cut",
        [
            b"Content-Length: 500\r\n\r\nvllm:generation_tokens_total 12",
            b"\r\nvllm:num_requests_running 1\nvllm:generation_tokens_total 12",
            b"Transfer-Encoding: chunked\r\n\r\n1f\r\nvllm:generation_tokens_total 1234",
            b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"vllm:generation_tokens_total 12\n", mtime=0)[:-9],
        ],
    )
    def test_is_cut_off(self, cut: bytes) -> None:
        with listening(lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + cut)) as port:
            problem = self.problem(PrometheusSource(PrometheusConfig(url=f"http://127.0.0.1:{port}/metrics")))
        assert "cut off" in problem or "IncompleteRead" in problem

    def test_is_told_of_in_a_short_line(self, target: Server) -> None:
        target.usual = Said(body=b"vllm:num_requests_running{" + b"a" * 100_000)
        assert len(self.problem(source(target))) < 300

    @pytest.mark.parametrize("body", [b"<html>hello</html>", b"\xff\xfe", b"a{b= 1\n", b"", b"# only a comment\n"])
    def test_is_no_page_of_metrics(self, target: Server, body: bytes) -> None:
        target.usual = Said(body=body)
        assert "metrics" in self.problem(source(target)) or "engine" in self.problem(source(target))

    @pytest.mark.parametrize("status", [302, 401, 404, 503])
    def test_is_an_error_or_a_redirect(self, target: Server, status: int) -> None:
        target.usual = Said(status, {"Location": target.url})
        assert f"HTTP {status}" in self.problem(source(target))
        assert len(target.asked) == 1

    def test_says_it_is_gzip_and_is_not(self, target: Server) -> None:
        target.usual = Said(headers={"Content-Encoding": "gzip"}, body=b"plain")
        assert self.problem(source(target))

    def test_is_of_an_engine_nobody_knows(self, target: Server) -> None:
        target.usual = Said(body=b"http_requests_total 5\n")
        assert "set engine to one of vllm" in self.problem(source(target))

    def test_is_not_of_the_engine_it_is_said_to_be(self, target: Server) -> None:
        assert "nothing on the page is sglang's" in self.problem(source(target, engine="sglang"))

    def test_is_not_there(self) -> None:
        with serving() as gone:
            pass
        assert "refused" in self.problem(source(gone))
