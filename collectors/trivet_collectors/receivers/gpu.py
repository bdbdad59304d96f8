"""One GPU at one moment, and the metrics that say it. Pure: where the values come from is a receiver's affair."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trivet_collectors import semconv
from trivet_collectors.pipeline.reading import Reading


@dataclass(frozen=True)
class DeviceSnapshot:
    """One GPU at one moment. None is "no reading". Units are in the names; `utilization` is a fraction of time."""

    uuid: str
    driver_version: str
    model: str | None = None
    name: str | None = None
    utilization: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    energy_joules: float | None = None  # since the driver loaded
    temperature_celsius: int | None = None
    clock_sm_mhz: int | None = None
    clock_memory_mhz: int | None = None
    throttle_bits: int | None = None


GAUGES: Final = (
    (semconv.HW_GPU_UTILIZATION, "utilization"),
    (semconv.HW_GPU_MEMORY_USAGE, "memory_used_bytes"),
    (semconv.HW_GPU_MEMORY_LIMIT, "memory_total_bytes"),
    (semconv.HW_POWER, "power_watts"),
    (semconv.HW_ENERGY, "energy_joules"),
    (semconv.HW_TEMPERATURE, "temperature_celsius"),
    (semconv.TRIVET_GPU_CLOCK_SM, "clock_sm_mhz"),
    (semconv.TRIVET_GPU_CLOCK_MEMORY, "clock_memory_mhz"),
)


def readings(snapshot: DeviceSnapshot) -> Iterator[Reading]:
    """The snapshot as readings of the metrics in `semconv`: one per value that is there, nothing for one that is not."""
    attributes = _attributes(snapshot)
    for metric, name in GAUGES:
        value = getattr(snapshot, name)
        if value is not None:
            yield Reading(metric, value, attributes)
    if snapshot.throttle_bits is not None:
        for reason, holds in _throttle_reasons(snapshot.throttle_bits).items():
            with_reason = {**attributes, semconv.TRIVET_GPU_THROTTLE_REASON: reason}
            yield Reading(semconv.TRIVET_GPU_THROTTLE, int(holds), with_reason)


def _attributes(snapshot: DeviceSnapshot) -> dict[str, str]:
    said = {
        semconv.HW_ID: snapshot.uuid,
        semconv.HW_NAME: snapshot.name,
        semconv.HW_MODEL: snapshot.model,
        semconv.HW_TYPE: semconv.HW_TYPE_GPU,
        semconv.HW_VENDOR: "NVIDIA",
        semconv.HW_DRIVER_VERSION: snapshot.driver_version,
    }
    return {key: value for key, value in said.items() if value is not None}


def _throttle_reasons(bits: int) -> dict[str, bool]:
    """Every reason that has a name, held or not, and each bit without one while it is set."""
    named = {reason: bool(bits & bit) for bit, reason in semconv.GPU_THROTTLE_REASONS.items()}
    unnamed = {f"bit_{n}": True for n in range(64) if bits >> n & 1 and 1 << n not in semconv.GPU_THROTTLE_REASONS}
    return named | unnamed
