"""What NVML is asked about a card: each signal gives the values that it can read, in the metrics' units.

A further signal is a further line. FAST ones are asked at every sample; SLOW ones, which change seldom or cost more, once
for each time that is sent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pynvml

from trivet_collectors import semconv
from trivet_collectors.receivers.gpu import Value, throttle_reasons
from trivet_collectors.semconv import Metric

UNSUPPORTED: Final = {
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,  # the driver is older than the library
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
}
# "Not available" as NVML and DCGM write it into a number.
BLANKS: Final = {2**32 - 1, 2**64 - 1, *range(9223372036854775792, 9223372036854775800)}


@dataclass(frozen=True, eq=False)
class Signal:
    """A question about a card, by its handle. Known by identity: what a card does not support is remembered."""

    ask: Callable[[Any], Iterator[Value]]


def scaled(raw: int, divisor: int = 1) -> float | None:
    """The number in a unit `divisor` times as large, or None where NVML wrote "not available"."""
    if raw in BLANKS:
        return None
    return raw if divisor == 1 else raw / divisor


def _utilization(handle: Any) -> Iterator[Value]:
    yield Value(semconv.HW_GPU_UTILIZATION, scaled(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu, 100))


def _memory(handle: Any) -> Iterator[Value]:
    try:  # v2 leaves the driver's own reserve out of "used"; v1, on drivers before 510, counts it in
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError as error:
        if error.value not in UNSUPPORTED:
            raise
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    yield Value(semconv.HW_GPU_MEMORY_USAGE, scaled(memory.used))
    yield Value(semconv.HW_GPU_MEMORY_LIMIT, scaled(memory.total))


def _power(handle: Any) -> Iterator[Value]:
    yield Value(semconv.HW_POWER, scaled(pynvml.nvmlDeviceGetPowerUsage(handle), 1000))


def _energy(handle: Any) -> Iterator[Value]:
    yield Value(semconv.HW_ENERGY, scaled(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), 1000))


def _temperature(handle: Any) -> Iterator[Value]:
    degrees = pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
    yield Value(semconv.HW_TEMPERATURE, scaled(degrees))


def _clock(metric: Metric, kind: int, handle: Any) -> Iterator[Value]:
    yield Value(metric, scaled(pynvml.nvmlDeviceGetClockInfo(handle, kind)))


def _throttle(handle: Any) -> Iterator[Value]:
    try:
        bits = pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except pynvml.NVMLError as error:  # the name before driver 535
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return throttle_reasons(bits)


def _throttled(policy: int, handle: Any) -> Iterator[Value]:
    nanoseconds = pynvml.nvmlDeviceGetViolationStatus(handle, policy).violationTime
    detail = {semconv.TRIVET_GPU_THROTTLE_REASON: semconv.GPU_THROTTLE_POLICIES[policy]}
    yield Value(semconv.TRIVET_GPU_THROTTLE_TIME, scaled(nanoseconds, 10**9), detail)


def _ecc(kind: int, name: str, handle: Any) -> Iterator[Value]:
    # Volatile counts begin anew with the driver, as the increments do.
    count = pynvml.nvmlDeviceGetTotalEccErrors(handle, kind, pynvml.NVML_VOLATILE_ECC)
    yield Value(semconv.HW_ERRORS, scaled(count), {semconv.ERROR_TYPE: name})


def _row_remap(handle: Any) -> Iterator[Value]:
    _, _, pending, failure = pynvml.nvmlDeviceGetRemappedRows(handle)
    for state, holds in (("pending", pending), ("failure", failure)):
        yield Value(semconv.TRIVET_GPU_ROW_REMAP, int(bool(holds)), {semconv.TRIVET_GPU_ROW_REMAP_STATE: state})


MEMORY: Final = Signal(_memory)  # the one of these that a MIG instance has too
FAST: Final = (
    Signal(_utilization),
    MEMORY,
    Signal(_power),
    Signal(_energy),
    Signal(_temperature),
    Signal(partial(_clock, semconv.TRIVET_GPU_CLOCK_SM, pynvml.NVML_CLOCK_SM)),
    Signal(partial(_clock, semconv.TRIVET_GPU_CLOCK_MEMORY, pynvml.NVML_CLOCK_MEM)),
    Signal(_throttle),
)
SLOW: Final = (
    Signal(partial(_ecc, pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, semconv.ECC_CORRECTED)),
    Signal(partial(_ecc, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, semconv.ECC_UNCORRECTED)),
    Signal(_row_remap),
    *(Signal(partial(_throttled, policy)) for policy in semconv.GPU_THROTTLE_POLICIES),
)
