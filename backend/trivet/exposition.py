"""What a Prometheus scrape reads: this process's metrics, or those of all API processes that share the port.

Several processes (`trivet api --processes N`) write their counters to files in one folder, which the first of them to be
asked adds up. Counters are sums over the processes, also over those that died since the start. What is read from the
database when asked is the same whichever answers. CPU and memory (`process_*`, `python_*`) would be those of whichever
answers, and are left out.
"""

import os
from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OF_ONE_PROCESS = ("process_", "python_")


class _All(Collector):
    """Every process's counters, and whatever else this one can tell."""

    def collect(self) -> Iterable[Metric]:
        summed = {metric.name: metric for metric in MultiProcessCollector(None, path=os.environ[FOLDER]).collect()}  # type: ignore[no-untyped-call]  # prometheus_client's
        yield from summed.values()
        for metric in REGISTRY.collect():
            if metric.name not in summed and not metric.name.startswith(OF_ONE_PROCESS):
                yield metric


def exposition() -> bytes:
    """Prometheus text."""
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    registry.register(_All())
    return generate_latest(registry)
