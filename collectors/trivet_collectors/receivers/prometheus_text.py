"""A metrics page, text format 0.0.4 or OpenMetrics, as samples by name. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

SAMPLES_MAX: Final = 200_000
TOLD_MAX: Final = 200  # signs of what a parser says, which may hold the page
OPENMETRICS: Final = "application/openmetrics-text"
NOTHING: Final = frozenset({"", "None"})  # what clients write for a label that has no value
Labels = Mapping[str, str]


class PageError(ValueError):
    """Not a metrics page, or too large a one. The message is one line."""


@dataclass(frozen=True)
class Page:
    """Samples by name, each with its labels and a finite value. Names are without `_total`: TGI's and Triton's counters never
    have it, and the parser adds it. Labels without a value are not there.
    """

    samples: Mapping[str, list[tuple[Labels, float]]] = field(default_factory=dict)

    def of(self, name: str) -> list[tuple[Labels, float]]:
        return self.samples.get(stem(name), [])

    def value(self, name: str) -> float | None:
        """Of the first sample of a name, None when there is none."""
        return next((value for _, value in self.of(name)), None)


def stem(name: str) -> str:
    return name.removesuffix("_total")


def parse(body: bytes, content_type: str) -> Page:
    """The page in an answer. PageError when it is none."""
    families: Callable[[str], Iterable[Any]] = openmetrics if content_type.startswith(OPENMETRICS) else plain
    samples: dict[str, list[tuple[Labels, float]]] = {}
    try:
        found = chain.from_iterable(family.samples for family in families(body.decode("utf-8-sig")))
        for sample in islice(found, SAMPLES_MAX):
            if math.isfinite(sample.value):
                labels = {key: value for key, value in sample.labels.items() if value not in NOTHING}
                samples.setdefault(stem(sample.name), []).append((labels, float(sample.value)))
        more = next(found, None) is not None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:  # the parsers, on nonsense
        raise PageError(f"not a metrics page: {' '.join(str(error).split())[:TOLD_MAX]}") from error
    if more:
        raise PageError(f"more than {SAMPLES_MAX} samples")
    if not samples:
        raise PageError("no metrics on the page: is it the right path?")
    return Page(samples)
