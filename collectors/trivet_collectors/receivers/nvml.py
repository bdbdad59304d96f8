"""NVIDIA GPUs of this node through NVML, keyed by UUID: the index order is PCI order and can change.

A reading that is missing is absent, never zero. What a device does not support is asked once and remembered. A device
that is lost or hangs is left out and said once, also as a health event; the others go on.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pynvml

from trivet_collectors import semconv
from trivet_collectors.pipeline.bounded import Bounded, Done
from trivet_collectors.pipeline.increments import Increments
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.gpu import Card, Value, readings
from trivet_collectors.receivers.gpu_health import HealthWatch
from trivet_collectors.receivers.nvml_absence import Absence
from trivet_collectors.receivers.nvml_device import DRIVER_AWAY, Device
from trivet_collectors.receivers.nvml_events import XidWatch
from trivet_collectors.receivers.nvml_processes import names_in, process_memory

log = logging.getLogger("trivet.collector")

DEVICES_MAX: Final = 64
DRIVER: Final = "driver"  # the name of the one bounded call that is not a device's UUID
OPEN_TIMEOUT_S: Final = 30.0  # without persistence mode the first call loads the driver
LET_GO_S: Final = 1.0
EARLY: Final = 0.05  # of the interval: rounds are not quite as regular as clocks

# The driver is not there, or not the one this process has loaded the library of.
NO_DRIVER: Final = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "install the NVIDIA driver; in a container, start it with the NVIDIA runtime (--gpus all)",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the kernel module (modprobe nvidia) or reboot",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver was upgraded: reload the kernel module or reboot",
    pynvml.NVML_ERROR_NO_PERMISSION: "let this user open /dev/nvidia*",
}


class NoDriverError(Exception):
    """NVML cannot be used on this node. The message is one line that says what to do."""

    def __init__(self, error: Exception | None) -> None:
        said = str(error or "it does not answer")
        hint = NO_DRIVER.get(getattr(error, "value", None), "see `nvidia-smi` on this node")
        super().__init__(f"no usable NVIDIA driver ({said}): {hint}")


@dataclass
class Listing:
    """What the driver lists: a handle per UUID, and an error for each device it lists but will not hand out."""

    driver_version: str
    handles: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)


@dataclass
class NvmlReceiver:
    """Reads every GPU once per `read`, within about `round_timeout_s`, whatever the driver does.

    What changes seldom or costs more is asked every `slow_interval_s`. `processes_max` are told one by one for each card;
    `proc` is where the host's /proc is mounted, when it is not this process's own.
    """

    round_timeout_s: float = 5.0
    slow_interval_s: float = 10.0
    processes_max: int = 16
    proc: Path | None = None
    _open: bool = field(default=False, init=False)
    _epoch: int = field(default=0, init=False)  # how often the driver was found
    _slow_due: float = field(default=0.0, init=False)
    _listed: Listing | None = field(default=None, init=False)
    _devices: dict[str, Device] = field(default_factory=dict, init=False)
    _uuid_at: dict[int, str] = field(default_factory=dict, init=False)  # by index, when last listed
    _driver_away: bool = field(default=False, init=False)
    _bounded: Bounded[str] = field(default_factory=Bounded, init=False)
    _absence: Absence = field(default_factory=Absence, init=False)
    _increments: Increments = field(default_factory=Increments, init=False)
    _health: HealthWatch = field(default_factory=HealthWatch, init=False)
    _xids: XidWatch = field(default_factory=XidWatch, init=False)

    def __post_init__(self) -> None:
        names = names_in(self.proc)
        own = process_memory(self.processes_max, names, on_instance=False)
        of_instance = process_memory(self.processes_max, names, on_instance=True)
        self._device = partial(Device, own=own, of_instance=of_instance)

    def open(self) -> None:
        """Finds the driver, or raises NoDriverError."""
        opened = self._bounded.run({DRIVER: pynvml.nvmlInit}, OPEN_TIMEOUT_S).get(DRIVER)
        if opened is None or opened.error is not None:
            raise NoDriverError(opened.error if opened else None)
        self._open = True
        self._epoch += 1

    def close(self) -> None:
        """Lets the driver go, unless it hangs."""
        let_go = self._xids.close(LET_GO_S)
        if self._open and let_go and not any(self._bounded.hangs(name) for name in (DRIVER, *self._devices)):
            self._bounded.run({DRIVER: pynvml.nvmlShutdown}, LET_GO_S)
        self._bounded.close()
        self._open = False

    def read(self) -> list[Reading]:
        """What could be read now; no sample while the driver is away. NoDriverError when it was replaced under us, which only
        a new process can follow.
        """
        found = [*self._counted(self._sampled()), *self._xid_readings()]
        return [*found, *self._health.events(found), *self._absence.events()]

    def _sampled(self) -> list[Reading]:
        """What the devices answer, with counters as running totals; nothing while there is no driver to ask."""
        now = time.monotonic()
        slow = now >= self._slow_due - EARLY * self.slow_interval_s
        try:
            done = self._round(now + self.round_timeout_s, slow=slow)
        except pynvml.NVMLError as error:
            self._lose_driver(error)
            return []
        if slow and done:
            # On a grid while nothing was missed, so that each interval that is sent has one.
            missed = now - self._slow_due >= self.slow_interval_s
            self._slow_due = (now if missed else self._slow_due) + self.slow_interval_s
        return [reading for answer in done.values() for reading in answer.value or ()]

    def _round(self, deadline: float, *, slow: bool) -> Mapping[str, Done[list[Reading]]]:
        """What each device answered. Raises NVMLError where that ends every device's round."""
        if slow or not self._open or self._absence or self._listed is None:
            self._listed = self._list()
        if self._listed is None:
            return {}
        calls = {uuid: partial(self._devices[uuid].read, slow=slow) for uuid in self._listed.handles}
        # A driver that was slow to list them is no reason to call every device lost.
        done = self._bounded.run(calls, max(self.round_timeout_s / 2, deadline - time.monotonic()))
        errors = {uuid: answer.error for uuid, answer in done.items()}
        for error in errors.values():
            if error is not None and _ends_everything(error):
                raise error
        self._absence.note(calls.keys(), {**self._listed.errors, **errors})
        return {uuid: done[uuid] for uuid in calls if uuid in done}

    def _list(self) -> Listing | None:
        """What the driver lists, or None while it does not answer."""
        listed = self._bounded.run({DRIVER: self._ask_for_list}, self.round_timeout_s).get(DRIVER)
        if listed is None:
            self._say_driver("the driver does not answer")
            return None
        if listed.error is not None:
            raise listed.error
        listing = listed.value
        assert listing is not None
        self._say_driver(None)
        for uuid, handle in listing.handles.items():
            if uuid not in self._devices:
                self._devices[uuid] = self._device(uuid, handle, listing.driver_version)
            self._devices[uuid].found_at(handle)
        self._xids.watch(self._epoch, listing.handles)
        return listing

    def _ask_for_list(self) -> Listing:
        if not self._open:
            self._open_again()
        listing = Listing(driver_version=pynvml.nvmlSystemGetDriverVersion())
        for index in range(min(pynvml.nvmlDeviceGetCount(), DEVICES_MAX)):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid = pynvml.nvmlDeviceGetUUID(handle)
            except pynvml.NVMLError as error:
                if _ends_everything(error):
                    raise
                # A lost device may no longer say who it is; its place in the list does.
                listing.errors[self._uuid_at.get(index, f"at index {index}")] = error
            else:
                listing.handles[uuid] = handle
                self._uuid_at[index] = uuid
        return listing

    def _open_again(self) -> None:
        """Looks for a driver that went away. What its successor supports is asked anew."""
        self._xids.rest(LET_GO_S)
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
        pynvml.nvmlInit()
        self._devices.clear()
        self._epoch += 1
        self._slow_due = 0.0
        self._open = True

    def _lose_driver(self, error: pynvml.NVMLError) -> None:
        if error.value == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            raise NoDriverError(error)
        if error.value in DRIVER_AWAY:
            self._open = False
        self._listed = None
        self._say_driver(str(error))

    def _counted(self, found: list[Reading]) -> Iterator[Reading]:
        yield from (reading for reading in found if reading.metric.kind != "counter")
        yield from self._increments.over(reading for reading in found if reading.metric.kind == "counter")

    def _xid_readings(self) -> Iterator[Reading]:
        for (uuid, code), count in self._xids.take().items():
            device = self._devices.get(uuid)
            card = device.card if device else Card(uuid, None)
            yield from readings(card, [Value(semconv.TRIVET_GPU_XID, count, {semconv.TRIVET_GPU_XID_CODE: code})])

    def _say_driver(self, problem: str | None) -> None:
        if problem is not None and not self._driver_away:
            log.warning("no readings until the NVIDIA driver is back: %s", problem)
        if problem is None and self._driver_away:
            log.warning("the NVIDIA driver is back")
        self._driver_away = problem is not None


def _ends_everything(error: Exception) -> bool:
    """Whether no device can be read: the driver is away, or was replaced."""
    value = error.value if isinstance(error, pynvml.NVMLError) else None
    return value in DRIVER_AWAY or value == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
