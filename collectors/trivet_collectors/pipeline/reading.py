"""What every receiver gives and the pipeline sends."""

from collections.abc import Mapping
from dataclasses import dataclass

from trivet_collectors.semconv import Metric

Series = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric, in the metric's unit.

    Of a gauge (and of an updowncounter) the value is how it is now. Of a counter it is how much more there was since the
    series was last read (`pipeline.increments` makes that out of a running total).
    """

    metric: Metric
    value: float
    attributes: Mapping[str, str]

    @property
    def series(self) -> Series:
        """What tells this series from every other."""
        return self.metric.name, frozenset(self.attributes.items())
