"""What NVML is asked about a device. Each signal gives the fields of a snapshot that it can read, in the snapshot's units.

MIG, ECC and XID will be further signals.
"""

from collections.abc import Callable
from typing import Any, Final

import pynvml

Signal = Callable[[Any], dict[str, Any]]

UNSUPPORTED: Final = {
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,  # the driver is older than the library
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
}
# "Not available" as NVML and DCGM write it into a number.
BLANKS: Final = {2**32 - 1, 2**64 - 1, *range(9223372036854775792, 9223372036854775800)}


def _utilization(handle: Any) -> dict[str, Any]:
    percent = number(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    return {"utilization": None if percent is None else percent / 100}


def _memory(handle: Any) -> dict[str, Any]:
    try:  # v2 leaves the driver's own reserve out of "used"; v1, on drivers before 510, counts it in
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError as error:
        if error.value not in UNSUPPORTED:
            raise
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {"memory_used_bytes": number(memory.used), "memory_total_bytes": number(memory.total)}


def _power(handle: Any) -> dict[str, Any]:
    milliwatts = number(pynvml.nvmlDeviceGetPowerUsage(handle))
    return {"power_watts": None if milliwatts is None else milliwatts / 1000}


def _energy(handle: Any) -> dict[str, Any]:
    millijoules = number(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    return {"energy_joules": None if millijoules is None else millijoules / 1000}


def _temperature(handle: Any) -> dict[str, Any]:
    return {"temperature_celsius": number(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))}


def _clock_sm(handle: Any) -> dict[str, Any]:
    return {"clock_sm_mhz": number(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))}


def _clock_memory(handle: Any) -> dict[str, Any]:
    return {"clock_memory_mhz": number(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM))}


def _throttle(handle: Any) -> dict[str, Any]:
    try:
        return {"throttle_bits": pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)}
    except pynvml.NVMLError as error:  # the name before driver 535
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return {"throttle_bits": pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)}


def _model(handle: Any) -> dict[str, Any]:
    return {"model": pynvml.nvmlDeviceGetName(handle)}


def _name(handle: Any) -> dict[str, Any]:
    # The device file's number stays while the driver is loaded; the index does not when a neighbour falls off.
    return {"name": f"nvidia{pynvml.nvmlDeviceGetMinorNumber(handle)}"}


# Each gives the fields of a snapshot that it can read. A further signal is a further line.
SIGNALS: Final[tuple[Signal, ...]] = (
    _model,
    _name,
    _utilization,
    _memory,
    _power,
    _energy,
    _temperature,
    _clock_sm,
    _clock_memory,
    _throttle,
)


def number(raw: int) -> int | None:
    return None if raw in BLANKS else raw
