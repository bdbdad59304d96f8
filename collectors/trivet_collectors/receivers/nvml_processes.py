"""Which processes hold a card's memory, and what they are called."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pynvml

from trivet_collectors import semconv
from trivet_collectors.receivers.gpu import Value
from trivet_collectors.receivers.nvml_signals import UNSUPPORTED, Signal, scaled

OTHER: Final = "other"
NO_INSTANCE: Final = 2**32 - 1  # of a process that does not run on a MIG instance
HOST_PID_NAMESPACE: Final = "pid:[4026531836]"  # PROC_PID_INIT_INO, fixed in the kernel's sources

Names = Callable[[int], str | None]
Lister = Callable[[Any], Iterable[Any]]
# By name and version: the names without one answer an old driver with an error of their own that is no NVMLError.
COMPUTE: Final[tuple[Lister, ...]] = (
    pynvml.nvmlDeviceGetComputeRunningProcesses_v3,
    pynvml.nvmlDeviceGetComputeRunningProcesses_v2,
)
MPS: Final[tuple[Lister, ...]] = (
    pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3,
    pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v2,
)


def process_memory(limit: int, names: Names, *, on_instance: bool) -> Signal:
    """The memory of the `limit` largest processes one by one, that of the rest together under the pid "other".

    A GPU lists the processes of its MIG instances too; they are told with the instance and passed over here.
    """

    def ask(handle: Any) -> Iterator[Value]:
        held: dict[int, int] = {}
        for process in [*_listed(COMPUTE, handle), *_mps(handle)]:
            known = process.usedGpuMemory is not None and scaled(process.usedGpuMemory) is not None
            if known and (on_instance or process.gpuInstanceId == NO_INSTANCE):
                held[process.pid] = max(process.usedGpuMemory, held.get(process.pid, 0))
        largest = sorted(held, key=lambda pid: (-held[pid], pid))
        for pid in largest[:limit]:
            name = names(pid)
            said = {semconv.PROCESS_PID: str(pid)} | ({semconv.PROCESS_NAME: name} if name else {})
            yield Value(semconv.TRIVET_GPU_PROCESS_MEMORY, held[pid], said)
        if largest[limit:]:
            rest = sum(held[pid] for pid in largest[limit:])
            yield Value(semconv.TRIVET_GPU_PROCESS_MEMORY, rest, {semconv.PROCESS_PID: OTHER})

    return Signal(ask)


def names_in(proc: Path | None) -> Names:
    """Names of processes by the host's pids. Without a `proc` to read, this process's own, provided that its pids are the
    host's: in a container they are another's, and a wrong name is worse than none.
    """
    folder = proc or Path("/proc")
    if proc is None and not _counts_as_the_host():
        return lambda _: None

    def name(pid: int) -> str | None:
        try:
            return (folder / str(pid) / "comm").read_text(errors="replace").strip() or None
        except OSError:  # it has ended, or is not ours to see
            return None

    return name


def _counts_as_the_host() -> bool:
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == HOST_PID_NAMESPACE
    except OSError:
        return False


def _listed(listers: Iterable[Lister], handle: Any) -> Iterable[Any]:
    """What the newest of the listers that the driver has gives."""
    *newer, oldest = listers
    for lister in newer:
        try:
            return lister(handle)
        except pynvml.NVMLError as error:
            if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
                raise
    return oldest(handle)


def _mps(handle: Any) -> Iterable[Any]:
    """Clients of the Multi-Process Service are listed apart, where there is one."""
    try:
        return _listed(MPS, handle)
    except pynvml.NVMLError as error:
        if error.value not in UNSUPPORTED:
            raise
        return ()
