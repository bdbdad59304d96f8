"""Which GPUs are not there to be read: said once when one goes and once when it is back, and told as health events."""

import logging
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pynvml

from trivet_collectors import semconv
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.gpu_health import event

log = logging.getLogger("trivet.collector")

REASONS = {pynvml.NVML_ERROR_GPU_IS_LOST: "lost", pynvml.NVML_ERROR_RESET_REQUIRED: "reset_required"}


class Absence:
    """True while a GPU that was seen before, or that the driver lists, cannot be read."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._absent: set[str] = set()
        self._events: list[Reading] = []

    def __bool__(self) -> bool:
        return bool(self._absent)

    def note(self, listed: AbstractSet[str], errors: Mapping[str, Exception | None]) -> None:
        """One round: the UUIDs that the driver handed out, and for each that answered its error, None where it was read."""
        self._known |= listed
        absent = dict.fromkeys(self._known - errors.keys(), ("unlisted", "the driver no longer lists it"))
        absent |= dict.fromkeys(listed - errors.keys(), ("hangs", "it does not answer"))
        absent |= {uuid: (_reason(error), str(error)) for uuid, error in errors.items() if error is not None}
        for uuid in absent.keys() - self._absent:
            reason, said = absent[uuid]
            log.warning("GPU %s is left out until it can be read again: %s", uuid, said)
            self._events.append(event(semconv.HEALTH_GPU_LOST, reason))
        for uuid in self._absent - absent.keys():
            log.warning("GPU %s is back", uuid)
        self._absent = set(absent)

    def events(self) -> list[Reading]:
        """A health event for each GPU that went since the last time."""
        events, self._events = self._events, []
        return events


def _reason(error: Exception) -> str:
    return REASONS.get(getattr(error, "value", None), "error")
