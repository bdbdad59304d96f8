"""A GPU (or a MIG instance of one) and what is said of it. Pure: where the values come from is a receiver's affair."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple

from trivet_collectors import semconv
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.semconv import Metric

NO_DETAIL: Final[Mapping[str, str]] = MappingProxyType({})


class Value(NamedTuple):
    """An amount of one metric in its unit; None is "no reading". `detail` tells the metric's series of one card apart.

    Of a counter the amount is the running total, as the driver keeps it.
    """

    metric: Metric
    amount: float | None
    detail: Mapping[str, str] = NO_DETAIL


@dataclass(frozen=True)
class Card:
    """Who a card is. `parent` is the UUID of the GPU that a MIG instance is a slice of."""

    uuid: str
    driver_version: str | None
    model: str | None = None
    name: str | None = None
    parent: str | None = None
    mig_profile: str | None = None

    @cached_property
    def attributes(self) -> dict[str, str]:
        said = {
            semconv.HW_ID: self.uuid,
            semconv.HW_NAME: self.name,
            semconv.HW_MODEL: self.model,
            semconv.HW_TYPE: semconv.HW_TYPE_GPU,
            semconv.HW_VENDOR: "NVIDIA",
            semconv.HW_DRIVER_VERSION: self.driver_version,
            semconv.HW_PARENT: self.parent,
            semconv.TRIVET_GPU_MIG_PROFILE: self.mig_profile,
        }
        return {key: value for key, value in said.items() if value is not None}


def readings(card: Card, values: Iterable[Value]) -> Iterator[Reading]:
    """The values as readings of the card: one for each that is there, nothing for one that is not."""
    for metric, amount, detail in values:
        if amount is not None:
            yield Reading(metric, amount, {**card.attributes, **detail} if detail else card.attributes)


def throttle_reasons(bits: int) -> Iterator[Value]:
    """Every reason that has a name, held or not, and each bit without one while it is set."""
    for bit, detail in _NAMED.items():
        yield Value(semconv.TRIVET_GPU_THROTTLE, int(bool(bits & bit)), detail)
    unnamed = bits & ~_NAMED_BITS
    for n in range(unnamed.bit_length()):
        if unnamed >> n & 1:
            yield Value(semconv.TRIVET_GPU_THROTTLE, 1, {semconv.TRIVET_GPU_THROTTLE_REASON: f"bit_{n}"})


_NAMED: Final = {
    bit: {semconv.TRIVET_GPU_THROTTLE_REASON: reason} for bit, reason in semconv.GPU_THROTTLE_REASONS.items()
}
_NAMED_BITS: Final = sum(_NAMED)
