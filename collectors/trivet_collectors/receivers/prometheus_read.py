"""Pages of one target into readings of the one vocabulary, by an engine's rows."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Final

from trivet_collectors import semconv
from trivet_collectors.pipeline.histogram import Spread, merged
from trivet_collectors.pipeline.reading import Reading, Series
from trivet_collectors.receivers.gpu_health import HealthWatch
from trivet_collectors.receivers.growth import Buckets, Growth
from trivet_collectors.receivers.prometheus_map import Detail, Engine, From, Row, matches
from trivet_collectors.receivers.prometheus_text import Labels, Page

FOLDS: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {"sum": sum, "mean": fmean, "max": max}
CARD_LABELS: Final = ("UUID", "uuid")
INSTANCE_LABEL: Final = "GPU_I_ID"
OF_CARD: Final = (*CARD_LABELS, INSTANCE_LABEL)
Attributes = Mapping[str, str]
Folded = dict[Series, tuple[Attributes, float]]


class EngineReader:
    """Reads one target's pages, one after the other. `fixed` attributes are said of every point, whatever the page says."""

    def __init__(self, engine: Engine, fixed: Attributes) -> None:
        self.engine = engine
        self._fixed = fixed
        self._health = HealthWatch()
        self._growth = Growth(engine.counters, engine.histograms, OF_CARD if engine.cards else None)
        self._last: dict[Hashable, float] = {}
        self._begun = False

    def read(self, page: Page) -> list[Reading | Spread]:
        """What the page says. Growth of nothing is not said: an idle engine tells by its gauges that it is there."""
        page = self._without_blanks(page)
        grown, histograms = self._growth.over(page)
        found: list[Reading | Spread] = []
        for row in self.engine.rows:
            source = row.source(page)
            if source is None:
                continue
            if row.on_change:
                found += self._changes(row, source, page)
            elif row.metric.kind == "histogram":
                found += self._spreads(row, source, grown, histograms)
            elif row.metric.kind == "counter":
                found += (r for r in self._values(row, source, grown) if r.value > 0)
            else:
                found += self._values(row, source, page)
        self._begun = True
        return [*found, *self._events(found)]

    def _without_blanks(self, page: Page) -> Page:
        """Before anything is compared: what a "no reading" grew by would be a number."""
        if not self.engine.blanks:
            return page
        told = (
            (name, [(of, value) for of, value in samples if not self.engine.blank(value)])
            for name, samples in page.samples.items()
        )
        return Page({name: samples for name, samples in told if samples})

    def _events(self, found: Iterable[Reading | Spread]) -> Iterator[Reading]:
        """What breaks serving in the readings of cards, as NVML's receiver tells it."""
        if self.engine.cards:
            for event in self._health.events(r for r in found if isinstance(r, Reading)):
                yield replace(event, attributes={**event.attributes, **self._fixed})

    def _values(self, row: Row, source: From, page: Page) -> Iterator[Reading]:
        """Samples folded by series, with the source's further terms added or taken off where the series has them."""
        (_, lead), *further = source.terms
        totals = self._folded(row, source, lead, page)
        for sign, name in further:
            for series, (_, value) in self._folded(row, source, name, page).items():
                if series in totals:
                    attributes, total = totals[series]
                    totals[series] = attributes, total + sign * value
        for attributes, value in totals.values():
            yield Reading(row.metric, max(0.0, value + row.offset) * source.factor, attributes)

    def _changes(self, row: Row, source: From, page: Page) -> Iterator[Reading]:
        """One event for each series whose value became another, and not 0. What was so when we came is no event."""
        now: dict[Hashable, tuple[Attributes, float]] = {}
        for labels, value in page.of(source.name):
            attributes = self._attributes(row, source, labels, value)
            if attributes is not None:  # rows of one card say one event; others are things of their own
                own = attributes if row.whole_card else labels
                now[row.metric.name, frozenset(own.items())] = attributes, value
        for key, (attributes, value) in now.items():
            before = self._last.get(key, 0.0 if self._begun else None)
            self._last[key] = value
            if before is not None and value not in (before, 0.0):
                yield Reading(row.metric, 1, {**attributes, **_said(row.details.items(), {}, value)})

    def _spreads(
        self, row: Row, source: From, grown: Page, histograms: Mapping[str, list[Buckets]]
    ) -> Iterator[Spread]:
        by_series: dict[Series, Spread] = {}
        found = self._of_means(row, source, grown) if source.count else self._of_buckets(row, source, histograms)
        for spread in found:
            held = by_series.get(spread.series)
            by_series[spread.series] = spread if held is None else merged(held, spread)
        return (spread for spread in by_series.values() if spread.count > 0)

    def _of_buckets(self, row: Row, source: From, histograms: Mapping[str, list[Buckets]]) -> Iterator[Spread]:
        for buckets in histograms.get(source.name, ()):
            attributes = self._attributes(row, source, buckets.labels, None)
            if attributes is not None:
                at_most = {bound * source.factor: count for bound, count in buckets.at_most.items()}
                yield Spread(row.metric, attributes, buckets.count, buckets.total * source.factor, at_most)

    def _of_means(self, row: Row, source: From, grown: Page) -> Iterator[Spread]:
        counts = self._folded(row, source, source.count or "", grown)
        for series, (attributes, total) in self._folded(row, source, source.name, grown).items():
            if series in counts:
                yield Spread(row.metric, attributes, counts[series][1], total * source.factor, {})

    def _folded(self, row: Row, source: From, name: str, page: Page) -> Folded:
        groups: dict[Series, tuple[Attributes, list[float]]] = {}
        for labels, value in page.of(name):
            attributes = self._attributes(row, source, labels, value)
            if attributes is not None:
                key = row.metric.name, frozenset(attributes.items())
                groups.setdefault(key, (attributes, []))[1].append(value)
        fold = FOLDS[row.fold]
        return {key: (attributes, fold(values)) for key, (attributes, values) in groups.items()}

    def _attributes(self, row: Row, source: From, labels: Labels, value: float | None) -> Attributes | None:
        """Of the point that a sample goes into, or None when it does not count."""
        if not all(matches(labels, where) for where in (self.engine.where, row.where, source.where)):
            return None
        said = {name: text for name, keys in self.engine.labels.items() if (text := _first(labels, keys))}
        if not row.on_change:
            said |= _said(row.details.items(), labels, value)
        else:  # the value is the event's, not the series'
            said |= _said(((k, d) for k, d in row.details.items() if d.text is not None), labels, None)
        if self.engine.cards:
            card = _card(labels, row.whole_card)
            if card is None:
                return None
            said |= card
            if semconv.HW_PARENT not in card:
                said.pop(semconv.TRIVET_GPU_MIG_PROFILE, None)
        return {**said, **self._fixed}


def _card(labels: Labels, whole: bool) -> dict[str, str] | None:
    """Which card a row is of: the GPU, or the instance on it. None when it does not say."""
    uuid = _first(labels, CARD_LABELS)
    if uuid is None:
        return None
    said = {semconv.HW_TYPE: semconv.HW_TYPE_GPU, semconv.HW_VENDOR: "NVIDIA"}
    instance = labels.get(INSTANCE_LABEL)
    if whole or instance is None:
        return {**said, semconv.HW_ID: uuid}
    return {**said, semconv.HW_ID: f"MIG-{uuid}/{instance}", semconv.HW_PARENT: uuid}


def _first(labels: Labels, keys: Iterable[str]) -> str | None:
    return next((labels[key] for key in keys if key in labels), None)


def _said(details: Iterable[tuple[str, Detail]], labels: Labels, value: float | None) -> dict[str, str]:
    told = ((attribute, detail.of(labels, value)) for attribute, detail in details)
    return {attribute: text for attribute, text in told if text is not None}
