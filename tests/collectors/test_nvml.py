"""The real `trivet-collector`, in its own process, over a stand-in NVML library, sending to a real OTLP receiver."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collectors.nvml_node import TWO_GPUS, A, B, NvmlState
from tests.collectors.ofrep_server import eventually
from tests.collectors.otlp_receiver import Export, OtlpReceiver, Point, receiving

from trivet_collectors import semconv
from trivet_collectors.receivers.gpu import throttle_reasons

COLLECTOR = Path(sys.executable).with_name("trivet-collector")
HANGS_S = 600.0  # how long the stand-in hangs where it is told to


class Node:
    """A GPU node: the stand-in library, its state, and collectors running on it."""

    def __init__(self, library: Path, path: Path, receiver: OtlpReceiver) -> None:
        self.receiver = receiver
        self.state = NvmlState(path)
        self.change = self.state.change
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TRIVET_"))}
        self.environment = {
            **clean,
            **self.state.environment,
            "LD_LIBRARY_PATH": str(library.parent),
            "TRIVET_API_KEY": "tvt_gpu",
            "NO_PROXY": "127.0.0.1",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self._said = path / "said"

    def collect(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One round, to its end."""
        return subprocess.run(
            [COLLECTOR, "nvml", "--endpoint", self.receiver.url, "--once", *options],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def follow(self, *options: str) -> subprocess.Popen[bytes]:
        """A collector that has sent what it read, two samples to an export."""
        process = self.start("--interval-s", "0.1", "--sample-interval-s", "0.05", *options)
        eventually(lambda: self.receiver.exports or process.poll() is not None, within_s=30.0)
        return process

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        with self._said.open("wb") as said:
            command = [COLLECTOR, "nvml", "--endpoint", self.receiver.url, *options]
            process = subprocess.Popen(command, env=self.environment, stderr=said)
        self.processes.append(process)
        return process

    @property
    def said(self) -> list[str]:
        return self._said.read_text().splitlines()

    def until_said(self, text: str) -> None:
        eventually(lambda: any(text in line for line in self.said), within_s=30.0)

    def said_until_stopped(self, process: subprocess.Popen[bytes]) -> list[str]:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        return self.said

    def next_export(self) -> Export:
        """The first whole export that was begun after now: the one under way may have read before."""
        count = len(self.receiver.exports)
        eventually(lambda: len(self.receiver.exports) >= count + 3, within_s=15.0)
        return self.receiver.exports[-1]

    def more_rounds(self) -> None:
        """Waits for three further samples of the first GPU."""
        before = self.state.asked("0 power")
        eventually(lambda: self.state.asked("0 power") >= before + 3, within_s=30.0)

    def all_of(self, metric: str, gpu: str) -> list[Point]:
        return [point for export in self.receiver.exports for point in export.of(metric, gpu)]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def node(nvml_library: Path, tmp_path: Path, receiver: OtlpReceiver) -> Iterator[Node]:
    node = Node(nvml_library, tmp_path, receiver)
    yield node
    for process in node.processes:
        if process.poll() is None:
            process.kill()
        process.wait()


class TestOneRound:
    def test_sends_every_reading_in_the_units_of_the_conventions(self, node: Node) -> None:
        done = node.collect("--host", "gpu-7", "--pool", "h200-a")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        (export,) = node.receiver.exports
        points = {p.metric: (p.value, p.unit, p.kind) for p in export.points if p.attributes["hw.id"] == A}
        del points["trivet.gpu.throttle"]
        assert points == {
            "hw.gpu.utilization": (0.37, "1", "samples"),
            "hw.gpu.memory.usage": (1000, "By", "samples"),
            "hw.gpu.memory.limit": (4000, "By", "samples"),
            "hw.power": (412.5, "W", "samples"),
            "hw.temperature": (61, "Cel", "samples"),
            "trivet.gpu.clock.sm": (1980, "MHz", "samples"),
            "trivet.gpu.clock.memory": (3201, "MHz", "samples"),
        }  # and no energy: one round has nothing to compare a counter with

    def test_says_which_device_host_and_pool(self, node: Node) -> None:
        node.collect("--host", "gpu-7", "--pool", "h200-a")
        (export,) = node.receiver.exports
        assert export.of("hw.power", A)[0].attributes == {
            "hw.id": A,
            "hw.name": "nvidia0",
            "hw.model": "NVIDIA H200",
            "hw.type": "gpu",
            "hw.vendor": "NVIDIA",
            "hw.driver_version": "580.65.06",
        }
        assert export.resource["host.name"] == "gpu-7"
        assert export.resource["trivet.pool"] == "h200-a"
        assert export.resource["service.name"] == "trivet-collector"

    def test_shows_its_key(self, node: Node) -> None:
        node.collect()
        (export,) = node.receiver.exports
        assert export.path == "/v1/metrics"
        assert export.headers["authorization"] == "Bearer tvt_gpu"
        assert export.headers["content-type"] == "application/x-protobuf"

    def test_leaves_out_what_a_device_cannot_read_and_keeps_a_true_zero(self, node: Node) -> None:
        node.collect()
        (export,) = node.receiver.exports
        assert export.of("hw.power", B) == export.of("hw.energy", B) == export.of("trivet.gpu.clock.sm", B) == []
        assert export.value("hw.gpu.utilization", B) == 0.0
        assert export.value("hw.gpu.memory.usage", B) == 70  # the older kind of memory information

    def test_names_the_reasons_that_hold_the_clocks_down(self, node: Node) -> None:
        node.collect()
        (export,) = node.receiver.exports
        held = {p.attributes["trivet.gpu.throttle.reason"]: p.value for p in export.of("trivet.gpu.throttle", A)}
        assert {reason for reason, holds in held.items() if holds} == {"sw_power_cap", "sw_thermal"}
        assert set(held) == set(semconv.GPU_THROTTLE_REASONS.values())

    @pytest.mark.parametrize(
        ("signal_name", "blank", "metric"),
        [
            ("gpu0_temperature", "0xFFFFFFFF", "hw.temperature"),
            ("gpu0_total", "9223372036854775794", "hw.gpu.memory.limit"),
        ],
    )
    def test_takes_a_blank_for_no_reading(self, node: Node, signal_name: str, blank: str, metric: str) -> None:
        node.change(**{signal_name: blank})
        node.collect()
        (export,) = node.receiver.exports
        assert export.of(metric, A) == []
        assert export.value("hw.power", A) == 412.5

    def test_that_is_not_delivered_ends_with_status_1_and_says_why(self, node: Node) -> None:
        node.receiver.status = 401
        done = node.collect()
        assert (done.returncode, node.receiver.refused) == (1, 1)
        assert len(done.stderr.splitlines()) == 1
        assert "delivery failed" in done.stderr
        assert "401" in done.stderr

    def test_takes_address_and_headers_from_the_opentelemetry_variables(self, node: Node) -> None:
        environment = node.environment | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": node.receiver.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20tvt_other",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_RESOURCE_ATTRIBUTES": "cloud.region=eu-1",
        }
        del environment["TRIVET_API_KEY"]
        subprocess.run([COLLECTOR, "nvml", "--once"], env=environment, check=True, timeout=60)
        (export,) = node.receiver.exports
        assert export.headers["authorization"] == "Bearer tvt_other"
        assert export.resource["cloud.region"] == "eu-1"

    def test_without_an_address_is_wrong_use(self, node: Node) -> None:
        done = subprocess.run([COLLECTOR, "nvml"], env=node.environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 2


class TestANodeWithoutADriver:
    def only_line(self, done: subprocess.CompletedProcess[str]) -> str:
        (line,) = (done.stdout + done.stderr).splitlines()
        return line

    @pytest.mark.parametrize("options", [[], ["--once"]])
    def test_is_told_so_in_one_line_and_ends_with_status_3(self, tmp_path: Path, options: list[str]) -> None:
        (tmp_path / "libnvidia-ml.so.1").write_text("no library")
        environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
        command = [COLLECTOR, "nvml", "--endpoint", "http://127.0.0.1:1", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3
        assert "install the NVIDIA driver" in self.only_line(done)

    @pytest.mark.parametrize(("driver", "hint"), [("unloaded", "modprobe nvidia"), ("mismatch", "was upgraded")])
    def test_or_with_one_that_is_not_usable_alike(self, node: Node, driver: str, hint: str) -> None:
        node.change(driver=driver)
        done = node.collect()
        assert (done.returncode, node.receiver.exports) == (3, [])
        assert hint in self.only_line(done)

    def test_or_with_no_gpu_alike(self, node: Node) -> None:
        node.change(order="")
        done = node.collect()
        assert done.returncode == 3
        assert "no GPU" in self.only_line(done)


class TestFollowingANode:
    def test_goes_on_until_it_is_told_to_stop(self, node: Node) -> None:
        process = node.follow()
        node.change(gpu0_power="300000")
        assert node.next_export().value("hw.power", A) == 300.0
        assert (node.said_until_stopped(process), process.returncode) == ([], 0)

    def test_sends_minimum_mean_and_maximum_of_many_samples(self, node: Node) -> None:
        process = node.start("--interval-s", "300", "--sample-interval-s", "0.05")
        node.more_rounds()
        node.change(gpu0_power="100000")
        node.more_rounds()
        node.said_until_stopped(process)  # what was sampled is sent before it ends
        points = node.all_of("hw.power", A)
        assert len(points) <= 2  # exports end at multiples of the interval, and this may have been such a moment
        assert sum(p.count for p in points) >= 6
        assert max(p.count for p in points) >= 3
        assert all(p.least is not None and p.most is not None and p.least <= p.value <= p.most for p in points)
        assert {end for p in points for end in (p.least, p.most)} == {100.0, 412.5}
        assert all(p.start_ns < p.end_ns for p in points)

    def test_asks_once_for_what_a_device_does_not_support(self, node: Node) -> None:
        process = node.follow()
        node.next_export()
        node.said_until_stopped(process)
        assert node.state.asked("1 power") == node.state.asked("1 energy") == 1
        assert node.state.asked("0 power") >= 4

    def test_passes_over_a_reading_that_fails_for_a_moment(self, node: Node) -> None:
        node.change(gpu0_temperature="unknown")
        node.follow()
        assert node.next_export().of("hw.temperature", A) == []
        node.change(gpu0_temperature="62")
        assert node.next_export().value("hw.temperature", A) == 62

    @pytest.mark.parametrize("signal_name", ["gpu0_handle", "gpu0_uuid", "gpu0_power"])
    def test_skips_a_gpu_that_fell_off_and_says_so_once(self, node: Node, signal_name: str) -> None:
        before = TWO_GPUS.get(signal_name.replace("gpu0_", "0."), "")
        process = node.follow()
        node.change(**{signal_name: "lost"})
        assert node.next_export().gpus == {B}
        node.change(**{signal_name: before})
        assert node.next_export().gpus == {A, B}
        lost, back = node.said_until_stopped(process)
        assert f"GPU {A} is left out" in lost
        assert "GPU is lost" in lost
        assert f"GPU {A} is back" in back

    def test_tells_what_breaks_serving_as_health_of_the_node(self, node: Node) -> None:
        process = node.follow()
        eventually(lambda: node.state.asked("0 events"), within_s=15.0)
        node.change(events="1:0:79")
        eventually(lambda: node.state.asked("0 event"), within_s=15.0)
        node.change(gpu1_handle="lost")
        node.next_export()
        node.said_until_stopped(process)
        points = [p for e in node.receiver.exports for p in e.points if p.metric == "trivet.health"]
        assert {(p.attributes["trivet.health.kind"], p.attributes["trivet.reason"]): p.value for p in points} == {
            ("xid", "xid_79"): 1,
            ("gpu_lost", "lost"): 1,
        }
        assert {(p.kind, len(p.attributes)) for p in points} == {("counter", 2)}
        (xid,) = node.all_of("trivet.gpu.xid", A)
        assert (xid.kind, xid.value, xid.attributes["trivet.gpu.xid.code"]) == ("counter", 1, "79")

    def test_says_where_a_gpu_is_that_never_said_who_it_is(self, node: Node) -> None:
        node.change(gpu1_handle="lost")
        process = node.follow()
        (line,) = node.said_until_stopped(process)
        assert "GPU at index 1 is left out" in line

    def test_keeps_a_gpu_apart_by_its_uuid_when_the_order_changes(self, node: Node) -> None:
        process = node.follow()
        node.change(order="1,0")
        assert node.next_export().value("hw.power", A) == 412.5
        node.change(order="1")
        assert node.next_export().gpus == {B}
        (line,) = node.said_until_stopped(process)
        assert f"GPU {A} is left out until it can be read again: the driver no longer lists it" in line

    def test_is_not_held_up_by_a_gpu_that_hangs(self, node: Node) -> None:
        process = node.follow("--round-timeout-s", "0.3")
        node.change(gpu0_utilization="hang")
        node.until_said("does not answer")
        asked_before = node.state.asked("0 utilization")
        began = time.monotonic()
        assert node.next_export().gpus == {B}
        assert time.monotonic() - began < HANGS_S / 10
        assert node.state.asked("0 utilization") == asked_before  # nobody queues up behind it
        asked = time.monotonic()
        (line,) = node.said_until_stopped(process)
        assert f"GPU {A} is left out until it can be read again: it does not answer" in line
        assert time.monotonic() - asked < HANGS_S / 10  # and a thread that hangs does not keep it from ending
        assert process.returncode == 0

    def test_finds_a_driver_that_comes_back(self, node: Node) -> None:
        process = node.follow()
        node.change(driver="unloaded")
        node.until_said("no readings until")
        node.change(driver="loaded", gpu1_power="70000", version="581.0")
        export = node.next_export()
        assert export.gpus == {A, B}
        assert export.value("hw.power", B) == 70.0  # what the old driver did not support is asked anew
        assert export.of("hw.power", B)[0].attributes["hw.driver_version"] == "581.0"
        away, back = node.said_until_stopped(process)
        assert "no readings until the NVIDIA driver is back: Driver Not Loaded" in away
        assert "the NVIDIA driver is back" in back

    def test_ends_with_status_3_when_the_driver_was_replaced_under_it(self, node: Node) -> None:
        process = node.follow()
        node.change(driver="mismatch")
        assert process.wait(timeout=30) == 3
        assert len(node.said) == 1

    def test_counts_energy_from_where_it_began_and_never_backwards(self, node: Node) -> None:
        process = node.follow()
        eventually(lambda: node.state.asked("0 energy") >= 2)
        for energy in ("7200000001123", "500", "2500"):  # a joule more, a driver loaded anew, two joules more
            node.change(gpu0_energy=energy)
            node.next_export()
        node.said_until_stopped(process)
        joules = [p.value for p in node.all_of("hw.energy", A)]
        assert min(joules) >= 0.0
        assert sum(joules) == pytest.approx(3.0)


class TestThrottleReasons:
    def test_without_a_name_say_their_bit(self) -> None:
        held = [v.detail["trivet.gpu.throttle.reason"] for v in throttle_reasons(0x8 | 1 << 12) if v.amount]
        assert held == ["hw_slowdown", "bit_12"]
