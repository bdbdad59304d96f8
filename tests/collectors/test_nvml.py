"""The real `trivet-collector`, in its own process, over a stand-in NVML library, sending to a real OTLP receiver."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collectors.ofrep_server import eventually
from tests.collectors.otlp_receiver import OtlpReceiver, receiving

from trivet_collectors import semconv
from trivet_collectors.receivers.gpu import DeviceSnapshot, readings

COLLECTOR = Path(sys.executable).with_name("trivet-collector")
SOURCE = Path(__file__).parent / "fake_nvml" / "nvml.c"
A, B = "GPU-aaaa", "GPU-bbbb"

TWO_GPUS = {
    "driver": "loaded",
    "version": "580.65.06",
    "order": "0,1",
    "0.uuid": A,
    "0.name": "NVIDIA H200",
    "0.minor": "0",
    "0.utilization": "37",
    "0.used": "1000",
    "0.used_v1": "1600",
    "0.total": "4000",
    "0.power": "412500",
    "0.energy": "7200000000123",
    "0.temperature": "61",
    "0.clock_sm": "1980",
    "0.clock_memory": "3201",
    "0.throttle": "0x24",
    # The second is an older board: no power, no energy, only the first kind of memory information.
    "1.uuid": B,
    "1.name": "Tesla T4",
    "1.minor": "1",
    "1.utilization": "0",
    "1.used_v1": "70",
    "1.total": "900",
    "1.power": "unsupported",
    "1.temperature": "40",
    "1.throttle": "0x1",
}


class Node:
    """A GPU node: the stand-in library, its state, and collectors running on it."""

    def __init__(self, library: Path, path: Path, receiver: OtlpReceiver) -> None:
        self.receiver = receiver
        self.log = path / "asked"
        self._state = path / "state"
        self._settings = dict(TWO_GPUS)
        self.change()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TRIVET_"))}
        self.environment = {
            **clean,
            "LD_LIBRARY_PATH": str(library),
            "FAKE_NVML_STATE": str(self._state),
            "FAKE_NVML_LOG": str(self.log),
            "TRIVET_API_KEY": "tvt_gpu",
            "NO_PROXY": "127.0.0.1",
        }
        self.processes: list[subprocess.Popen[str]] = []

    def change(self, **settings: str) -> None:
        """`gpu0_power="300000"` sets 0.power; other names are the node's."""
        for name, value in settings.items():
            self._settings[f"{name[3]}.{name[5:]}" if name.startswith("gpu") else name] = value
        fresh = self._state.with_suffix(".new")
        fresh.write_text("".join(f"{k}={v}\n" for k, v in self._settings.items()))
        fresh.replace(self._state)

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

    def follow(self, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [COLLECTOR, "nvml", "--endpoint", self.receiver.url, "--interval-s", "0.1", *options],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        eventually(lambda: self.receiver.exports or process.poll() is not None, within_s=30.0)
        return process

    def said_until_stopped(self, process: subprocess.Popen[str]) -> list[str]:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        return said.splitlines()

    def next_export(self) -> None:
        """Waits for an export that began after now: the one under way may have read before."""
        count = len(self.receiver.exports)
        eventually(lambda: len(self.receiver.exports) >= count + 2, within_s=15.0)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nvml")
    command = ["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", path / "libnvidia-ml.so.1", SOURCE]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def node(library: Path, tmp_path: Path, receiver: OtlpReceiver) -> Iterator[Node]:
    node = Node(library, tmp_path, receiver)
    yield node
    for process in node.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


class TestOneRound:
    def test_sends_every_reading_in_the_units_of_the_conventions(self, node: Node) -> None:
        done = node.collect("--host", "gpu-7", "--pool", "h200-a")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        (export,) = node.receiver.exports
        points = {p.metric: (p.value, p.unit, p.kind) for p in export.points if p.attributes["hw.id"] == A}
        del points["trivet.gpu.throttle"]
        assert points == {
            "hw.gpu.utilization": (0.37, "1", "gauge"),
            "hw.gpu.memory.usage": (1000, "By", "sum"),
            "hw.gpu.memory.limit": (4000, "By", "sum"),
            "hw.power": (412.5, "W", "gauge"),
            "hw.energy": (7_200_000_000.123, "J", "counter"),
            "hw.temperature": (61, "Cel", "gauge"),
            "trivet.gpu.clock.sm": (1980, "MHz", "gauge"),
            "trivet.gpu.clock.memory": (3201, "MHz", "gauge"),
        }
        assert all(p.cumulative for p in export.points if p.kind != "gauge")

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

    @pytest.mark.parametrize("blank", ["0xFFFFFFFF", "9223372036854775794"])
    def test_takes_a_blank_for_no_reading(self, node: Node, blank: str) -> None:
        node.change(gpu0_energy=blank, gpu1_utilization="0xFFFFFFFF")
        node.collect()
        (export,) = node.receiver.exports
        assert export.of("hw.energy", A) == export.of("hw.gpu.utilization", B) == []
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
        node.next_export()
        assert node.receiver.exports[-1].value("hw.power", A) == 300.0
        assert (node.said_until_stopped(process), process.returncode) == ([], 0)

    def test_asks_once_for_what_a_device_does_not_support(self, node: Node) -> None:
        process = node.follow()
        node.next_export()
        node.next_export()
        node.said_until_stopped(process)
        asked = node.log.read_text().splitlines()
        assert asked.count("1 power") == asked.count("1 energy") == 1
        assert asked.count("0 power") >= 4

    def test_passes_over_a_reading_that_fails_for_a_moment(self, node: Node) -> None:
        node.change(gpu0_temperature="unknown")
        node.follow()
        node.next_export()
        assert node.receiver.exports[-1].of("hw.temperature", A) == []
        node.change(gpu0_temperature="62")
        node.next_export()
        assert node.receiver.exports[-1].value("hw.temperature", A) == 62

    @pytest.mark.parametrize("signal_name", ["gpu0_handle", "gpu0_uuid", "gpu0_power"])
    def test_skips_a_gpu_that_fell_off_and_says_so_once(self, node: Node, signal_name: str) -> None:
        before = TWO_GPUS.get(signal_name.replace("gpu0_", "0."), "")
        process = node.follow()
        node.change(**{signal_name: "lost"})
        node.next_export()
        node.next_export()
        assert node.receiver.exports[-1].gpus == {B}
        node.change(**{signal_name: before})
        node.next_export()
        assert node.receiver.exports[-1].gpus == {A, B}
        lost, back = node.said_until_stopped(process)
        assert f"GPU {A} is left out" in lost
        assert "GPU is lost" in lost
        assert f"GPU {A} is back" in back

    def test_says_where_a_gpu_is_that_never_said_who_it_is(self, node: Node) -> None:
        node.change(gpu1_handle="lost")
        process = node.follow()
        (line,) = node.said_until_stopped(process)
        assert "GPU at index 1 is left out" in line

    def test_keeps_a_gpu_apart_by_its_uuid_when_the_order_changes(self, node: Node) -> None:
        process = node.follow()
        node.change(order="1,0")
        node.next_export()
        assert node.receiver.exports[-1].value("hw.power", A) == 412.5
        node.change(order="1")
        node.next_export()
        assert node.receiver.exports[-1].gpus == {B}
        (line,) = node.said_until_stopped(process)
        assert f"GPU {A} is left out until it can be read again: the driver no longer lists it" in line

    def test_is_not_held_up_by_a_gpu_that_hangs(self, node: Node) -> None:
        process = node.follow("--round-timeout-s", "0.3")
        node.change(gpu0_utilization="hang")
        node.next_export()
        asked_before = node.log.read_text().count("0 utilization")
        began = time.monotonic()
        node.next_export()
        assert time.monotonic() - began < 3.0
        assert node.log.read_text().count("0 utilization") == asked_before  # nobody queues up behind it
        assert node.receiver.exports[-1].gpus == {B}
        asked = time.monotonic()
        (line,) = node.said_until_stopped(process)
        assert f"GPU {A} is left out until it can be read again: it does not answer" in line
        assert time.monotonic() - asked < 5.0  # and a thread that hangs does not keep it from ending
        assert process.returncode == 0

    def test_finds_a_driver_that_comes_back(self, node: Node) -> None:
        process = node.follow()
        node.change(driver="unloaded")
        time.sleep(0.5)
        count = len(node.receiver.exports)
        time.sleep(0.5)
        assert len(node.receiver.exports) == count
        node.change(driver="loaded", gpu1_power="70000", version="581.0")
        node.next_export()
        export = node.receiver.exports[-1]
        assert export.gpus == {A, B}
        assert export.value("hw.power", B) == 70.0  # what the old driver did not support is asked anew
        assert export.of("hw.power", B)[0].attributes["hw.driver_version"] == "581.0"
        away, back = node.said_until_stopped(process)
        assert "no readings until the NVIDIA driver is back: Driver Not Loaded" in away
        assert "the NVIDIA driver is back" in back

    def test_ends_with_status_3_when_the_driver_was_replaced_under_it(self, node: Node) -> None:
        process = node.follow()
        node.change(driver="mismatch")
        _, said = process.communicate(timeout=30)
        assert process.returncode == 3
        assert len(said.splitlines()) == 1

    def test_says_once_that_nothing_is_delivered_and_once_that_it_is_again(self, node: Node) -> None:
        process = node.follow()
        node.receiver.status = 400
        eventually(lambda: node.receiver.refused >= 3)
        node.receiver.status = 200
        node.next_export()
        failed, again = node.said_until_stopped(process)
        assert "delivery failed" in failed
        assert "400" in failed
        assert "delivery works again" in again

    def test_counts_energy_from_where_the_driver_does(self, node: Node) -> None:
        node.follow()
        node.change(gpu0_energy="7200000001123")
        node.next_export()
        first, last = (e.value("hw.energy", A) for e in (node.receiver.exports[0], node.receiver.exports[-1]))
        assert first is not None
        assert last is not None
        assert round(last - first, 3) == 1.0


class TestASnapshot:
    def test_without_readings_sends_nothing(self) -> None:
        assert list(readings(DeviceSnapshot(uuid=A, driver_version="1"))) == []

    def test_with_a_reason_that_has_no_name_yet_says_its_bit(self) -> None:
        snapshot = DeviceSnapshot(uuid=A, driver_version="1", throttle_bits=0x8 | 1 << 12)
        held = [r.attributes["trivet.gpu.throttle.reason"] for r in readings(snapshot) if r.value]
        assert held == ["hw_slowdown", "bit_12"]
