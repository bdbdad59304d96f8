"""What every receiver gives and the pipeline sends."""

from collections.abc import Mapping
from dataclasses import dataclass

from trivet_collectors.semconv import Metric


@dataclass(frozen=True)
class Reading:
    """One value of one metric, in the metric's unit."""

    metric: Metric
    value: float
    attributes: Mapping[str, str]
