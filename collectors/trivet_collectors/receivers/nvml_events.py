"""XID events: they come and are not asked for, so a thread of its own waits for them inside the driver."""

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from ctypes import c_void_p, cast
from typing import Any, Final

import pynvml

log = logging.getLogger("trivet.collector")

WAIT_MS: Final = 100  # how long a wait inside the driver may put off a stop
RETRY_S: Final = 1.0
CODES_MAX: Final = 1024  # distinct pairs of card and code kept between two rounds
OTHER: Final = "other"  # code of the events past that


class XidWatch:
    """Counts the XID events of the cards it was told to watch, by card and code, until they are taken.

    The driver forgets an event set when it is unloaded: `watch` with another `epoch` registers everything anew. `rest` must
    come before the library is shut down.
    """

    def __init__(self, codes_max: int = CODES_MAX) -> None:
        self._codes_max = codes_max
        self._counting = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._state = threading.Condition()
        self._wanted: tuple[int, Mapping[str, Any]] = (0, {})
        self._inside = False  # the thread holds, or is about to make, an event set of the driver
        self._changed = threading.Event()
        self._incomplete = False  # a card could not be registered: it is tried again
        self._stopped = False
        self._thread: threading.Thread | None = None

    def watch(self, epoch: int, handles: Mapping[str, Any]) -> None:
        """From now on these cards (UUID → handle), under this loading of the driver."""
        was_epoch, was = self._wanted
        if (epoch, handles.keys()) == (was_epoch, was.keys()) and not self._incomplete:
            return
        self._incomplete = False
        self._want((epoch, dict(handles)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="trivet-xid", daemon=True)
            self._thread.start()

    def take(self) -> Counter[tuple[str, str]]:
        """How many events there were since the last time, by (UUID, code)."""
        with self._counting:
            taken, self._counts = self._counts, Counter()
        return taken

    def rest(self, timeout_s: float) -> bool:
        """Stop waiting in the driver. False when the driver does not let go in time."""
        self._want((0, {}))
        with self._state:
            return self._state.wait_for(lambda: not self._inside, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Rest, and let the thread end."""
        self._stopped = True
        return self.rest(timeout_s)

    def _want(self, wanted: tuple[int, Mapping[str, Any]]) -> None:
        with self._state:
            self._wanted = wanted
            self._changed.set()

    def _run(self) -> None:
        while not self._stopped:
            with self._state:
                self._changed.clear()
                _, handles = self._wanted
                self._inside = bool(handles)
            if not handles:
                self._leave()
                self._changed.wait()
                continue
            try:
                self._follow(handles)
            except pynvml.NVMLError as error:
                # The driver went away or a card fell off: whoever samples finds out and says so.
                log.debug("XID events cannot be waited for: %s", error)
                self._leave()
                self._changed.wait(RETRY_S)
        self._leave()

    def _leave(self) -> None:
        with self._state:
            self._inside = False
            self._state.notify_all()

    def _follow(self, handles: Mapping[str, Any]) -> None:
        events = pynvml.nvmlEventSetCreate()
        try:
            watched = {_address(handle): uuid for uuid, handle in handles.items() if self._registered(handle, events)}
            if not watched:
                self._changed.wait()
            while not self._changed.is_set():
                with contextlib.suppress(pynvml.NVMLError_Timeout):
                    event = pynvml.nvmlEventSetWait_v2(events, WAIT_MS)
                    self._count(watched.get(_address(event.device)), event.eventData)
        finally:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlEventSetFree(events)

    def _registered(self, handle: Any, events: Any) -> bool:
        try:
            wanted = pynvml.nvmlDeviceGetSupportedEventTypes(handle) & pynvml.nvmlEventTypeXidCriticalError
            if wanted:
                pynvml.nvmlDeviceRegisterEvents(handle, wanted, events)
        except pynvml.NVMLError as error:
            self._incomplete = self._incomplete or error.value != pynvml.NVML_ERROR_NOT_SUPPORTED
            return False
        return bool(wanted)

    def _count(self, uuid: str | None, code: int) -> None:
        if uuid is None:
            return
        with self._counting:
            key = (uuid, str(code))
            self._counts[key if key in self._counts or len(self._counts) < self._codes_max else (uuid, OTHER)] += 1


def _address(handle: Any) -> int | None:
    """Handles are pointers, the same for one device as long as the driver stays loaded."""
    return cast(handle, c_void_p).value
