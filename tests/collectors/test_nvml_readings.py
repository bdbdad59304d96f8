"""What the NVML receiver reads, over the stand-in library loaded into this process."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest
from tests.collectors.nvml_node import A, B, NvmlState
from tests.collectors.ofrep_server import eventually

from trivet_collectors import semconv
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.nvml import NvmlReceiver
from trivet_collectors.receivers.nvml_events import XidWatch
from trivet_collectors.receivers.nvml_processes import names_in

M0, M1 = "MIG-0000", "MIG-1111"


@pytest.fixture
def state(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvmlState:
    ctypes.CDLL(str(nvml_library))  # pynvml asks for it by its name, and gets this one
    state = NvmlState(tmp_path)
    for name, value in state.environment.items():
        monkeypatch.setenv(name, value)
    return state


class Round:
    """The readings of one round, or of several."""

    def __init__(self, readings: list[Reading]) -> None:
        self.readings = readings

    def of(self, metric: semconv.Metric, card: str = A) -> dict[str, float]:
        """Values of a metric by what tells its series of this card apart."""
        own = [r for r in self.readings if r.metric is metric and r.attributes[semconv.HW_ID] == card]
        return {"/".join(r.attributes[k] for k in semconv.GPU_DETAILS if k in r.attributes): r.value for r in own}

    def value(self, metric: semconv.Metric, card: str = A) -> float | None:
        return self.of(metric, card).get("")

    @property
    def health(self) -> dict[tuple[str, str], float]:
        events = [r for r in self.readings if r.metric is semconv.TRIVET_HEALTH]
        return {(r.attributes["trivet.health.kind"], r.attributes["trivet.reason"]): r.value for r in events}

    @property
    def cards(self) -> set[str]:
        return {r.attributes[semconv.HW_ID] for r in self.readings if semconv.HW_ID in r.attributes}


class Reader:
    def __init__(self, receiver: NvmlReceiver) -> None:
        self._receiver = receiver

    def round(self) -> Round:
        return Round(self._receiver.read())

    def until(self, holds: Callable[[Round], bool]) -> Round:
        """Rounds until what they read together holds."""
        together = Round([])

        def told() -> bool:
            together.readings += self._receiver.read()
            return holds(together)

        eventually(told, within_s=30.0)
        return together


Open = Callable[..., Reader]


@pytest.fixture
def opened(state: NvmlState) -> Iterator[Open]:
    receivers: list[NvmlReceiver] = []

    def opened(**options: Any) -> Reader:
        receiver = NvmlReceiver(**{"slow_interval_s": 1e-6, "round_timeout_s": 30.0, **options})
        receiver.open()
        receivers.append(receiver)
        return Reader(receiver)

    yield opened
    for receiver in receivers:
        receiver.close()


@pytest.fixture
def reader(opened: Open) -> Reader:
    return opened()


class TestCounters:
    def test_have_nothing_to_be_compared_with_at_first(self, state: NvmlState, reader: Reader) -> None:
        state.change(gpu0_ecc_corrected="2", gpu0_violation_0="5")
        first = reader.round()
        assert not {r.metric.name for r in first.readings if r.metric.kind == "counter"}
        assert first.value(semconv.HW_POWER) == 412.5

    def test_of_energy_come_as_joules_since_the_last_round(self, state: NvmlState, reader: Reader) -> None:
        reader.round()
        state.change(gpu0_energy="7200000001623")
        assert reader.round().value(semconv.HW_ENERGY) == pytest.approx(1.5)
        assert reader.round().value(semconv.HW_ENERGY) == 0.0
        assert reader.round().value(semconv.HW_ENERGY, B) is None

    def test_that_began_anew_are_never_negative(self, state: NvmlState, reader: Reader) -> None:
        reader.round()
        state.change(gpu0_energy="4000")
        assert reader.round().value(semconv.HW_ENERGY) is None
        state.change(gpu0_energy="4500")
        assert reader.round().value(semconv.HW_ENERGY) == 0.5

    def test_of_throttled_time_come_in_seconds_by_policy(self, state: NvmlState, reader: Reader) -> None:
        state.change(gpu0_violation_0="1000000000", gpu0_violation_1="7")
        reader.round()
        state.change(gpu0_violation_0="3500000000")
        assert reader.round().of(semconv.TRIVET_GPU_THROTTLE_TIME) == {"power": 2.5, "thermal": 0.0}

    def test_of_memory_errors_come_by_kind(self, state: NvmlState, reader: Reader) -> None:
        state.change(gpu0_ecc_corrected="10", gpu0_ecc_uncorrected="1")
        reader.round()
        state.change(gpu0_ecc_corrected="13")
        read = reader.round()
        assert read.of(semconv.HW_ERRORS) == {"corrected": 3, "uncorrected": 0}
        assert read.of(semconv.HW_ERRORS, B) == {}  # ECC is off, which is not zero
        assert read.health == {}


class TestAHealthEvent:
    def test_is_each_uncorrected_error(self, state: NvmlState, reader: Reader) -> None:
        state.change(gpu0_ecc_uncorrected="1", gpu1_ecc_uncorrected="0")
        reader.round()
        state.change(gpu0_ecc_uncorrected="3")
        assert reader.round().health == {("ecc", "uncorrected"): 2}
        assert reader.round().health == {}

    def test_is_a_row_remap_that_is_pending_or_failed_when_it_begins(self, state: NvmlState, reader: Reader) -> None:
        state.change(gpu0_remap_pending="0", gpu0_remap_failure="1")
        read = reader.round()
        assert read.of(semconv.TRIVET_GPU_ROW_REMAP) == {"pending": 0, "failure": 1}
        assert read.health == {("ecc", "row_remap_failure"): 1}
        state.change(gpu0_remap_pending="1")
        assert reader.round().health == {("ecc", "row_remap_pending"): 1}
        assert reader.round().health == {}

    @pytest.mark.parametrize(
        ("setting", "reason"),
        [({"0.handle": "lost"}, "lost"), ({"0.power": "reset"}, "reset_required"), ({"order": "1"}, "unlisted")],
    )
    def test_is_a_gpu_that_cannot_be_read(
        self, state: NvmlState, reader: Reader, setting: dict[str, str], reason: str
    ) -> None:
        assert reader.round().cards == {A, B}
        before = {name: state.settings.get(name, "") for name in setting}
        state.change(setting)
        read = reader.round()
        assert (read.health, read.cards) == ({("gpu_lost", reason): 1}, {B})
        assert reader.round().health == {}
        state.change(before)
        assert reader.round().cards == {A, B}

    def test_is_a_gpu_that_hangs(self, state: NvmlState, opened: Open) -> None:
        reader = opened(round_timeout_s=1.0)
        reader.round()
        state.change(gpu0_power="hang")
        assert reader.round().health == {("gpu_lost", "hangs"): 1}


class TestAnXidEvent:
    def watched(self, state: NvmlState, reader: Reader, times: int = 1) -> None:
        """Rounds until the first GPU has been registered so many times."""
        reader.until(lambda _: state.asked("0 events") >= times)

    def test_is_told_with_its_code_and_its_card(self, state: NvmlState, reader: Reader) -> None:
        self.watched(state, reader)
        state.change(events="1:0:79,2:0:48,3:0:79")
        read = reader.until(lambda r: len(r.health) == 2 and sum(r.health.values()) >= 2)
        read.readings += reader.round().readings
        totals: dict[str, float] = {}
        for reading in read.readings:
            if reading.metric is semconv.TRIVET_GPU_XID:
                assert reading.attributes[semconv.HW_ID] == A
                assert reading.attributes[semconv.HW_MODEL] == "NVIDIA H200"
                code = reading.attributes[semconv.TRIVET_GPU_XID_CODE]
                totals[code] = totals.get(code, 0) + reading.value
        assert totals == {"79": 2, "48": 1}
        assert set(read.health) == {("xid", "xid_79"), ("xid", "xid_48")}

    def test_is_told_once(self, state: NvmlState, reader: Reader) -> None:
        self.watched(state, reader)
        state.change(events="1:0:79")
        reader.until(lambda r: bool(r.of(semconv.TRIVET_GPU_XID)))
        state.change(events="1:0:79,2:0:31")
        read = reader.until(lambda r: "31" in r.of(semconv.TRIVET_GPU_XID))
        assert read.of(semconv.TRIVET_GPU_XID) == {"31": 1}

    def test_is_told_also_after_the_driver_was_away(self, state: NvmlState, reader: Reader) -> None:
        self.watched(state, reader)
        state.change(driver="unloaded")
        assert reader.round().cards == set()
        state.change(driver="loaded")
        self.watched(state, reader, times=2)
        state.change(events="1:0:43")
        assert reader.until(lambda r: bool(r.health)).health == {("xid", "xid_43"): 1}

    def test_is_told_of_the_others_when_a_gpu_fell_off_and_of_it_when_it_is_back(
        self, state: NvmlState, reader: Reader
    ) -> None:
        state.change(gpu1_event_types="8")
        self.watched(state, reader)
        state.change(gpu1_handle="lost")
        reader.until(lambda r: ("gpu_lost", "lost") in r.health)
        self.watched(state, reader, times=2)
        state.change(events="1:0:13")
        reader.until(lambda r: ("xid", "xid_13") in r.health)
        again = state.asked("1 events") + 1
        state.change(gpu1_handle="")
        reader.until(lambda _: state.asked("1 events") >= again)
        state.change(events="1:0:13,2:1:14")
        assert reader.until(lambda r: bool(r.health)).of(semconv.TRIVET_GPU_XID, B) == {"14": 1}

    def test_is_not_waited_for_where_the_gpu_has_none(self, state: NvmlState, reader: Reader) -> None:
        self.watched(state, reader)
        reader.round()
        assert state.asked("1 events") == 0  # it says nothing of events

    def test_past_the_limit_of_codes_is_counted_as_another(self, state: NvmlState, reader: Reader) -> None:
        reader.round()
        before = state.asked("0 events")
        watch = XidWatch(codes_max=2)
        watch.watch(1, {A: pynvml.nvmlDeviceGetHandleByIndex(0)})
        eventually(lambda: state.asked("0 events") > before)
        told = state.asked("0 event")  # by either of the two that wait
        state.change(events="1:0:1,2:0:2,3:0:3,4:0:4,5:0:1")
        eventually(lambda: state.asked("0 event") >= told + 10)
        assert watch.close(30.0)
        assert watch.take() == {(A, "1"): 2, (A, "2"): 1, (A, "other"): 2}


class TestProcesses:
    @pytest.fixture
    def proc(self, tmp_path: Path) -> Path:
        proc = tmp_path / "proc"
        for pid, name in {"101": "vllm\n", "102": "python3\n"}.items():
            (proc / pid).mkdir(parents=True)
            (proc / pid / "comm").write_text(name)
        return proc

    def test_are_told_with_the_memory_they_hold_and_their_names(
        self, state: NvmlState, opened: Open, proc: Path
    ) -> None:
        state.change(gpu0_processes="101:3000,102:500,103:7")
        read = opened(proc=proc).round()
        assert read.of(semconv.TRIVET_GPU_PROCESS_MEMORY) == {"101": 3000, "102": 500, "103": 7}
        own = [r.attributes for r in read.readings if r.metric is semconv.TRIVET_GPU_PROCESS_MEMORY]
        assert [a.get(semconv.PROCESS_NAME) for a in own] == ["vllm", "python3", None]  # the last one has ended

    def test_past_the_limit_are_told_together(self, state: NvmlState, opened: Open, proc: Path) -> None:
        state.change(gpu0_processes="1:10,2:40,3:20,4:30")
        read = opened(proc=proc, processes_max=2).round()
        assert read.of(semconv.TRIVET_GPU_PROCESS_MEMORY) == {"2": 40, "4": 30, "other": 30}

    def test_whose_memory_is_unknown_are_absent(self, state: NvmlState, opened: Open) -> None:
        state.change(gpu0_processes="1:-,2:40")
        assert opened().round().of(semconv.TRIVET_GPU_PROCESS_MEMORY) == {"2": 40}

    def test_are_told_once_when_they_are_clients_of_mps_too(self, state: NvmlState, opened: Open) -> None:
        state.change(gpu0_processes="1:10", gpu0_mps="1:10,2:20")
        assert opened().round().of(semconv.TRIVET_GPU_PROCESS_MEMORY) == {"1": 10, "2": 20}

    def test_have_their_names_where_pids_are_the_hosts(self) -> None:
        pid_of_init = Path("/proc/self/ns/pid").readlink() == Path("pid:[4026531836]")
        own = names_in(None)(1)
        assert (own is not None) == pid_of_init


class TestAMigGpu:
    @pytest.fixture
    def state(self, state: NvmlState) -> NvmlState:
        state.change(
            {
                "0.mig": "1",
                "0.processes": "7:100,8:50:3",
                "0.0.uuid": M0,
                "0.0.name": "NVIDIA H200 MIG 3g.71gb",
                "0.0.used": "300",
                "0.0.total": "1800",
                "0.0.slices": "3",
                "0.0.processes": "8:50:3",
                "0.4.uuid": M1,
                "0.4.name": "NVIDIA H200 MIG 1g.18gb",
                "0.4.used": "0",
                "0.4.total": "450",
                "0.4.slices": "1",
            }
        )
        return state

    def test_tells_its_instances_with_their_memory_slices_and_processes(self, state: NvmlState, reader: Reader) -> None:
        read = reader.round()
        assert read.cards == {A, B, M0, M1}
        told = {m: read.of(m, M0) for m in semconv.GPU_METRICS if read.of(m, M0)}
        assert told == {
            semconv.HW_GPU_MEMORY_USAGE: {"": 300},
            semconv.HW_GPU_MEMORY_LIMIT: {"": 1800},
            semconv.TRIVET_GPU_MIG_SLICES: {"": 3},
            semconv.TRIVET_GPU_PROCESS_MEMORY: {"8": 50},
        }
        assert read.value(semconv.HW_GPU_MEMORY_USAGE, M1) == 0
        attributes = next(r.attributes for r in read.readings if r.attributes.get(semconv.HW_ID) == M0)
        assert attributes[semconv.HW_PARENT] == A
        assert attributes[semconv.TRIVET_GPU_MIG_PROFILE] == "3g.71gb"

    def test_keeps_power_energy_and_temperature_and_has_no_utilisation(self, state: NvmlState, reader: Reader) -> None:
        reader.round()
        state.change(gpu0_energy="7200000001123")
        read = reader.round()
        assert read.value(semconv.HW_POWER) == 412.5
        assert read.value(semconv.HW_ENERGY) == pytest.approx(1.0)
        assert read.value(semconv.HW_TEMPERATURE) == 61
        assert read.of(semconv.HW_GPU_UTILIZATION) == {}
        assert read.of(semconv.TRIVET_GPU_PROCESS_MEMORY) == {"7": 100}  # 8 is told with its instance

    def test_is_followed_when_it_is_partitioned_otherwise(self, state: NvmlState, reader: Reader) -> None:
        reader.round()
        state.change({"0.0.uuid": ""})
        assert reader.round().cards == {A, B, M1}
        state.change({"0.mig": "0"})
        read = reader.round()
        assert read.cards == {A, B}
        assert read.value(semconv.HW_GPU_UTILIZATION) == 0.37  # supported again


class TestHowOftenACardIsAsked:
    def test_is_at_every_round_for_what_moves_and_seldom_for_the_rest(self, state: NvmlState, opened: Open) -> None:
        state.change(gpu0_ecc_corrected="1", gpu0_processes="1:1")
        reader = opened(slow_interval_s=3600.0)
        for _ in range(5):
            reader.round()
        counts = {q: state.asked(f"0 {q}") for q in ("power", "energy", "ecc_corrected", "uuid", "name", "mig")}
        assert counts == {"power": 5, "energy": 5, "ecc_corrected": 1, "uuid": 1, "name": 1, "mig": 6}

    def test_is_at_once_when_the_driver_came_back(self, state: NvmlState, opened: Open) -> None:
        reader = opened(slow_interval_s=3600.0)
        reader.round()
        state.change(driver="unloaded")
        reader.round()
        state.change(driver="loaded")
        models = {r.attributes[semconv.HW_ID]: r.attributes[semconv.HW_MODEL] for r in reader.round().readings}
        assert models == {A: "NVIDIA H200", B: "Tesla T4"}

    def test_is_once_for_what_it_does_not_support(self, state: NvmlState, reader: Reader) -> None:
        for _ in range(5):
            reader.round()
        assert state.asked("1 energy") == state.asked("1 ecc_corrected") == 1

    def test_does_not_make_another_card_of_one_that_does_not_say_its_name_for_once(
        self, state: NvmlState, reader: Reader
    ) -> None:
        reader.round()
        state.change(gpu0_name="unknown", gpu0_minor="unknown", gpu0_energy="7200000001123")
        assert reader.round().value(semconv.HW_ENERGY) == pytest.approx(1.0)
