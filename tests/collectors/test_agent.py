"""The real `trivet-collector`, as its own process, between pages to scrape and a Trivet that comes and goes."""

import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collectors.agent_support import Said, Server, partly, run, running, said_until_stopped, serving, start
from tests.collectors.nvml_node import NvmlState, build_library
from tests.collectors.ofrep_server import eventually

from trivet_collectors.check import check
from trivet_collectors.config import load
from trivet_collectors.pipeline.deliver import HINTS

PAGE = 'vllm:num_requests_running{model_name="m"} 4\nvllm:generation_tokens_total{model_name="m"} %d\n'
TOKENS = "trivet.tokens"


def counting(target: Server, tokens: int) -> None:
    target.usual = Said(body=(PAGE % tokens).encode())


@pytest.fixture
def trivet() -> Iterator[Server]:
    with serving() as trivet:
        yield trivet


@pytest.fixture
def target() -> Iterator[Server]:
    with serving() as target:
        counting(target, 100)
        yield target


@pytest.fixture
def no_driver(tmp_path: Path) -> str:
    """A directory for LD_LIBRARY_PATH in which NVML is no library."""
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    return str(tmp_path)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("nvml")).parent


def configured(path: Path, trivet: Server, *targets: Server, more: str = "", receivers: str = "") -> Path:
    """A configuration with a queue on disk that reads every 50 ms and sends every 100 ms."""
    pages = "".join(
        f'[[receivers.prometheus]]\nurl = "{t.url}/metrics"\nbackend = "b{n}"\ninterval_s = 0.1\n'
        for n, t in enumerate(targets)
    )
    file = path / "agent.toml"
    file.write_text(
        f'endpoint = "{trivet.url}"\napi_key = "tvt_agent"\nhost = "gpu-7"\nsend_interval_s = 0.1\n{more}\n'
        f'[queue]\ndir = "{path / "queue"}"\n[metrics]\nport = 0\n{pages}{receivers}'
    )
    return file


def scrapes(target: Server, count: int = 2) -> None:
    """Waits for scrapes that began after now."""
    before = len(target.asked)
    eventually(lambda: len(target.asked) >= before + count, within_s=20)


