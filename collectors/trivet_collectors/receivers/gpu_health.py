"""What in a card's readings breaks serving, told as health events. Pure but for what was told before.

An event is a node's, not a card's: which card it was say `trivet.gpu.xid`, `hw.errors` and `trivet.gpu.row_remap`.
"""

from collections.abc import Iterable, Iterator

from trivet_collectors import semconv
from trivet_collectors.pipeline.reading import Reading


def event(kind: str, reason: str, count: float = 1) -> Reading:
    said = {semconv.TRIVET_HEALTH_KIND: kind, semconv.TRIVET_REASON: reason}
    return Reading(semconv.TRIVET_HEALTH, count, said)


class HealthWatch:
    """Tells each XID and each uncorrected memory error, and a row remap state when it begins."""

    def __init__(self) -> None:
        self._held: set[tuple[str, str]] = set()

    def events(self, readings: Iterable[Reading]) -> Iterator[Reading]:
        """Events in one round's readings, whose counters are increments."""
        for reading in readings:
            said = reading.attributes
            if reading.metric is semconv.TRIVET_GPU_XID:
                yield event(semconv.HEALTH_XID, f"xid_{said[semconv.TRIVET_GPU_XID_CODE]}", reading.value)
            elif reading.metric is semconv.HW_ERRORS:
                if said[semconv.ERROR_TYPE] == semconv.ECC_UNCORRECTED and reading.value:
                    yield event(semconv.HEALTH_ECC, semconv.ECC_UNCORRECTED, reading.value)
            elif reading.metric is semconv.TRIVET_GPU_ROW_REMAP:
                state = said[semconv.TRIVET_GPU_ROW_REMAP_STATE]
                if self._begins((said[semconv.HW_ID], state), bool(reading.value)):
                    yield event(semconv.HEALTH_ECC, f"row_remap_{state}")

    def _begins(self, state: tuple[str, str], holds: bool) -> bool:
        begins = holds and state not in self._held
        (self._held.add if holds else self._held.discard)(state)
        return begins
