"""NVIDIA GPUs of this node through NVML, keyed by UUID: the index order is PCI order and can change.

A reading that is missing is absent, never zero. What a device does not support is asked once and remembered. A device
that is lost or hangs is left out and said once; the others go on. XID events, which come and are not asked for, will have a
thread of their own.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

import pynvml

from trivet_collectors.pipeline.bounded import Bounded
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.gpu import DeviceSnapshot, readings
from trivet_collectors.receivers.nvml_signals import SIGNALS, UNSUPPORTED, Signal

log = logging.getLogger("trivet.collector")

DEVICES_MAX: Final = 64
DRIVER: Final = "driver"  # the name of the one bounded call that is not a device's UUID
OPEN_TIMEOUT_S: Final = 30.0  # without persistence mode the first call loads the driver

# The driver is not there, or not the one this process has loaded the library of.
NO_DRIVER: Final = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "install the NVIDIA driver; in a container, start it with the NVIDIA runtime (--gpus all)",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the kernel module (modprobe nvidia) or reboot",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver was upgraded: reload the kernel module or reboot",
    pynvml.NVML_ERROR_NO_PERMISSION: "let this user open /dev/nvidia*",
}
LOST: Final = {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED}
DRIVER_AWAY: Final = {
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
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
    """Reads every GPU once per `read_round`, within about `round_timeout_s`, whatever the driver does."""

    round_timeout_s: float = 5.0
    _open: bool = field(default=False, init=False)
    _bounded: Bounded[str] = field(default_factory=Bounded, init=False)
    _unsupported: set[tuple[str, Signal]] = field(default_factory=set, init=False)
    _known: set[str] = field(default_factory=set, init=False)  # UUIDs ever seen
    _absent: set[str] = field(default_factory=set, init=False)  # those of them not read last time, already said
    _uuid_at: dict[int, str] = field(default_factory=dict, init=False)  # by index, when last listed
    _driver_away: bool = field(default=False, init=False)

    def open(self) -> None:
        """Finds the driver, or raises NoDriverError."""
        opened = self._bounded.run({DRIVER: pynvml.nvmlInit}, OPEN_TIMEOUT_S).get(DRIVER)
        if opened is None or opened.error is not None:
            raise NoDriverError(opened.error if opened else None)
        self._open = True

    def close(self) -> None:
        """Lets the driver go, unless it hangs."""
        if self._open and not any(self._bounded.hangs(name) for name in (DRIVER, *self._known)):
            self._bounded.run({DRIVER: pynvml.nvmlShutdown}, timeout_s=1.0)
        self._open = False

    def read(self) -> list[Reading]:
        """One round as readings of the metrics in `semconv`."""
        return [reading for snapshot in self.read_round() for reading in readings(snapshot)]

    def read_round(self) -> list[DeviceSnapshot]:
        """What could be read now; empty while the driver is away. NoDriverError when it was replaced under us, which only
        a new process can follow.
        """
        deadline = time.monotonic() + self.round_timeout_s
        listing = self._listing()
        if listing is None:
            return []
        calls = {uuid: self._reading_of(uuid, listing) for uuid in listing.handles}
        done = self._bounded.run(calls, max(0.0, deadline - time.monotonic()))
        self._say_who_is_absent(calls.keys(), {**listing.errors, **{uuid: d.error for uuid, d in done.items()}})
        return [d.value for d in done.values() if d.value is not None]

    def _listing(self) -> Listing | None:
        """What the driver lists, or None while there is no driver to ask."""
        listing = self._bounded.run({DRIVER: self._list}, self.round_timeout_s).get(DRIVER)
        if listing is None:
            self._say_driver("the driver does not answer")
            return None
        if listing.error is None:
            self._say_driver(None)
            return listing.value
        if not isinstance(listing.error, pynvml.NVMLError):
            raise listing.error
        if listing.error.value == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            raise NoDriverError(listing.error)
        if listing.error.value in DRIVER_AWAY:
            self._open = False
        self._say_driver(str(listing.error))
        return None

    def _list(self) -> Listing:
        if not self._open:
            self._open_again()
        listing = Listing(driver_version=pynvml.nvmlSystemGetDriverVersion())
        for index in range(min(pynvml.nvmlDeviceGetCount(), DEVICES_MAX)):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid = pynvml.nvmlDeviceGetUUID(handle)
            except pynvml.NVMLError as error:
                if error.value in DRIVER_AWAY:
                    raise
                # A lost device may no longer say who it is; its place in the list does.
                listing.errors[self._uuid_at.get(index, f"at index {index}")] = error
            else:
                listing.handles[uuid] = handle
                self._uuid_at[index] = uuid
        return listing

    def _open_again(self) -> None:
        """Looks for a driver that went away. What its successor supports is asked anew."""
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
        pynvml.nvmlInit()
        self._unsupported.clear()
        self._open = True

    def _reading_of(self, uuid: str, listing: Listing) -> Callable[[], DeviceSnapshot]:
        def read() -> DeviceSnapshot:
            fields: dict[str, Any] = {}
            for signal in SIGNALS:
                fields |= self._ask(uuid, signal, listing.handles[uuid])
            return DeviceSnapshot(uuid=uuid, driver_version=listing.driver_version, **fields)

        return read

    def _ask(self, uuid: str, signal: Signal, handle: Any) -> dict[str, Any]:
        """The signal's fields, or none of them. Only a lost device or driver ends the device's snapshot."""
        if (uuid, signal) in self._unsupported:
            return {}
        try:
            return signal(handle)
        except pynvml.NVMLError as error:
            if error.value in LOST | DRIVER_AWAY:
                raise
            if error.value in UNSUPPORTED:
                self._unsupported.add((uuid, signal))
            return {}

    def _say_who_is_absent(self, listed: AbstractSet[str], errors: Mapping[str, Exception | None]) -> None:
        """Once when a device goes, once when it is back. `errors` has None for each that was read."""
        self._known |= listed
        absent = dict.fromkeys(self._known - errors.keys(), "the driver no longer lists it")
        absent |= dict.fromkeys(listed - errors.keys(), "it does not answer")
        absent |= {uuid: str(error) for uuid, error in errors.items() if error is not None}
        for uuid in absent.keys() - self._absent:
            log.warning("GPU %s is left out until it can be read again: %s", uuid, absent[uuid])
        for uuid in self._absent - absent.keys():
            log.warning("GPU %s is back", uuid)
        self._absent = set(absent)

    def _say_driver(self, problem: str | None) -> None:
        if problem is not None and not self._driver_away:
            log.warning("no readings until the NVIDIA driver is back: %s", problem)
        if problem is None and self._driver_away:
            log.warning("the NVIDIA driver is back")
        self._driver_away = problem is not None
