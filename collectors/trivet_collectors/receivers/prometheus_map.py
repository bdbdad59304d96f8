"""The mapping of `engines.toml` as values: engines, their series, and where each is read from."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, TypeVar

from trivet_collectors import semconv
from trivet_collectors.receivers.prometheus_text import Labels, Page
from trivet_collectors.semconv import Metric

METRICS: Final = {metric.name: metric for metric in (*semconv.SIGNAL_METRICS, *semconv.GPU_METRICS)}
Where = Mapping[str, tuple[str, ...]]
T = TypeVar("T")


@dataclass(frozen=True)
class Detail:
    """The value of an attribute: a text, a label's text by pattern, or the sample's own value by its name."""

    text: str | None = None
    label: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    other: str | None = None

    def of(self, labels: Labels, value: float | None) -> str | None:
        """None: the attribute is not said."""
        if self.text is not None:
            return self.text
        told = labels.get(self.label) if self.label is not None else None if value is None else f"{value:g}"
        if told is None or not self.values:
            return told or self.other
        found = (text for pattern, text in self.values.items() if fnmatchcase(told, pattern))
        return next(found, self.other or told)


@dataclass(frozen=True)
class From:
    """Names on the page that a series is read from: `name` with others added or taken off, or the parts of a mean."""

    name: str
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    count: str | None = None  # `name` is then the sum
    where: Where = field(default_factory=dict)
    factor: float = 1.0
    generation: str = ""

    @property
    def terms(self) -> tuple[tuple[int, str], ...]:
        return (1, self.name), *((1, name) for name in self.plus), *((-1, name) for name in self.minus)

    def on(self, page: Page, kind: str) -> bool:
        name = f"{self.name}_count" if kind == "histogram" and self.count is None else self.name
        return all(page.of(needed) for needed in (name, *self.needs))


@dataclass(frozen=True)
class Row:
    """One series of the vocabulary, as one engine tells it."""

    metric: Metric
    sources: tuple[From, ...]
    details: Mapping[str, Detail]
    where: Where
    fold: Literal["sum", "mean", "max"]
    offset: float
    on_change: bool
    whole_card: bool

    def source(self, page: Page) -> From | None:
        """The first source that is on the page."""
        return next((source for source in self.sources if source.on(page, self.metric.kind)), None)


@dataclass(frozen=True)
class Engine:
    """How one engine's page is known and read."""

    name: str
    prefixes: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]
    where: Where
    blanks: tuple[tuple[float, float], ...]
    cards: bool
    rows: tuple[Row, ...]

    def known_by(self, page: Page) -> bool:
        return any(name.startswith(self.prefixes) for name in page.samples)

    def blank(self, value: float) -> bool:
        return any(low <= value <= high for low, high in self.blanks)

    @property
    def counters(self) -> frozenset[str]:
        """Names whose growth is read."""
        growing = (row for row in self.rows if row.metric.kind in ("counter", "histogram") and not row.on_change)
        found = {name for row in growing for source in row.sources for name in _single(row, source)}
        return frozenset(found)

    @property
    def histograms(self) -> frozenset[str]:
        """Families whose buckets' growth is read."""
        rows = (row for row in self.rows if row.metric.kind == "histogram")
        return frozenset(source.name for row in rows for source in row.sources if source.count is None)


def _single(row: Row, source: From) -> Iterable[str]:
    if row.metric.kind == "counter":
        return (name for _, name in source.terms)
    return (source.name, source.count) if source.count is not None else ()


def matches(labels: Labels, where: Where) -> bool:
    """Whether a sample counts. A label that is not there is the empty text."""
    return all(_any(labels.get(label, ""), patterns) for label, patterns in where.items())


def _any(told: str, patterns: tuple[str, ...]) -> bool:
    if patterns[0].startswith("!"):
        return not any(fnmatchcase(told, pattern.removeprefix("!")) for pattern in patterns)
    return any(fnmatchcase(told, pattern) for pattern in patterns)


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine of the data file, in its order."""
    raw = tomllib.loads(files("trivet_collectors.receivers").joinpath("engines.toml").read_text(encoding="utf-8"))
    return {name: _engine(name, table) for name, table in raw.items()}


def engine_of(page: Page) -> Engine | None:
    """Whose page it is; None when nobody's who is known."""
    return next((engine for engine in engines().values() if engine.known_by(page)), None)


def _engine(name: str, raw: Mapping[str, Any]) -> Engine:
    rest = dict(raw)
    engine = Engine(
        name,
        prefixes=tuple(rest.pop("prefixes")),
        labels={attribute: tuple(labels) for attribute, labels in rest.pop("labels").items()},
        where=_where(rest.pop("where", {})),
        blanks=tuple((low, high) for low, high in rest.pop("blanks", [])),
        cards=rest.pop("cards", False),
        rows=tuple(_row(row) for row in rest.pop("series")),
    )
    return _nothing_left(engine, rest)


def _row(raw: Mapping[str, Any]) -> Row:
    rest = dict(raw)
    factor = rest.pop("factor", 1.0)
    sources = rest.pop("sources", None) or [{"name": rest.pop("name")}]
    scope = rest.pop("scope", None)
    row = Row(
        METRICS[rest.pop("metric")],
        sources=tuple(_from(source, factor) for source in sources),
        details={attribute: _detail(said) for attribute, said in rest.pop("details", {}).items()},
        where=_where(rest.pop("where", {})),
        fold=rest.pop("fold", "max" if scope == "card" else "sum"),
        offset=rest.pop("offset", 0.0),
        on_change=rest.pop("on", None) == "change",
        whole_card=scope == "card",
    )
    return _nothing_left(row, rest)


def _from(raw: Mapping[str, Any], factor: float) -> From:
    rest = dict(raw)
    source = From(
        rest.pop("sum") if "sum" in rest else rest.pop("name"),
        plus=tuple(rest.pop("plus", ())),
        minus=tuple(rest.pop("minus", ())),
        needs=tuple(rest.pop("needs", ())),
        count=rest.pop("count", None),
        where=_where(rest.pop("where", {})),
        factor=rest.pop("factor", 1.0) * factor,
        generation=rest.pop("generation", ""),
    )
    return _nothing_left(source, rest)


def _detail(raw: Any) -> Detail:
    if isinstance(raw, str):
        return Detail(text=raw)
    rest = dict(raw)
    values = rest.pop("values", {}) if "label" in rest else rest.pop("value")
    return _nothing_left(Detail(label=rest.pop("label", None), values=values, other=rest.pop("other", None)), rest)


def _where(raw: Mapping[str, Any]) -> Where:
    return {label: tuple(patterns) for label, patterns in raw.items()}


def _nothing_left(made: T, rest: Mapping[str, Any]) -> T:
    if rest:
        raise ValueError(f"engines.toml: unknown keys {sorted(rest)}")
    return made
