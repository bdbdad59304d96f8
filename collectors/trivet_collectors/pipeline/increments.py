"""How much more there is of what only grows: running totals in, increments out."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from trivet_collectors.pipeline.reading import Reading, Series

SERIES_MAX: Final = 50_000


class Increments:
    """The last running total of each series. The oldest series is forgotten when there are more than `series_max`."""

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        self._last: dict[Series, float] = {}
        self._series_max = series_max

    def over(self, totals: Iterable[Reading]) -> Iterator[Reading]:
        """Each total as what it has grown by. A series seen for the first time has nothing to be compared with and gives
        nothing; nor does one that fell: its source began anew, and what it counted unseen is not guessed.
        """
        for total in totals:
            series = total.series
            last = self._last.pop(series, None)
            if last is None and len(self._last) >= self._series_max:
                del self._last[next(iter(self._last))]
            self._last[series] = total.value
            if last is not None and total.value >= last:
                yield replace(total, value=total.value - last)