class TestTheAgent:
    def test_sends_what_it_scrapes_under_its_key_and_host(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        with running(lambda: start("run", "--config", configured(tmp_path, trivet, target))) as process:
            eventually(lambda: trivet.bodies, within_s=20)
            counting(target, 130)
            eventually(lambda: trivet.total(TOKENS) == 30, within_s=20)
            assert said_until_stopped(process) == []
        assert process.returncode == 0
        assert trivet.asked[0]["authorization"] == "Bearer tvt_agent"
        running_now = {said for name, said, _ in trivet.points() if name == "trivet.requests.running"}
        assert running_now == {frozenset({("gen_ai.request.model", "m"), ("trivet.backend", "b0")})}

    def test_sends_what_it_has_before_it_ends(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        config = configured(tmp_path, trivet, target)
        config.write_text(config.read_text().replace("send_interval_s = 0.1", "send_interval_s = 300"))
        with running(lambda: start("run", "--config", config)) as process:
            scrapes(target)
            said_until_stopped(process, signal.SIGINT)
        assert process.returncode == 0
        assert trivet.points()

    def test_takes_little_time_to_end_though_nobody_answers(
        self, tmp_path: Path, trivet: Server, target: Server
    ) -> None:
        with running(lambda: start("run", "--config", configured(tmp_path, trivet, target))) as process:
            eventually(lambda: trivet.bodies, within_s=20)
            trivet.usual = Said(status=503, headers={"Retry-After": "200"})
            scrapes(target)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)  # what systemd gives it
        assert process.returncode == 0
        assert list((tmp_path / "queue").glob("*.otlp.gz"))

    def test_goes_on_with_the_others_when_one_page_is_gone(
        self, tmp_path: Path, trivet: Server, target: Server
    ) -> None:
        with serving() as second:
            counting(second, 5)
            config = configured(tmp_path, trivet, target, second)
            with running(lambda: start("run", "--config", config)) as process:
                scrapes(second)
                scrapes(target)
                second.usual = Said(status=500)
                scrapes(target, 5)
                counting(second, 8)
                eventually(lambda: trivet.total(TOKENS) == 3, within_s=20)
                gone, back = said_until_stopped(process)
        assert (
            gone
            == f"trivet-collector: prometheus 127.0.0.1:{second.port} cannot be read: HTTP 500 Internal Server Error"
        )
        assert back == f"trivet-collector: prometheus 127.0.0.1:{second.port} can be read again"

    def test_says_of_itself_how_it_does(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        config = configured(tmp_path, trivet, target)
        with serving() as free:
            port = free.port
        config.write_text(config.read_text().replace("port = 0", f"port = {port}"))
        with running(lambda: start("run", "--config", config)):
            eventually(lambda: trivet.bodies, within_s=20)
            trivet.usual = partly(2, "too_old: 2")
            count = len(trivet.bodies)
            eventually(lambda: len(trivet.bodies) >= count + 2, within_s=20)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
                page = response.read().decode()
        own = f'receiver="prometheus 127.0.0.1:{target.port}"'
        values = {name: float(value) for name, value in re.findall(r"(?m)^([^#\s].*) (\S+)$", page)}
        assert values[f"trivet_collector_up{{{own}}}"] == 1
        assert values[f'trivet_collector_rounds_total{{{own},result="ok"}}'] >= 2
        assert values[f"trivet_collector_points_total{{{own}}}"] >= 2
        assert values[f"trivet_collector_round_seconds_count{{{own}}}"] >= 2
        assert values['trivet_collector_sends_total{result="delivered"}'] >= 2
        assert values["trivet_collector_points_rejected_total"] >= 2
        assert {f"trivet_collector_queue_{what}" for what in ("bytes", "exports", "age_seconds")} <= values.keys()


class TestATrivetThatIsAway:
    def test_loses_nothing_though_the_agent_is_killed_meanwhile(self, tmp_path: Path, target: Server) -> None:
        """Killed with Trivet away, and again while the backlog is being sent: all that was put arrives, once by identity."""
        with serving() as trivet:
            pass
        config = configured(tmp_path, trivet, target)
        queue = tmp_path / "queue"
        with running(lambda: start("run", "--config", config)) as process:
            scrapes(target)
            for tokens in (110, 125, 145):
                counting(target, tokens)
                scrapes(target, 4)
            eventually(lambda: len(list(queue.glob("*.otlp.gz"))) >= 5, within_s=20)
            process.kill()
        kept = {path.name for path in queue.glob("*.otlp.gz")}
        held = threading.Event()
        trivet.script.append(Said(hold=held))
        with serving(trivet):
            with running(lambda: start("run", "--config", config)) as process:
                eventually(lambda: trivet.bodies, within_s=20)  # taken by Trivet, not yet answered
                process.kill()
            held.set()
            assert kept <= {path.name for path in queue.glob("*.otlp.gz")}
            with running(lambda: start("run", "--config", config)) as process:
                eventually(lambda: not kept & {path.name for path in queue.glob("*.otlp.gz")}, within_s=20)
                said_until_stopped(process)
        assert trivet.bodies[0] == trivet.bodies[1]  # sent twice, the same bytes
        assert trivet.total(TOKENS) == 45

    def test_is_waited_for_and_told_all_of_it(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        trivet.usual = Said(status=503)
        with running(lambda: start("run", "--config", configured(tmp_path, trivet, target))) as process:
            scrapes(target)
            counting(target, 107)
            scrapes(target, 4)
            trivet.usual = Said()
            eventually(lambda: trivet.total(TOKENS) == 7, within_s=20)
            failed, again = said_until_stopped(process)
        assert "delivery failed, what is read waits until it works again: HTTP 503" in failed
        assert "delivery works again" in again


class TestANodeWithoutADriver:
    def test_warns_and_reads_the_other_sources(
        self, tmp_path: Path, trivet: Server, target: Server, no_driver: str
    ) -> None:
        config = configured(tmp_path, trivet, target, receivers="[[receivers.nvml]]\ninterval_s = 0.1\n")
        with running(lambda: start("run", "--config", config, LD_LIBRARY_PATH=no_driver)) as process:
            eventually(lambda: trivet.bodies, within_s=20)
            (line,) = said_until_stopped(process)
        assert "nvml cannot be read: no usable NVIDIA driver" in line
        assert process.returncode == 0

    def test_is_no_hindrance_to_one_with_cards_and_pages(
        self, tmp_path: Path, trivet: Server, target: Server, library: Path
    ) -> None:
        config = configured(tmp_path, trivet, target, receivers="[[receivers.nvml]]\ninterval_s = 0.1\n")
        more = {**NvmlState(tmp_path).environment, "LD_LIBRARY_PATH": str(library)}
        with running(lambda: start("run", "--config", config, **more)):
            eventually(
                lambda: {"hw.power", "trivet.requests.running"} <= {name for name, _, _ in trivet.points()}, within_s=20
            )


class TestCheck:
    def test_tries_the_address_and_each_source(
        self, tmp_path: Path, trivet: Server, target: Server, no_driver: str
    ) -> None:
        with serving() as gone:
            pass
        config = configured(tmp_path, trivet, target, gone, receivers="[[receivers.nvml]]\n")
        done = run("run", "--config", config, "--check", LD_LIBRARY_PATH=no_driver)
        address, queue, cards, page, missing = done.stdout.splitlines()
        assert queue == f"queue {tmp_path / 'queue'}: can be written"
        assert address == f"endpoint {trivet.url}/v1/metrics: takes metrics with this key"
        assert cards.startswith("nvml: no usable NVIDIA driver")
        assert page == f"prometheus 127.0.0.1:{target.port}: vllm, 1 readings"
        assert "refused" in missing
        assert done.returncode == 1
        assert trivet.points() == {}

    def test_is_well_when_all_of_it_is(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        assert all(line.well for line in check(load(configured(tmp_path, trivet, target)), {}))

    def test_says_when_the_key_is_not_taken(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        trivet.usual = Said(status=401)
        address, *_ = check(load(configured(tmp_path, trivet, target)), {})
        assert (address.well, address.text) == (
            False,
            f"endpoint {trivet.url}/v1/metrics: HTTP 401 Unauthorized: {HINTS[401]}",
        )

    def test_says_when_the_queue_cannot_be_kept(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        (tmp_path / "queue").write_text("a file")
        _, queue, _ = check(load(configured(tmp_path, trivet, target)), {})
        there = tmp_path / "queue"
        assert (queue.well, queue.text) == (
            False,
            f"queue {there}: {there} is no directory that this user may write",
        )


class TestAKey:
    def test_that_is_changed_in_its_file_is_taken_up_with_what_waited(
        self, tmp_path: Path, trivet: Server, target: Server
    ) -> None:
        trivet.usual = Said(status=401)
        key = tmp_path / "key"
        key.write_text("tvt_old")
        config = configured(tmp_path, trivet, target, more=f'api_key_file = "{key}"')
        config.write_text(config.read_text().replace('api_key = "tvt_agent"\n', ""))
        with running(lambda: start("run", "--config", config)) as agent:
            eventually(lambda: trivet.asked, within_s=20)
            counting(target, 140)
            eventually(lambda: len(list((tmp_path / "queue").glob("*.gz"))) >= 3, within_s=20)
            key.write_text("tvt_new")
            trivet.usual = Said()
            eventually(lambda: trivet.total(TOKENS) == 40, within_s=20)
            said = said_until_stopped(agent)
        assert trivet.asked[-1]["authorization"] == "Bearer tvt_new"
        (told,) = [line for line in said if "401" in line]
        assert told.endswith(f"what is read waits until it works again: HTTP 401 Unauthorized: {HINTS[401]}")


class TestWrongUse:
    def test_ends_with_2_and_one_line(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        config = configured(tmp_path, trivet, target, more="intervall = 5")
        done = run("run", "--config", config)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert f"{config}: intervall: unknown key" in line

    def test_is_a_queue_that_another_agent_has(self, tmp_path: Path, trivet: Server, target: Server) -> None:
        config = configured(tmp_path, trivet, target)
        with running(lambda: start("run", "--config", config)):
            eventually(lambda: trivet.bodies, within_s=20)
            done = run("run", "--config", config)
        assert done.returncode == 2
        assert "in use by another agent: give each its own queue.dir" in done.stderr


class TestTheShorthandForOnePage:
    def test_reads_it_as_a_configuration_would(self, trivet: Server, target: Server) -> None:
        done = run("prometheus", f"{target.url}/metrics", "--endpoint", trivet.url, "--backend", "b", "--once")
        assert (done.returncode, done.stderr) == (0, "")
        assert {name for name, _, _ in trivet.points()} == {"trivet.requests.running"}

    def test_that_is_not_there_ends_with_1(self, trivet: Server) -> None:
        with serving() as gone:
            pass
        done = run("prometheus", f"{gone.url}/metrics", "--endpoint", trivet.url, "--once")
        assert done.returncode == 1
        assert "cannot be read" in done.stderr

    def test_with_counters_alone_says_that_once_is_not_enough(self, trivet: Server, target: Server) -> None:
        target.usual = Said(body=b"vllm:generation_tokens_total 5\n")
        done = run("prometheus", f"{target.url}/metrics", "--endpoint", trivet.url, "--once")
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "trivet-collector: nothing to send after one round: a counter's growth takes two, run it without --once"
        ]

    def test_that_is_no_address_is_wrong_use(self, trivet: Server) -> None:
        assert run("prometheus", "localhost:8000", "--endpoint", trivet.url).returncode == 2
