"""The cards of this node as a source."""

from collections.abc import Sequence
from pathlib import Path

from trivet_collectors.config import NvmlConfig
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.nvml import NoDriverError, NvmlReceiver
from trivet_collectors.receivers.source import NoSourceError, SourceError


class NvmlSource:
    """`alone`: the agent reads nothing else, so that without a driver there is nothing to wait for. What changes seldom is
    asked once for each time that is sent.
    """

    name = "nvml"

    def __init__(self, config: NvmlConfig, alone: bool, send_interval_s: float) -> None:
        self.interval_s = config.interval_s
        self._alone = alone
        self._receiver = NvmlReceiver(
            round_timeout_s=config.round_timeout_s,
            slow_interval_s=send_interval_s,
            processes_max=config.processes_max,
            proc=Path(config.proc) if config.proc else None,
        )

    def open(self) -> None:
        try:
            self._receiver.open()
        except NoDriverError as error:
            raise (NoSourceError if self._alone else SourceError)(str(error)) from error

    def read(self) -> Sequence[Reading]:
        try:
            return self._receiver.read()
        except NoDriverError as error:  # replaced under us: this process has the old library
            raise NoSourceError(str(error)) from error

    def close(self) -> None:
        self._receiver.close()
