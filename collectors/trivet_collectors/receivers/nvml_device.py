"""One GPU with its MIG instances: asked for what it supports, and no more."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pynvml

from trivet_collectors import semconv
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.gpu import Card, Value, readings
from trivet_collectors.receivers.nvml_signals import FAST, MEMORY, SLOW, UNSUPPORTED, Signal, scaled

INSTANCES_MAX: Final = 16  # of one GPU; the hardware has seven
DRIVER_AWAY: Final = {
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
}
LOST: Final = {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED}
# What ends a device's round; any other error ends only the one question.
ENDING: Final = LOST | DRIVER_AWAY | {pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH}


@dataclass(eq=False)
class Source:
    """A card, the driver's handle for it, and what it was found not to support."""

    card: Card
    handle: Any
    unsupported: set[Signal] = field(default_factory=set)

    def read(self, signals: Iterable[Signal]) -> Iterator[Reading]:
        """Readings of those signals that can be read now. Counters are running totals."""
        for signal in signals:
            if signal not in self.unsupported:
                yield from readings(self.card, self._ask(signal))

    def _ask(self, signal: Signal) -> list[Value]:
        try:
            return list(signal.ask(self.handle))
        except pynvml.NVMLError as error:
            if error.value in ENDING:
                raise
            if error.value in UNSUPPORTED:
                self.unsupported.add(signal)
            return []


class Device:
    """A GPU as one call reads it. `own` and `instances` are the process signals of a GPU and of a MIG instance."""

    def __init__(self, uuid: str, handle: Any, driver_version: str, own: Signal, of_instance: Signal) -> None:
        self._source = Source(Card(uuid, driver_version), handle)
        self._slow = (*SLOW, own)
        self._of_instance = of_instance
        self._instances: dict[str, Source] = {}
        self._partitioned = False
        self._known = False

    @property
    def card(self) -> Card:
        return self._source.card

    def found_at(self, handle: Any) -> None:
        """The driver has handed it out anew."""
        self._source.handle = handle

    def read(self, *, slow: bool) -> list[Reading]:
        """Everything that is asked at every sample, and with `slow`, or the first time, the rest.

        Raises NVMLError when the device is lost.
        """
        slow = slow or not self._known
        if slow:
            self._learn()
            self._known = True
        found = list(self._source.read((*FAST, *self._slow) if slow else FAST))
        signals = (MEMORY, _SLICES, self._of_instance) if slow else (MEMORY,)
        for instance in self._instances.values():
            found += instance.read(signals)
        return found

    def _learn(self) -> None:
        """What changes seldom: who it is, and how it is partitioned."""
        source = self._source
        # The device file's number stays while the driver is loaded; the index does not when a neighbour falls off.
        minor = answer(pynvml.nvmlDeviceGetMinorNumber, source.handle)
        # One that does not say it for once is still who it was.
        name = source.card.name if minor is None else f"nvidia{minor}"
        model = answer(pynvml.nvmlDeviceGetName, source.handle) or source.card.model
        source.card = replace(source.card, model=model, name=name)
        mode = answer(pynvml.nvmlDeviceGetMigMode, source.handle)
        partitioned = bool(mode and mode[0])
        if partitioned != self._partitioned:  # what it supports depends on that
            self._partitioned = partitioned
            source.unsupported.clear()
        self._instances = {i.card.uuid: i for i in self._found_instances()} if partitioned else {}

    def _found_instances(self) -> Iterator[Source]:
        source = self._source
        slots = answer(pynvml.nvmlDeviceGetMaxMigDeviceCount, source.handle) or 0
        for slot in range(min(slots, INSTANCES_MAX)):
            handle = answer(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, source.handle, slot)
            uuid = None if handle is None else answer(pynvml.nvmlDeviceGetUUID, handle)
            if uuid is None:  # an empty slot
                continue
            model = answer(pynvml.nvmlDeviceGetName, handle)
            _, _, profile = (model or "").partition(" MIG ")
            card = Card(
                uuid,
                source.card.driver_version,
                model,
                source.card.name,
                parent=source.card.uuid,
                mig_profile=profile or None,
            )
            known = self._instances.get(uuid)
            yield Source(card, handle, known.unsupported if known else set())


def answer(ask: Any, *arguments: Any) -> Any:
    """The answer, or None when there is none to be had. What ends a device's round is raised."""
    try:
        return ask(*arguments)
    except pynvml.NVMLError as error:
        if error.value in ENDING:
            raise
        return None


def _slices(handle: Any) -> Iterator[Value]:
    yield Value(semconv.TRIVET_GPU_MIG_SLICES, scaled(pynvml.nvmlDeviceGetAttributes_v2(handle).gpuInstanceSliceCount))


_SLICES: Final = Signal(_slices)
