"""An agent out of a configuration: its sources, its queue, its sender, its own metrics."""

import logging
from collections.abc import Callable, Mapping

from trivet_collectors.agent import Agent
from trivet_collectors.config import Config, ConfigError
from trivet_collectors.pipeline.deliver import Sender
from trivet_collectors.pipeline.destination import Answer
from trivet_collectors.pipeline.meters import Meters
from trivet_collectors.pipeline.queue import Queue, QueueInUseError
from trivet_collectors.receivers.nvml_source import NvmlSource
from trivet_collectors.receivers.prometheus import PrometheusSource
from trivet_collectors.receivers.prometheus_map import engines
from trivet_collectors.receivers.source import Source
from trivet_collectors.semconv import TRIVET_POOL

log = logging.getLogger("trivet.collector")


def sources(config: Config) -> list[Source]:
    """The receivers of a configuration. ConfigError when one names an engine that is not known."""
    for n, target in enumerate(config.prometheus):
        if target.engine is not None and target.engine not in engines():
            known = ", ".join(engines())
            raise ConfigError(f"receivers.prometheus[{n}].engine: {target.engine!r} is not known, there are {known}")
    alone = not config.prometheus
    cards = (NvmlSource(own, alone, config.send_interval_s) for own in config.nvml)
    return [*cards, *(PrometheusSource(own) for own in config.prometheus)]


class Setup:
    """What runs, and what is to be closed afterwards. ConfigError when it cannot be made."""

    def __init__(self, config: Config, environment: Mapping[str, str], in_memory: bool = False) -> None:
        read = sources(config)
        post = _post(config, environment)
        meters = Meters()
        directory = None if in_memory else config.queue_directory(environment)
        try:
            self._queue = Queue(directory, config.queue.bytes_max, config.queue.age_max_s, _Dropped(meters))
        except QueueInUseError as error:
            raise ConfigError(f"queue.dir: {error}") from error
        except OSError as error:
            raise ConfigError(f"queue.dir: {error}: name a directory that this user may write") from error
        meters.watch(self._queue)
        try:
            if config.metrics.port is not None and not in_memory:
                meters.serve(config.metrics.address, config.metrics.port)
        except OSError as error:
            self._queue.close()
            raise ConfigError(f"metrics.port: {config.metrics.port}: {error.strerror or error}") from error
        resource = config.resource(environment)
        pools = {"nvml": next((own.pool for own in config.nvml), None)}

        def resource_of(source: Source) -> Mapping[str, str]:
            pool = pools.get(source.name)
            return {**resource, TRIVET_POOL: pool} if pool else resource

        self.agent = Agent(
            read,
            resource=resource_of,
            send_interval_s=config.send_interval_s,
            queue=self._queue,
            sender=Sender(self._queue, post, meters),
            meters=meters,
        )

    def close(self) -> None:
        self._queue.close()


def _post(config: Config, environment: Mapping[str, str]) -> Callable[[bytes], Answer]:
    """A try of one export. The key is read anew for each: one that is changed in its file needs no restart."""
    config.destination(environment)  # what is wrong now is wrong use

    def post(body: bytes) -> Answer:
        try:
            return config.destination(environment).post(body)
        except ConfigError as error:
            return Answer(0, str(error))

    return post


class _Dropped:
    """Counts each export that went unsent, and says the first of each kind."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def __call__(self, reason: str) -> None:
        self._meters.dropped.labels(reason).inc()
        if self._meters.first_of(f"dropped: {reason}"):
            log.warning("an export went unsent (%s); the agent's metrics count further ones", reason)
