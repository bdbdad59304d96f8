"""By how much counters and histograms of a page have grown since it was last scraped. Resets are seen, also those of one series."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from trivet_collectors.receivers.prometheus_text import Labels, Page, stem

SERIES_MAX: Final = 100_000
STARTED: Final = "process_start_time_seconds"
T = TypeVar("T")
Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram at one moment, or its growth: values, their sum, and how many were at most each bound."""

    labels: Labels
    count: float
    total: float
    at_most: Mapping[float, float]

    def since(self, before: "Buckets | None") -> "Buckets":
        """What came since `before`. All of it when the histogram began anew, as anything that fell shows."""
        if before is None or self._fell(before):
            return self
        grown = {bound: count - before.at_most.get(bound, 0.0) for bound, count in self.at_most.items()}
        return replace(self, count=self.count - before.count, total=self.total - before.total, at_most=grown)

    def _fell(self, before: "Buckets") -> bool:
        return self.count < before.count or any(
            count < before.at_most.get(bound, 0.0) for bound, count in self.at_most.items()
        )


class Growth:
    """Remembers the last page. The first page is where counting starts and grows by nothing; a series that turns up later
    was born since, and all of it is growth. A value that fell was reset, and what it says now is growth. So is every value
    when the process says that it started anew.

    `kept_by`: the counts are kept by something else than the process, which these labels name (a card's by its driver). Other
    labels come and go with who uses it; what is seen for the first time, or fell, was counted unseen and is not guessed.
    """

    def __init__(
        self, counters: Iterable[str], histograms: Iterable[str], kept_by: Collection[str] | None = None
    ) -> None:
        self._counter_names = [stem(name) for name in counters]
        self._histogram_names = list(histograms)
        self._counters: dict[Key, float] = {}
        self._histograms: dict[Key, Buckets] = {}
        self._kept_by = kept_by
        self._begun = False
        self._started: float | None = None

    def over(self, page: Page) -> tuple[Page, Mapping[str, list[Buckets]]]:
        """The growth of counters, as a page, and of histograms by family."""
        started = page.value(STARTED) if self._kept_by is None else None
        if started is not None and self._started is not None and started != self._started:
            self._counters.clear()
            self._histograms.clear()
        self._started = started if started is not None else self._started
        counters = {name: list(self._grown(name, page)) for name in self._counter_names if page.of(name)}
        histograms = {
            name: list(self._spread(name, page)) for name in self._histogram_names if page.of(f"{name}_count")
        }
        self._begun = True
        return Page(counters), histograms

    def _grown(self, name: str, page: Page) -> Iterable[tuple[Labels, float]]:
        born = 0.0 if self._begun and self._kept_by is None else None
        for labels, value in page.of(name):
            key = name, frozenset(pair for pair in labels.items() if self._kept_by is None or pair[0] in self._kept_by)
            last = self._counters.pop(key, born)
            _keep(self._counters, key, value)
            if last is not None and value >= last:
                yield labels, value - last
            elif last is not None and self._kept_by is None:
                yield labels, value

    def _spread(self, name: str, page: Page) -> Iterable[Buckets]:
        for now in buckets_of(name, page):
            key = name, frozenset(now.labels.items())
            last = self._histograms.pop(key, None)
            _keep(self._histograms, key, now)
            if self._begun or last is not None:
                yield now.since(last)


def buckets_of(name: str, page: Page) -> list[Buckets]:
    """The histograms of a family on a page, one for each set of labels."""
    sums = {frozenset(labels.items()): value for labels, value in page.of(f"{name}_sum")}
    at_most: dict[frozenset[tuple[str, str]], dict[float, float]] = {}
    for labels, value in page.of(f"{name}_bucket"):
        own = frozenset((key, text) for key, text in labels.items() if key != "le")
        bound = float(labels.get("le", "inf"))
        if bound != float("inf"):
            at_most.setdefault(own, {})[bound] = value
    found = ((frozenset(labels.items()), labels, count) for labels, count in page.of(f"{name}_count"))
    return [Buckets(labels, count, sums.get(own, 0.0), at_most.get(own, {})) for own, labels, count in found]


def _keep(held: dict[Key, T], key: Key, value: T) -> None:
    """As the newest. The one not seen for longest makes room."""
    if len(held) >= SERIES_MAX:
        del held[next(iter(held))]
    held[key] = value
